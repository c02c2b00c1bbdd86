from django.db import migrations
from django.db.models import OuterRef, Subquery


def fill(apps, schema_editor):
    """What was open when the column came was asked by its price as that is kept now."""
    checkouts = apps.get_model("billing", "Checkout").objects.filter(status="open", price__isnull=False)
    prices = apps.get_model("billing", "Price").objects.filter(pk=OuterRef("price"))
    checkouts.update(stripe_price_id=Subquery(prices.values("stripe_price_id")[:1]))


class Migration(migrations.Migration):
    dependencies = [("billing", "0004_checkout_price_asked")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
