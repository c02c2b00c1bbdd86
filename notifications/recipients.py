"""The recipients of mail about a learner."""

from collections import defaultdict
from collections.abc import Collection

from django.db.models import QuerySet

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


@compiled
def _addresses_of_guardians(learner_ids: list[int]) -> QuerySet[Guardianship, tuple[int, str | None]]:
    answering = Guardianship.objects.filter(learner__pk__among=learner_ids, guardian__email__isnull=False)
    return answering.exclude(guardian__email="").order_by("guardian").values_list("learner", "guardian__email")
