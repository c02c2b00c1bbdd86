"""Staff join by an invitation that they accept.

An owner names an address and a role. Nothing changes for that address, whoever's it is, until somebody opens the link
in its mail: they set a password, or give the one they have if they are staff already. So nobody can make a stranger
staff, take a parent's sign-in by code away, or learn whether an address has an account.
"""

import datetime as dt
import hashlib
import secrets

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse

from core.addresses import canonical_address
from core.counters import count_in_database
from core.errors import DomainError, NotFound, invalid_field

from .memberships import AlreadyMember, check_role, lock_workspace
from .models import Membership, StaffInvitation, User
from .staff_mail import send_staff_mail

LIFETIME = dt.timedelta(days=7)
DAY_SECONDS = 24 * 60 * 60
# Mails a day: to one address from all workspaces together, and from one workspace.
MAILS_TO_ADDRESS = 5
MAILS_FROM_WORKSPACE = 100


class AlreadyInvited(DomainError):
    code = "already_invited"
    title = "This address has been invited already"


class InvitationOver(DomainError):
    status = 410
    code = "invitation_over"
    title = "This invitation is over"


class TooManyInvitations(DomainError):
    status = 429
    code = "too_many_invitations"
    title = "Too many invitations were sent today"


@transaction.atomic
def invite_member(
    *, workspace_id: int, email: str, role: str, invited_by: User | None, now: dt.datetime
) -> tuple[StaffInvitation, str]:
    """Record an invitation; returns it with the secret of its link, which can't be had again. `mail_invitation` sends.

    Raises NotFound, Invalid for an unknown role, AlreadyMember, AlreadyInvited while another one is open.
    """
    lock_workspace(workspace_id)
    check_role(role)
    address = canonical_address(email)
    if Membership.objects.filter(workspace_id=workspace_id, user__email=address).exists():
        raise AlreadyMember(f"{address} is a member already; change the role instead.")
    if StaffInvitation.objects.filter(workspace_id=workspace_id, email=address, **_OPEN).exists():
        raise AlreadyInvited(f"{address} has an open invitation: send that one again, or revoke it first.")
    token = secrets.token_urlsafe(24)
    invitation = StaffInvitation.objects.create(
        workspace_id=workspace_id,
        email=address,
        role=role,
        token_digest=_digest(token),
        invited_by=invited_by,
        created_at=now,
        sent_at=now,
        expires_at=now + LIFETIME,
    )
    return invitation, token


@transaction.atomic
def renew_invitation(*, invitation_id: int, now: dt.datetime) -> tuple[StaffInvitation, str]:
    """Give an open invitation, expired or not, a new link and another week; the old link ends. Raises NotFound,
    InvitationOver."""
    invitation = _lock_open(StaffInvitation.objects.filter(pk=invitation_id))
    token = secrets.token_urlsafe(24)
    invitation.token_digest = _digest(token)
    invitation.sent_at, invitation.expires_at = now, now + LIFETIME
    invitation.save(update_fields=["token_digest", "sent_at", "expires_at"])
    return invitation, token


@transaction.atomic
def revoke_invitation(*, invitation_id: int, now: dt.datetime) -> StaffInvitation:
    """End an invitation: its link opens nothing any more. Raises NotFound, InvitationOver."""
    invitation = _lock_open(StaffInvitation.objects.filter(pk=invitation_id))
    invitation.revoked_at = now
    invitation.save(update_fields=["revoked_at"])
    return invitation


def find_invitation(*, token: str) -> StaffInvitation | None:
    """The invitation whose link has this secret, open or not."""
    return StaffInvitation.objects.select_related("workspace").filter(token_digest=_digest(token)).first()


def invited_account(invitation: StaffInvitation) -> User | None:
    """The account there is at the invited address, if there is one."""
    return User.objects.filter(email=invitation.email).first()


def must_sign_in(user: User | None) -> bool:
    """Whether an invited person has a staff password already: then the mailbox alone is not enough, or whoever reads it
    could take over what they may do elsewhere."""
    if user is None or not (user.is_staff or user.is_superuser):
        return False
    return bool(user.password) and user.has_usable_password()


@transaction.atomic
def accept_invitation(*, token: str, new_password: str | None, now: dt.datetime) -> User:
    """Make whoever opened the link a member, with `new_password`; None where they have just signed in with the one
    they have. Raises NotFound, InvitationOver, AlreadyMember, and Invalid for a password where none is to be set.
    """
    found = find_invitation(token=token)
    if found is None:
        raise NotFound("There is no such invitation.")
    lock_workspace(found.workspace_id)
    invitation = _lock_open(StaffInvitation.objects.filter(token_digest=_digest(token)))
    if invitation.state(now) != "pending":
        raise InvitationOver("This invitation has expired. Ask for another one.")
    user = invited_account(invitation) or User.objects.create_user(invitation.email)
    if not user.is_active:
        raise InvitationOver("The account of this address is switched off.")
    if must_sign_in(user) != (new_password is None):
        raise invalid_field("password", "unexpected", "Open the invitation again.")
    if Membership.objects.filter(workspace_id=invitation.workspace_id, user=user).exists():
        raise AlreadyMember("You are a member already.")
    user.is_staff = True
    if new_password is not None:
        user.set_password(new_password)
        EmailAddress.objects.update_or_create(  # the link has shown that the mailbox is theirs, as a code does
            user=user, email=invitation.email, defaults={"verified": True}
        )
    user.save()
    Membership.objects.create(workspace_id=invitation.workspace_id, user=user, role=invitation.role)
    invitation.accepted_at, invitation.accepted_by = now, user
    invitation.save(update_fields=["accepted_at", "accepted_by"])
    return user


def invitation_url(token: str) -> str:
    return f"{settings.PUBLIC_URL}{reverse('staff-invitation', args=[token])}"


def mail_invitation(*, invitation: StaffInvitation, token: str) -> None:
    """Send the link at once and from here: kept as a row to be sent later, it would open the workspace to whoever reads
    rows. Raises TooManyInvitations, and Unavailable if the mail server does not take it; the invitation stays open."""
    mailbox = hashlib.sha256(invitation.email.encode()).hexdigest()[:32]
    limits = {f"invitations:to:{mailbox}": MAILS_TO_ADDRESS}
    limits[f"invitations:from:{invitation.workspace_id}"] = MAILS_FROM_WORKSPACE
    for key, limit in limits.items():
        if count_in_database(key, seconds=DAY_SECONDS)[0] > limit:
            raise TooManyInvitations(f"At most {limit} invitations a day are mailed. Send this one tomorrow.")
    context = {
        "workspace": invitation.workspace,
        "role": invitation.get_role_display().lower(),
        "url": invitation_url(token),
        "days": LIFETIME.days,
    }
    send_staff_mail(template="account/email/staff_invitation", to=invitation.email, context=context)


_OPEN = {"accepted_at": None, "revoked_at": None}


def _lock_open(rows: "QuerySet[StaffInvitation]") -> StaffInvitation:
    invitation = rows.select_for_update(of=("self",)).select_related("workspace").first()
    if invitation is None:
        raise NotFound("There is no such invitation.")
    if not invitation.is_open():
        raise InvitationOver("This invitation was accepted or revoked.")
    return invitation


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
