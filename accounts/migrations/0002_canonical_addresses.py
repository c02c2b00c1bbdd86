"""Convert every address to its canonical spelling, and fold names as comparisons now do.

Rows that become equal remain separate, because only staff may merge people's records. A guardian whose address is
already taken keeps only their other id; the younger of two learners gets its own identity, and staff get a task.
An account whose address is already taken keeps the old spelling, with which nobody can sign in.
"""

from django.db import migrations

from accounts.models import identity_of_twin, person_key
from core.addresses import canonical_address

BATCH = 500


def spell_addresses(apps, schema_editor):
    taken = set()
    User = apps.get_model("accounts", "User")
    for user in User.objects.order_by("pk").iterator():
        address = canonical_address(user.email)
        if address != user.email and not User.objects.filter(email=address).exists():
            User.objects.filter(pk=user.pk).update(email=address)
    Guardian = apps.get_model("accounts", "Guardian")
    for guardian in Guardian.objects.exclude(email=None).order_by("pk").iterator():
        address = canonical_address(guardian.email) or None
        if (guardian.workspace_id, address) in taken and guardian.external_id is not None:
            address = None
        taken.add((guardian.workspace_id, address))
        if address != guardian.email and not _is_taken(Guardian, guardian, address):
            Guardian.objects.filter(pk=guardian.pk).update(email=address)
    Lead = apps.get_model("accounts", "Lead")
    for lead in Lead.objects.exclude(email="").order_by("pk").iterator():
        address = canonical_address(lead.email)
        if address != lead.email:
            Lead.objects.filter(pk=lead.pk).update(email=address)


def _is_taken(model, guardian, address):
    others = model.objects.filter(workspace=guardian.workspace_id, email=address).exclude(pk=guardian.pk)
    return address is not None and others.exists()


def recognize_learners(apps, schema_editor):
    Learner, StaffTask = apps.get_model("accounts", "Learner"), apps.get_model("accounts", "StaffTask")
    seen, changed = {}, []
    for learner in Learner.objects.order_by("pk").iterator():
        learner.email = canonical_address(learner.email)
        learner.person = person_key(learner.email, learner.first_name, learner.last_name)
        if not learner.external_id:
            key = (learner.workspace_id, learner.person)
            twin = seen.setdefault(key, learner.pk)
            learner.identity = f"who:{learner.person}" if twin == learner.pk else identity_of_twin(learner.cuid)
            if twin != learner.pk:
                StaffTask.objects.get_or_create(
                    kind="possible_twins",
                    subject=f"learner:{learner.pk}",
                    defaults={
                        "workspace_id": learner.workspace_id,
                        "summary": f"Learners {twin} and {learner.pk} have the same address and names. Decide whether "
                        "they are one person.",
                    },
                )
        changed.append(learner)
        if len(changed) == BATCH:
            _store(Learner, changed)
    _store(Learner, changed)


def _store(model, learners):
    """Use two rounds: in a single one, an identity could collide with that of a row that has not changed yet."""
    identities = [learner.identity for learner in learners]
    for learner in learners:
        learner.identity = f"moving:{learner.cuid}"
    model.objects.bulk_update(learners, ["email", "person", "identity"])
    for learner, identity in zip(learners, identities, strict=True):
        learner.identity = identity
    model.objects.bulk_update(learners, ["identity"])
    learners.clear()


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.RunPython(spell_addresses, migrations.RunPython.noop),
        migrations.RunPython(recognize_learners, migrations.RunPython.noop),
    ]
