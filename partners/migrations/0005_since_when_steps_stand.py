"""Store since when each step has its status; fill it for existing steps from their history."""

from typing import Any

from django.db import migrations
from django.db.models import F, OuterRef, Subquery
from django.db.models.functions import Coalesce


def read_from_history(apps: Any, schema_editor: Any) -> None:
    step = apps.get_model("partners", "EnrollmentStep")
    changes = apps.get_model("partners", "StepTransition").objects.filter(step=OuterRef("pk")).order_by("-number")
    step.objects.update(changed_at=Coalesce(Subquery(changes.values("created_at")[:1]), F("created_at")))


class Migration(migrations.Migration):
    dependencies = [("partners", "0004_what_makes_a_learner_stuck")]

    operations = [migrations.RunPython(read_from_history, migrations.RunPython.noop, elidable=True)]
