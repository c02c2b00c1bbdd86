"""The emails that answer a family about its own data: a request to delete it, and a name change that staff decided.

The mail that confirms an erasure is the last that needs the family's addresses: its row forgets the address once the
mail is sent or given up (docs/decisions/0151-what-is-stored-about-a-child.md).
"""

import datetime as dt
from collections.abc import Mapping

from django.urls import reverse
from django.utils import translation

from accounts.languages import language_of_address
from accounts.models import Learner, NameChange, StaffTask
from accounts.name_answers import register_teller
from notifications.letters import Email, compose, register_email
from notifications.models import Notification
from notifications.recipients import belongs_to_family, family_addresses
from notifications.sending import notify

from .models import Erasure

DELETION_ASKED = "deletion_asked"
DELETION_DECLINED = "deletion_declined"
ERASED = "learner_erased"
NAME_CHANGED = "name_changed"
NAME_KEPT = "name_kept"

# --- What happened: recorded in the transaction of the news ---------------------------------------------------------


def tell_wish_received(*, learner: Learner, task: StaffTask, now: dt.datetime) -> None:
    _tell(DELETION_ASKED, learner, f"deletion:{task.pk}", {"task": task.pk}, now)


def tell_wish_declined(*, learner: Learner, task: StaffTask, now: dt.datetime) -> None:
    _tell(DELETION_DECLINED, learner, f"deletion:{task.pk}", {"task": task.pk}, now)


def tell_name_decided(change: NameChange, now: dt.datetime) -> None:
    kind = NAME_CHANGED if change.is_applied else NAME_KEPT
    _tell(kind, change.learner, f"name:{change.pk}", {"change": change.pk}, now)


def languages_of_family(learner: Learner) -> dict[str, str]:
    """Return the family's addresses, each with its language: call this before both are forgotten."""
    return {
        address: language_of_address(address, workspace_id=learner.workspace_id)
        for address in family_addresses(learner)
    }


def tell_erased(*, erasure: Erasure, languages: Mapping[str, str], now: dt.datetime) -> None:
    for address, language in languages.items():
        notify(
            workspace_id=erasure.workspace_id,
            kind=ERASED,
            recipient=address,
            subject_key=f"erasure:{erasure.pk}",
            params={"erasure": erasure.pk, "language": language},
            now=now,
        )


def _tell(kind: str, learner: Learner, about: str, params: Mapping[str, int | str], now: dt.datetime) -> None:
    for address in family_addresses(learner):
        notify(
            workspace_id=learner.workspace_id,
            kind=kind,
            recipient=address,
            subject_key=f"learner:{learner.pk}/{about}",
            params={"learner": learner.pk, **params},
            now=now,
        )


# --- What the mails say, when they are sent -------------------------------------------------------------------------


def render_wish_received(notification: Notification) -> Email | None:
    learner = _find_learner(notification)
    return write_about_wish("privacy/deletion_asked", learner) if learner else None


def render_wish_declined(notification: Notification) -> Email | None:
    learner = _find_learner(notification)
    task = StaffTask.objects.get(pk=notification.params["task"])
    return write_about_wish("privacy/deletion_declined", learner, reason=task.resolution) if learner else None


def write_about_wish(template: str, learner: Learner, *, reason: str = "") -> Email:
    """Return one of the two mails about a request, also for previewing it before it is sent."""
    words = {
        "learner": learner.first_name,
        "workspace": learner.workspace.name,
        "reason": reason,
        "data_path": reverse("my-data"),
    }
    return compose(template, words)


def render_erased(notification: Notification) -> Email | None:
    erasure = Erasure.objects.select_related("workspace").get(pk=notification.params["erasure"])
    with translation.override(notification.params["language"]):
        words = {"workspace": erasure.workspace.name, "are_papers_kept": erasure.papers_until is not None}
        return compose("privacy/erased", words)


def render_name_decided(notification: Notification) -> Email | None:
    change = NameChange.objects.select_related("learner__workspace").get(pk=notification.params["change"])
    if not belongs_to_family(notification.recipient, change.learner):
        return None
    words = {
        "before": change.first_name_before,
        "after": change.first_name,
        "workspace": change.learner.workspace.name,
        "note": change.note,
        "is_applied": change.is_applied,
        "name_path": reverse("learner-name", args=[change.learner.cuid]),
    }
    return compose("privacy/name_decided", words)


def _find_learner(notification: Notification) -> Learner | None:
    """Return None if the recipient no longer belongs to the learner's family."""
    learner = Learner.objects.select_related("workspace").get(pk=notification.params["learner"])
    return learner if belongs_to_family(notification.recipient, learner) else None


register_email(DELETION_ASKED, render_wish_received)
register_email(DELETION_DECLINED, render_wish_declined)
register_email(ERASED, render_erased, forgets_address=True)
register_email(NAME_CHANGED, render_name_decided)
register_email(NAME_KEPT, render_name_decided)
register_teller(tell_name_decided)
