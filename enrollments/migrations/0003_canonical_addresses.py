from django.db import migrations

from core.addresses import canonical_address


def spell_addresses(apps, schema_editor):
    _spell(apps.get_model("enrollments", "EnrollmentDecision"), "learner_email")


def _spell(model, column):
    for pk, address in model.objects.exclude(**{column: ""}).values_list("pk", column).iterator():
        if canonical_address(address) != address:
            model.objects.filter(pk=pk).update(**{column: canonical_address(address)})


class Migration(migrations.Migration):
    dependencies = [("enrollments", "0002_transition_note")]

    operations = [migrations.RunPython(spell_addresses, migrations.RunPython.noop)]
