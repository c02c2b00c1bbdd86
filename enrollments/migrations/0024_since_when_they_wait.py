"""Waiting enrollments have waited since they were submitted or since their payment arrived, whichever came later."""

from django.db import migrations
from django.db.models import F, Max, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

FUNDED = ("not_required", "paid", "partially_refunded")


def fill(apps, schema_editor):
    arrivals = Q(facet="eligibility", to_status="submitted") | Q(facet="payment", to_status__in=FUNDED)
    transitions = apps.get_model("enrollments", "EnrollmentTransition").objects.order_by()
    latest = transitions.filter(arrivals, enrollment=OuterRef("pk")).values("enrollment").annotate(at=Max("created_at"))
    waiting = apps.get_model("enrollments", "Enrollment").objects.filter(eligibility_status="submitted")
    waiting.update(waiting_since=Coalesce(Subquery(latest.values("at")), F("created_at")))


class Migration(migrations.Migration):
    dependencies = [("enrollments", "0023_line_of_reviewers")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
