"""Whose learners are whose: the one rule by which pages, API, calendars, and invoices let a family see something.

A learner belongs to a person by their account, by their own address, or through a guardian with that address. Paying
makes nobody part of a family; see docs/decisions/0006. An address counts once a code has shown that the person reads
its mailbox; docs/decisions/0023 says what each edge answers before that.
"""

from django.db.models import Q

from core.errors import DomainError

from .models import Learner, LearnerQuerySet, User
from .sign_in import proven_address


class AddressUnproven(DomainError):
    """Families' data is found by address, so it is shown only to people who have entered a code that was
    mailed to it."""

    status = 403
    code = "address_unproven"
    title = "Confirm your address first: sign in with the code that is mailed to it"


def find_family(user: object) -> User | None:
    """Return the signed-in person if their address is proven; None for others, including visitors and API keys."""
    return user if isinstance(user, User) and proven_address(user=user) is not None else None


def require_family(user: User) -> User:
    """Return the person, whose address is proven. Raises AddressUnproven."""
    if find_family(user) is None:
        raise AddressUnproven
    return user


def learners_of(user: User) -> LearnerQuerySet:
    """Return the learners this person may act for: themselves, and the children whose guardian they are.

    Callers have the person from `find_family` or `require_family`, or from the guard of their edge.
    """
    return Learner.objects.live().filter(Q(user=user) | _reached_at(user.email)).distinct()


def learners_at(address: str) -> LearnerQuerySet:
    """Return the learners whom the holder of an address may act for, with or without an account. Callers know the
    address to be proven, by a code or by the secret of a link mailed to it."""
    return Learner.objects.live().filter(_reached_at(address)).distinct()


def siblings_of(learner: Learner) -> LearnerQuerySet:
    """Return the learner and all learners who share a guardian with them."""
    shared = Q(guardians__in=learner.guardians.values("pk"))
    return Learner.objects.live().filter(Q(pk=learner.pk) | shared).distinct()


def _reached_at(address: str) -> Q:
    return Q(email=address) | Q(guardians__email=address)
