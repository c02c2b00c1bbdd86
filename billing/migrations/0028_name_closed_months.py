from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("billing", "0027_reword_labels")]

    operations = [
        migrations.AlterModelOptions(
            name="monthclose",
            options={"verbose_name": "closed month", "verbose_name_plural": "closed months"},
        ),
    ]
