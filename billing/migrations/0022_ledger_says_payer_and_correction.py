from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0021_month_closes")]

    operations = [
        migrations.AddField(
            model_name="ledgerline",
            name="correction",
            field=models.CharField(blank=True, db_default="", default="", max_length=40),
        ),
        migrations.AddField(
            model_name="ledgerline",
            name="payer",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
    ]
