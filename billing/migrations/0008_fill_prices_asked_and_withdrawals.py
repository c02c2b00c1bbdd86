from django.db import migrations
from django.db.models import F, OuterRef, Subquery


def fill(apps, schema_editor):
    """Fill the new columns: open checkouts asked for their price as stored now. Until now, every dispute counted as one
    of its whole amount, and every open dispute as one that stops refunds."""
    checkouts = apps.get_model("billing", "Checkout").objects.filter(status="open", price__isnull=False)
    prices = apps.get_model("billing", "Price").objects.filter(pk=OuterRef("price"))
    checkouts.update(stripe_price_id=Subquery(prices.values("stripe_price_id")[:1]))
    disputes = apps.get_model("billing", "Dispute").objects
    disputes.filter(status__in=("open", "lost")).update(withdrawn_minor=F("amount_minor"))
    disputes.filter(status="open").update(blocks_refunds=True)


class Migration(migrations.Migration):
    dependencies = [("billing", "0007_prices_asked_and_inquiries")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
