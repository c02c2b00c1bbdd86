"""Limits on what one account or family may hold without paying: held places, offers, and waiting-list entries.

They count together, since each becomes the next: a learner in line is offered a place, which is then held.
"""

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.families import learners_of, siblings_of
from accounts.models import Learner, User
from billing.states import CheckoutStatus
from core.actors import Actor

from ..errors import TooManyLearners, TooManyPlacesHeld
from ..locks import lock_account, lock_household
from ..models import CohortPlace, WaitlistEntry


def account_of(actor: Actor) -> int | None:
    """Return the account that asks; None for staff commands and the system, which have no limits."""
    return actor.id if actor.kind == "user" else None


def refuse_hoarding(*, learner: Learner, actor: Actor) -> None:
    """Raise TooManyPlacesHeld if the account, or the (locked) learner's family, has reached its limit.

    Account and family stay locked until the new place can be counted.
    """
    account_id = account_of(actor)
    if account_id is None:
        return
    lock_account(account_id)
    account = User.objects.get(pk=account_id)
    lock_household([guardian.pk for guardian in learner.guardians.all()])
    mine = Q(learner__in=learners_of(account).values("pk")) | Q(learner__in=siblings_of(learner).values("pk"))
    held = (
        CohortPlace.objects.held()
        .filter(
            mine | Q(held_by=account_id),
            Q(checkout__isnull=True) | Q(checkout__status=CheckoutStatus.OPEN),
        )
        .count()
    )
    waiting = WaitlistEntry.objects.waiting().filter(mine | Q(joined_by=account_id)).count()
    most = settings.HELD_PLACES_PER_ACCOUNT
    if held + waiting >= most:
        raise TooManyPlacesHeld(
            _(
                "%(held)s unpaid places are held for your family and it waits for %(waiting)s, %(most)s in all being "
                "the most at a time. Pay for one, give one back or leave a waiting list; then try again."
            )
            % {"held": held, "waiting": waiting, "most": most}
        )


def refuse_more_learners(*, user: User, workspace_id: int) -> None:
    """Raise TooManyLearners if an account recently named more learners than it may; locks it until they are counted."""
    lock_account(user.pk)
    most = settings.LEARNERS_PER_ACCOUNT
    if learners_of(user).filter(workspace=workspace_id).count() > most:
        raise TooManyLearners(
            _(
                "Your account has %(most)s learners here, the most it may add by itself. Choose one of them, or ask "
                "the program to add another."
            )
            % {"most": most}
        )
