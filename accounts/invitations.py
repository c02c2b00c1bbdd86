"""Staff join by accepting an invitation.

An owner names an address and a role. Nothing changes for that address, whoever owns it, until somebody opens the link
in its mail: they set a password, or enter their existing one if they are already staff. So nobody can make a stranger
staff, take away a parent's sign-in by code, or learn whether an address has an account.
"""

import datetime as dt

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.urls import reverse

from core.addresses import canonical_address
from core.errors import NotFound, invalid_field
from core.rows import lock_rows

from .invitation_links import (
    OPEN,
    AlreadyInvited,
    InvitationOver,
    find_invitation,
    give_link,
    lock_pending,
    mail_link,
)
from .memberships import AlreadyMember, check_role, lock_workspace
from .models import Membership, StaffInvitation, User

MAILS_FROM_WORKSPACE = 100  # a day


@transaction.atomic
def invite_member(
    *, workspace_id: int, email: str, role: str, invited_by: User | None, now: dt.datetime
) -> tuple[StaffInvitation, str]:
    """Record an invitation; return it with its link's secret, which is shown only now. `mail_invitation` sends it.

    Raises NotFound, Invalid for an unknown role, AlreadyMember, AlreadyInvited while another one is open.
    """
    lock_workspace(workspace_id)
    check_role(role)
    address = canonical_address(email)
    if Membership.objects.filter(workspace_id=workspace_id, user__email=address).exists():
        raise AlreadyMember(f"{address} is already a member; change the role instead.")
    if StaffInvitation.objects.filter(OPEN, workspace_id=workspace_id, email=address).exists():
        raise AlreadyInvited(f"{address} has an open invitation: send it again, or revoke it first.")
    invitation = StaffInvitation(
        workspace_id=workspace_id, email=address, role=role, invited_by=invited_by, created_at=now
    )
    token = give_link(invitation, now=now)
    invitation.save()
    return invitation, token


def invited_account(invitation: StaffInvitation) -> User | None:
    """Return the account at the invited address, if there is one."""
    return User.objects.filter(email=invitation.email).first()


def must_sign_in(user: User | None) -> bool:
    """Return whether an invited person already has a staff password. If so, the mailbox alone is not enough: anybody
    who reads it could take over the person's rights elsewhere."""
    if user is None or not (user.is_staff or user.is_superuser):
        return False
    return bool(user.password) and user.has_usable_password()


@transaction.atomic
def accept_invitation(*, token: str, new_password: str | None, now: dt.datetime) -> User:
    """Make the person who opened the link a member. Set `new_password`, which is None if they have just signed in with
    their existing one. Raises NotFound, InvitationOver, AlreadyMember, and Invalid for a password that may not be set.
    """
    found = find_invitation(StaffInvitation, token=token)
    if found is None:
        raise NotFound("There is no such invitation.")
    lock_workspace(found.workspace_id)
    lock_rows(User, *User.objects.filter(email=found.email).values_list("pk", flat=True))
    invitation = lock_pending(StaffInvitation, token=token, now=now)
    user = invited_account(invitation) or User.objects.create_user(invitation.email)
    if not user.is_active:
        raise InvitationOver("The account of this address is switched off.")
    if must_sign_in(user) != (new_password is None):
        raise invalid_field("password", "unexpected", "Open the invitation again.")
    if Membership.objects.filter(workspace_id=invitation.workspace_id, user=user).exists():
        raise AlreadyMember("You are already a member.")
    user.is_staff = True
    if new_password is not None:
        user.set_password(new_password)
        EmailAddress.objects.update_or_create(  # the link has shown that the mailbox is theirs, as a code does
            user=user, email=invitation.email, defaults={"verified": True}
        )
    user.save()
    Membership.objects.create(workspace_id=invitation.workspace_id, user=user, role=invitation.role)
    invitation.accepted_at = now
    invitation.accepted_by = user
    invitation.save(update_fields=["accepted_at", "accepted_by"])
    return user


def invitation_url(token: str) -> str:
    return f"{settings.PUBLIC_URL}{reverse('staff-invitation', args=[token])}"


def mail_invitation(*, invitation: StaffInvitation, token: str) -> None:
    """Mail it. Raises TooManyInvitations, or Unavailable if the mail server refuses; the invitation stays open."""
    mail_link(
        template="account/email/staff_invitation",
        to=invitation.email,
        workspace_id=invitation.workspace_id,
        sender="invitations:from",
        mails_from_workspace=MAILS_FROM_WORKSPACE,
        context={
            "workspace": invitation.workspace,
            "role": invitation.get_role_display().lower(),
            "url": invitation_url(token),
        },
    )
