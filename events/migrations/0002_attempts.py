from django.db import migrations, models


class Migration(migrations.Migration):
    """One name for what every retried row counts. The column keeps its name: nothing moves in the database."""

    dependencies = [("events", "0001_initial")]

    operations = [
        migrations.AlterField(
            "outboxevent",
            "relay_attempts",
            models.PositiveSmallIntegerField(db_column="relay_attempts", default=0),
        ),
        migrations.RenameField("outboxevent", "relay_attempts", "attempts"),
    ]
