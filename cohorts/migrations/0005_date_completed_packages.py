"""A package whose participation is completed was completed when the last of its steps was."""

from django.db import migrations
from django.db.models import F, Max, OuterRef, Subquery
from django.db.models.functions import Coalesce


def date_them(apps, schema_editor):
    packages = apps.get_model("cohorts", "StudentPackage").objects
    progress = apps.get_model("cohorts", "StepProgress").objects.filter(package=OuterRef("pk"))
    last = progress.order_by().values("package").annotate(last=Max("completed_at")).values("last")
    packages.filter(enrollment__participation_status="completed", completed_at__isnull=True).update(
        completed_at=Coalesce(Subquery(last), F("purchased_at"))
    )


class Migration(migrations.Migration):
    dependencies = [("cohorts", "0004_completion_and_excuses")]

    operations = [migrations.RunPython(date_them, migrations.RunPython.noop)]
