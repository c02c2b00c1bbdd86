"""Whose learners are whose: the one rule by which pages, API, calendars and invoices let a family see something.

A learner is somebody's by their account, by their own address, or through a guardian with that address. Paying makes
nobody part of a family; see docs/decisions/0006. An address counts once a code has shown that its mailbox is theirs:
what each edge answers before that is in docs/decisions/0023.
"""

from django.db.models import Q

from core.errors import DomainError

from .models import Learner, LearnerQuerySet, User
from .sign_in import proven_address


class AddressUnproven(DomainError):
    """What families see is found by their address, so it is shown to those only who have entered a code that was mailed
    to it."""

    status = 403
    code = "address_unproven"
    title = "Confirm your address first: sign in with the code that is mailed to it"


def find_family(user: object) -> User | None:
    """The signed-in person, if their address is proven; None for everybody else, be it nobody or an API key."""
    return user if isinstance(user, User) and proven_address(user=user) is not None else None


def require_family(user: User) -> User:
    """The person, whose address is proven. Raises AddressUnproven."""
    if find_family(user) is None:
        raise AddressUnproven
    return user


def learners_of(user: User) -> LearnerQuerySet:
    """The learners this person may act for: themselves, and the children they are guardian of.

    Callers have the person from `find_family` or `require_family`, or by the guard of their edge.
    """
    return Learner.objects.live().filter(Q(user=user) | _reached_at(user.email)).distinct()


def learners_at(address: str) -> LearnerQuerySet:
    """The learners whom the holder of an address may act for, with an account or without. Callers know it to be proven,
    by a code or by the secret of a link that was mailed to it."""
    return Learner.objects.live().filter(_reached_at(address)).distinct()


def siblings_of(learner: Learner) -> LearnerQuerySet:
    """The learner, and those who share a guardian with them."""
    shared = Q(guardians__in=learner.guardians.values("pk"))
    return Learner.objects.live().filter(Q(pk=learner.pk) | shared).distinct()


def _reached_at(address: str) -> Q:
    return Q(email=address) | Q(guardians__email=address)
