"""Every earlier invoice was issued at the moment it was requested."""

from django.db import migrations
from django.db.models import F


def fill(apps, schema_editor):
    apps.get_model("billing", "Invoice").objects.filter(issued_at__isnull=False).update(requested_at=F("issued_at"))


class Migration(migrations.Migration):
    dependencies = [("billing", "0015_seller_and_vendor_invoices")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
