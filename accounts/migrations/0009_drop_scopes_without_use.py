from django.db import migrations

OPEN_NOTHING = {
    f"{about}:{half}"
    for about in ("enrollments", "payments", "courses", "partners", "events", "webhooks")
    for half in ("read", "write")
}


def drop(apps, schema_editor):
    keys = apps.get_model("accounts", "ApiKey").objects.using(schema_editor.connection.alias)
    for key in keys.order_by("pk").iterator():
        scopes = [scope for scope in key.scopes if scope not in OPEN_NOTHING]
        if scopes != key.scopes:
            keys.filter(pk=key.pk).update(scopes=scopes)


class Migration(migrations.Migration):
    """Remove scopes that never granted anything: a key can do the same without them."""

    dependencies = [("accounts", "0008_ask_once_about_twins")]

    operations = [migrations.RunPython(drop, migrations.RunPython.noop)]
