"""Fold the existing external ids for comparison, and make each task about possible duplicates name both learners."""

import re

from django.db import migrations

from accounts.models import external_key

BATCH = 500
_BOTH = re.compile(r"Learners (\d+) and (\d+) have the same address and names")


def fold_external_ids(apps, schema_editor):
    Learner = apps.get_model("accounts", "Learner")
    changed = []
    for learner in Learner.objects.exclude(external_id=None).only("external_id").order_by("pk").iterator():
        learner.external_key = external_key(learner.external_id)
        changed.append(learner)
        if len(changed) == BATCH:
            Learner.objects.bulk_update(changed, ["external_key"])
            changed.clear()
    Learner.objects.bulk_update(changed, ["external_key"])


def name_both_twins(apps, schema_editor):
    StaffTask = apps.get_model("accounts", "StaffTask")
    for task in StaffTask.objects.filter(kind="possible_twins").order_by("pk"):
        both = _BOTH.match(task.summary)
        if both is not None:
            older, younger = sorted(int(pk) for pk in both.groups())
            StaffTask.objects.filter(pk=task.pk).update(subject=f"learner:{older}/learner:{younger}")


def name_the_younger(apps, schema_editor):
    StaffTask = apps.get_model("accounts", "StaffTask")
    for task in StaffTask.objects.filter(kind="possible_twins", subject__contains="/").order_by("pk"):
        StaffTask.objects.filter(pk=task.pk).update(subject=task.subject.partition("/")[2])


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_merged_learners")]

    operations = [
        migrations.RunPython(fold_external_ids, migrations.RunPython.noop),
        migrations.RunPython(name_both_twins, name_the_younger),
    ]
