"""Add an index to find what staff edited by its row. Django's table has none."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0005_let_erasure_blank_reasons"), ("admin", "0003_logentry_add_action_flag_choices")]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX backoffice_edits_by_object ON django_admin_log (object_id, content_type_id)",
            "DROP INDEX backoffice_edits_by_object",
        )
    ]
