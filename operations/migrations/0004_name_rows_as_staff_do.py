"""Name the rows that findings are about as staff do: "booking 12" instead of "step progress 12"."""

from typing import Any

from django.db import migrations
from django.db.models import Value
from django.db.models.functions import Concat, Substr

NAMES = {
    "allocation": "seat allocation",
    "held review": "held answer",
    "instance": "program instance",
    "label": "enrollment label",
    "learner merge": "merged learner",
    "month close": "closed month",
    "notification": "email",
    "provider": "partner",
    "question": "question to a family",
    "seat": "seat holder",
    "step progress": "booking",
    "stripe event": "Stripe event",
    "transition": "enrollment transition",
    "verdict": "eligibility verdict",
    "waiting list entry": "waitlist entry",
}


def rename_rows(apps: Any, schema_editor: Any) -> None:
    findings = apps.get_model("operations", "Finding").objects
    for before, now in NAMES.items():
        named = findings.filter(row__regex=rf"^{before} \d+$")
        named.update(row=Concat(Value(now), Substr("row", len(before) + 1)))


class Migration(migrations.Migration):
    dependencies = [("operations", "0003_call_rows_what_staff_call_them")]

    operations = [migrations.RunPython(rename_rows, migrations.RunPython.noop, elidable=True)]
