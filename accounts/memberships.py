"""Who belongs to a workspace's staff, and in which role. A workspace never loses its last owner."""

import datetime as dt

from django.db import transaction

from core.errors import DomainError, NotFound, invalid_field

from .invitation_links import OPEN
from .models import Membership, StaffInvitation, User, Workspace
from .states import Role


class AlreadyMember(DomainError):
    code = "already_member"
    title = "This person is already a member of the workspace"


class LastOwner(DomainError):
    code = "last_owner"
    title = "The workspace would be left without an owner"


@transaction.atomic
def change_role(*, membership_id: int, role: str, now: dt.datetime) -> Membership:
    """Give a member another role; if they stop being an owner, revoke the invitations they sent.

    Raises NotFound, Invalid for an unknown role, LastOwner.
    """
    membership = _locked(membership_id)
    check_role(role)
    if role != Role.OWNER:
        _keep_an_owner(membership)
    membership.role = role
    membership.save(update_fields=["role"])
    if role != Role.OWNER:
        _revoke_invitations_of(membership, now)
    return membership


@transaction.atomic
def remove_member(*, membership_id: int, now: dt.datetime) -> User:
    """End a membership. The last one also ends staff access and open invitations. Raises NotFound, LastOwner."""
    membership = _locked(membership_id)
    _keep_an_owner(membership)
    user = membership.user
    membership.delete()
    if not user.is_superuser and not user.memberships.exists():
        user.is_staff = False
        user.save(update_fields=["is_staff"])
    _revoke_invitations_of(membership, now)
    return user


def lock_workspace(workspace_id: int) -> None:
    if not Workspace.objects.select_for_update().filter(pk=workspace_id).exists():
        raise NotFound("There is no such workspace.")


def _locked(membership_id: int) -> Membership:
    """Return the membership, under the lock of its workspace: two owners can't remove each other at once."""
    found = Membership.objects.filter(pk=membership_id).values_list("workspace_id", flat=True).first()
    if found is not None:
        lock_workspace(found)
    membership = Membership.objects.select_related("user").filter(pk=membership_id).first()
    if membership is None:
        raise NotFound("There is no such member.")
    return membership


def check_role(role: str) -> None:
    if role not in Role.values:
        raise invalid_field("role", "unknown", f"Choose one of {', '.join(Role.values)}.")


def _revoke_invitations_of(membership: Membership, now: dt.datetime) -> None:
    """Revoke a former owner's invitations, so that nobody gets back in, or keeps a power, by one they sent before."""
    theirs = StaffInvitation.objects.filter(workspace_id=membership.workspace_id, invited_by=membership.user_id)
    theirs.filter(OPEN).update(revoked_at=now)


def _keep_an_owner(membership: Membership) -> None:
    others = Membership.objects.filter(workspace_id=membership.workspace_id, role=Role.OWNER).exclude(pk=membership.pk)
    if membership.role == Role.OWNER and not others.exists():
        raise LastOwner("Make somebody else an owner first.")
