"""What arrives in everybody's mailbox, for the tests of which mails a journey sends."""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.core import mail
from django.db import transaction
from django.test import Client
from django.urls import reverse

from accounts.families import learners_at
from accounts.models import Guardian, Guardianship, Learner, User
from accounts.tests.factories import LearnerFactory, proven_user
from core.clock import utc_now
from notifications.models import Notification
from notifications.sending import send_due_notifications
from notifications.states import NotificationStatus

Journey = Callable[[Any], Iterator[str]]
"""Goes one step further each time and says which; it is given the sandbox."""
HOME = "mails.test"
PAYER, FAMILY, CHILD, GONE = (f"{role}@{HOME}" for role in ("payer", "family", "child", "gone"))
# To the payer, and to a family of which nothing is stored any more.
TO_WHOEVER_IT_WAS = ("invoice", "refund", "payment_failed", "learner_erased")
MUCH_LATER = dt.timedelta(days=40_000)  # a journey may have gone on into the future
_LINK = re.compile(rf"{re.escape(settings.PUBLIC_URL)}(/\S*)")


def child_in(workspace: Any, first_name: str = "Jane", email: str = CHILD, **more: Any) -> Learner:
    """Return a learner with an address of their own, and a guardian whose mailbox is the family's."""
    learner: Learner = LearnerFactory(workspace=workspace, first_name=first_name, last_name="Doe", email=email, **more)
    give_guardian(learner)
    return learner


def give_guardian(learner: Learner, email: str = FAMILY) -> Guardian:
    guardian, _ = Guardian.objects.get_or_create(workspace=learner.workspace, email=email)
    Guardianship.objects.get_or_create(guardian=guardian, learner=learner)
    return guardian


def travel(journey: Journey, sandbox: Any) -> dict[str, list[str]]:
    """Return, for each step of the journey, the mails that arrive before the next: to whom, and of which kind."""
    return {step: read() for step in journey(sandbox)}


def read() -> list[str]:
    """Return the mails that nobody has read yet, in the order they were sent; each link in them must open a page, and
    the family's home page must have something to show.
    """
    _address_to_somebody_gone()
    send_due_notifications(now=utc_now() + MUCH_LATER)
    mails, mail.outbox = mail.outbox, []
    for message in mails:
        _open_links(message)
    return [f"{message.to[0].partition('@')[0]}: {_kind_of(message)}" for message in mails]


def _address_to_somebody_gone() -> None:
    """Record each mail to the family also for a guardian who has been removed since, and who must not get it."""
    waiting = Notification.objects.filter(status=NotificationStatus.PENDING, recipient=FAMILY)
    for row in waiting.exclude(kind__in=TO_WHOEVER_IT_WAS):
        Notification.objects.create(
            workspace=row.workspace,
            kind=row.kind,
            recipient=GONE,
            subject_key=row.subject_key,
            params=row.params,
            created_at=row.created_at,
            next_attempt_at=row.next_attempt_at,
        )


def _kind_of(message: Any) -> str:
    """Return the kind of a mail that is a row, and the subject of any other."""
    reference = str(message.extra_headers.get("Message-ID", "")).strip("<>").partition("@")[0]
    kinds = {row.reference: row.kind for row in Notification.objects.all()}
    return kinds.get(reference, str(message.subject))


def _open_links(message: Any) -> None:
    """Open each of our pages that the mail leads to, as the person who reads this mailbox."""
    links = _LINK.findall(str(message.body))
    if reverse("my-enrollments") in links:
        assert learners_at(message.to[0]).exists(), f"{message.to[0]} finds an empty page: {message.subject}"
        links.remove(reverse("my-enrollments"))
    if not links:
        return
    with transaction.atomic():
        reader = User.objects.filter(email=message.to[0]).first() or proven_user(message.to[0])
        browser = Client()
        browser.force_login(reader, backend="allauth.account.auth_backends.AuthenticationBackend")
        for path in links:
            answer = browser.get(path, follow=True)
            assert answer.status_code == 200, f"{message.to[0]} gets {answer.status_code} from {path}"
        transaction.set_rollback(True)  # as if nobody had looked: a family that was seen is not idle
