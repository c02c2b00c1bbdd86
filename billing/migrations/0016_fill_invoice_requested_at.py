"""Every invoice of before was issued in the moment in which it was asked for."""

from django.db import migrations
from django.db.models import F


def fill(apps, schema_editor):
    apps.get_model("billing", "Invoice").objects.filter(issued_at__isnull=False).update(requested_at=F("issued_at"))


class Migration(migrations.Migration):
    dependencies = [("billing", "0015_seller_and_vendor_invoices")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
