from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_compare_external_ids")]

    operations = [
        migrations.AddConstraint(
            model_name="stafftask",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "possible_twins")),
                fields=("subject",),
                name="staff_task_one_per_pair_of_twins",
            ),
        ),
    ]
