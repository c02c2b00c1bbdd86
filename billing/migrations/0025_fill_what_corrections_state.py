"""An earlier correction states the money recorded at the same moment, and therefore in the same transaction."""

from collections import defaultdict

from django.db import migrations


def fill(apps, schema_editor):
    Invoice = apps.get_model("billing", "Invoice")
    moved = defaultdict(dict)
    refunds = apps.get_model("billing", "Refund").objects.filter(status="succeeded")
    for pk, payment, minor, at in refunds.values_list("pk", "payment", "amount_minor", "settled_at"):
        moved[payment, at][f"refund:{pk}"] = -minor
    disputes = apps.get_model("billing", "Dispute").objects.filter(status="lost")
    for pk, payment, minor, at in disputes.values_list("pk", "payment", "withdrawn_minor", "closed_at"):
        moved[payment, at][f"dispute:{pk}"] = -minor
    for correction in Invoice.objects.filter(corrects__isnull=False, sources={}).iterator():
        sources = moved.pop((correction.payment_id, correction.requested_at), None)
        if sources:
            Invoice.objects.filter(pk=correction.pk).update(sources=sources)


class Migration(migrations.Migration):
    dependencies = [("billing", "0024_what_corrections_state")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
