"""Whose learners are whose: the one rule by which pages, API, calendars and invoices let a family see something.

A learner is somebody's by their account, by their own address, or through a guardian with that address. Paying makes
nobody part of a family; see docs/decisions/0006. Callers have the address proven first (`sign_in.proven_address`).
"""

from django.db.models import Q

from .models import Learner, LearnerQuerySet, User


def learners_of(user: User) -> LearnerQuerySet:
    """The learners this person may act for: themselves, and the children they are guardian of."""
    return learners_by(user_id=user.pk, email=user.email)


def learners_by(*, user_id: int, email: str) -> LearnerQuerySet:
    """The learners of the account, or of the proven address."""
    theirs = Q(user=user_id) | Q(email=email) | Q(guardians__email=email)
    return Learner.objects.live().filter(theirs).distinct()
