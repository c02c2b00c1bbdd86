"""What all invitations share: a mailed link that is stored nowhere, a week to open it, a single use, and a daily limit
of mails. Each kind of invitation defines what accepting does."""

import datetime as dt
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Q, QuerySet

from core.errors import DomainError, NotFound

from .link_mail import DAY_SECONDS, digest_of, find_exceeded, mailbox_key, new_secret, send_link_mail
from .models import Invitation

LIFETIME = dt.timedelta(days=7)
MAILS_TO_ADDRESS = 5  # a day, for all kinds and workspaces together
OPEN = Q(accepted_at=None, revoked_at=None)
Kind = TypeVar("Kind", bound=Invitation)


class AlreadyInvited(DomainError):
    code = "already_invited"
    title = "This address has already been invited"


class InvitationOver(DomainError):
    status = 410
    code = "invitation_over"
    title = "This invitation is no longer open"


class TooManyInvitations(DomainError):
    status = 429
    code = "too_many_invitations"
    title = "Too many invitations were sent today"

    def __init__(self, detail: str = "", *, retry_after: int = DAY_SECONDS) -> None:
        self.retry_after = retry_after
        super().__init__(detail)


def give_link(invitation: Invitation, *, now: dt.datetime) -> str:
    """Give an invitation a new link, valid for a week; any previous link ends. Return its secret, which can't be
    retrieved again. The caller saves."""
    token, invitation.token_digest = new_secret()
    invitation.sent_at = now
    invitation.expires_at = now + LIFETIME
    return token


@transaction.atomic
def renew_invitation(kind: type[Kind], *, invitation_id: int, now: dt.datetime) -> tuple[Kind, str]:
    """Give an open invitation, expired or not, a new link. Raises NotFound, InvitationOver."""
    invitation = lock_open(kind, pk=invitation_id)
    token = give_link(invitation, now=now)
    invitation.save()
    return invitation, token


@transaction.atomic
def revoke_invitation(kind: type[Kind], *, invitation_id: int, now: dt.datetime) -> Kind:
    """End an invitation: its link stops working. Raises NotFound, InvitationOver."""
    invitation = lock_open(kind, pk=invitation_id)
    invitation.revoked_at = now
    invitation.save(update_fields=["revoked_at"])
    return invitation


def find_invitation(kind: type[Kind], *, token: str) -> Kind | None:
    """Return the invitation whose link has this secret, open or not."""
    return _rows(kind).select_related("workspace").filter(token_digest=digest_of(token)).first()


def lock_open(kind: type[Kind], **which: Any) -> Kind:
    """Return the one invitation that is neither accepted nor revoked, locked. Raises NotFound, InvitationOver."""
    found = _rows(kind).select_for_update(of=("self",)).select_related("workspace").filter(**which).first()
    if found is None:
        raise NotFound("There is no such invitation.")
    if not found.is_open():
        raise InvitationOver("This invitation was accepted or revoked.")
    return found


def lock_pending(kind: type[Kind], *, token: str, now: dt.datetime) -> Kind:
    """Return the invitation that this link can accept, locked. Raises NotFound, InvitationOver."""
    invitation = lock_open(kind, token_digest=digest_of(token))
    if invitation.state(now) != "pending":
        raise InvitationOver("This invitation has expired. Ask for another one.")
    return invitation


def mail_link(
    *, template: str, to: str, workspace_id: int, sender: str, mails_from_workspace: int, context: dict[str, Any]
) -> None:
    """Send a link immediately and from here: stored as a row for later, it would give access to anybody who reads rows.

    `sender` names the workspace's budget of `mails_from_workspace` a day. Raises TooManyInvitations, and Unavailable if
    the mail server does not accept it.
    """
    exceeded = find_exceeded(
        {f"invitations:to:{mailbox_key(to)}": MAILS_TO_ADDRESS, f"{sender}:{workspace_id}": mails_from_workspace}
    )
    if exceeded is not None:
        limit, starts_anew = exceeded
        raise TooManyInvitations(
            f"At most {limit} invitations are mailed a day. Send this one tomorrow.", retry_after=starts_anew
        )
    send_link_mail(template=template, to=to, context={**context, "days": LIFETIME.days})


def _rows(kind: type[Kind]) -> QuerySet[Kind]:
    return kind._default_manager.all()
