"""Store krónur as whole units, as they are charged: amounts lose their two decimals, which were always 00."""

from typing import Any

from django.db import migrations
from django.db.models import F


def count_whole(apps: Any, schema_editor: Any) -> None:
    Invoice = apps.get_model("billing", "Invoice")
    for krona in _in_krona(apps):
        krona.update(amount_minor=F("amount_minor") / 100)
    for invoice in Invoice.objects.filter(currency="isk"):
        invoice.lines = [{**line, "amount_minor": line["amount_minor"] // 100} for line in invoice.lines]
        invoice.save(update_fields=["lines"])


def count_hundredths(apps: Any, schema_editor: Any) -> None:
    Invoice = apps.get_model("billing", "Invoice")
    for krona in _in_krona(apps):
        krona.update(amount_minor=F("amount_minor") * 100)
    for invoice in Invoice.objects.filter(currency="isk"):
        invoice.lines = [{**line, "amount_minor": line["amount_minor"] * 100} for line in invoice.lines]
        invoice.save(update_fields=["lines"])


def shrink_payments(apps: Any, schema_editor: Any) -> None:
    Payment = apps.get_model("billing", "Payment")
    Payment.objects.filter(currency="isk").update(
        amount_minor=F("amount_minor") / 100, refunded_minor=F("refunded_minor") / 100
    )


def grow_payments(apps: Any, schema_editor: Any) -> None:
    Payment = apps.get_model("billing", "Payment")
    Payment.objects.filter(currency="isk").update(
        amount_minor=F("amount_minor") * 100, refunded_minor=F("refunded_minor") * 100
    )


def _in_krona(apps: Any) -> list[Any]:
    named = [apps.get_model("billing", name).objects.filter(currency="isk") for name in ("Price", "Checkout", "Invoice")]
    paid = [apps.get_model("billing", name).objects.filter(payment__currency="isk") for name in ("Refund", "Dispute")]
    return [*named, *paid]


class Migration(migrations.Migration):
    dependencies = [("billing", "0003_checkout_refused")]
    operations = [
        migrations.RunPython(count_whole, count_hundredths),
        migrations.RunPython(shrink_payments, grow_payments),
    ]
