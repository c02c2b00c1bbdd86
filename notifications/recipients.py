"""The recipients of mail about a learner."""

from collections import defaultdict
from collections.abc import Collection

from django.db.models import Q, QuerySet

from accounts.models import Guardianship, Learner
from core.compiled import compiled


def family_addresses(learner: Learner) -> list[str]:
    """Return the addresses of a learner's family: the guardians'. The learner's own is included only if nobody answers
    for the learner, or if they have an account and so act for themselves."""
    return addresses_of_families([learner])[learner.pk]


def addresses_of_families(learners: Collection[Learner]) -> dict[int, list[str]]:
    """Return each family's addresses by the learner's id, with one query."""
    found: dict[int, list[str]] = defaultdict(list)
    for learner_id, address in _addresses_of_guardians.all([learner.pk for learner in learners]):
        found[learner_id].append(str(address))
    for learner in learners:
        if learner.pk not in found or learner.user_id is not None:
            found[learner.pk].append(learner.email)
    # All addresses are stored in their canonical spelling.
    return {key: list(dict.fromkeys(filter(None, addresses))) for key, addresses in found.items()}


def belongs_to_family(address: str, learner: Learner) -> bool:
    """Return whether this is the address of a guardian, or the learner's own. A mail is not sent to a guardian who was
    removed, or whose address was replaced, after it was recorded."""
    if address == learner.email:
        return True
    present = learner.merged_into_id or learner.pk
    if Guardianship.objects.filter(learner=present, guardian__email=address).exists():
        return True
    return Learner.objects.filter(Q(pk=present) | Q(merged_into=present), email=address).exists()


@compiled
def _addresses_of_guardians(learner_ids: list[int]) -> QuerySet[Guardianship, tuple[int, str | None]]:
    answering = Guardianship.objects.filter(learner__pk__among=learner_ids, guardian__email__isnull=False)
    return answering.exclude(guardian__email="").order_by("guardian").values_list("learner", "guardian__email")
