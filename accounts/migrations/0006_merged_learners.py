import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_guardian_invitation")]

    operations = [
        migrations.AddField(
            model_name="learner",
            name="external_key",
            field=models.CharField(editable=False, max_length=150, null=True),
        ),
        migrations.AddField(
            model_name="learner",
            name="merged_into",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="merged",
                to="accounts.learner",
            ),
        ),
        migrations.AddConstraint(
            model_name="learner",
            constraint=models.CheckConstraint(
                condition=models.Q(("merged_into__isnull", True))
                | models.Q(("merged_into", models.F("id")), _negated=True),
                name="learner_not_merged_into_itself",
            ),
        ),
        migrations.AddIndex(
            model_name="learner",
            index=models.Index(
                condition=models.Q(("external_key__isnull", False)),
                fields=["workspace", "external_key"],
                name="learner_by_external_key",
            ),
        ),
        migrations.CreateModel(
            name="LearnerMerge",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reason", models.CharField(max_length=300)),
                ("moved", models.JSONField()),
                ("actor", models.CharField(max_length=64)),
                ("merged_at", models.DateTimeField()),
                (
                    "dropped",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="merge", to="accounts.learner"
                    ),
                ),
                (
                    "kept",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.learner"
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="learner_merges",
                        to="accounts.workspace",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kept", models.F("dropped")), _negated=True), name="learner_merge_of_two"
                    )
                ],
            },
        ),
    ]
