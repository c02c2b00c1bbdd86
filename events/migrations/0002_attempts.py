from django.db import migrations, models


class Migration(migrations.Migration):
    """Use one name for every retried row's attempts. The column keeps its name, so the database does not change."""

    dependencies = [("events", "0001_initial")]

    operations = [
        migrations.AlterField(
            "outboxevent",
            "relay_attempts",
            models.PositiveSmallIntegerField(db_column="relay_attempts", default=0),
        ),
        migrations.RenameField("outboxevent", "relay_attempts", "attempts"),
    ]
