"""Who belongs to the staff of a workspace, and as what. A workspace never loses its last owner."""

from django.db import transaction

from enrollment_project.core.addresses import canonical_address
from enrollment_project.core.errors import DomainError, NotFound, invalid_field

from .models import Membership, User, Workspace
from .states import Role


class AlreadyMember(DomainError):
    code = "already_member"
    title = "This person is a member of the workspace already"


class LastOwner(DomainError):
    code = "last_owner"
    title = "The workspace would be left without an owner"


@transaction.atomic
def add_member(*, workspace_id: int, email: str, role: str) -> Membership:
    """Let somebody into the back office of a workspace. An unknown address gets an account without a password: its
    owner signs in by emailed code. Raises NotFound, Invalid for an unknown role, AlreadyMember.
    """
    _lock_workspace(workspace_id)
    _check_role(role)
    address = canonical_address(email)
    user = User.objects.filter(email=address).first() or User.objects.create_user(address)
    if Membership.objects.filter(workspace_id=workspace_id, user=user).exists():
        raise AlreadyMember(f"{address} is a member already; change the role instead.")
    if not user.is_staff:
        user.is_staff = True
        user.save(update_fields=["is_staff"])
    return Membership.objects.create(workspace_id=workspace_id, user=user, role=role)


@transaction.atomic
def change_role(*, membership_id: int, role: str) -> Membership:
    """Give a member another role. Raises NotFound, Invalid for an unknown role, LastOwner."""
    membership = _locked(membership_id)
    _check_role(role)
    if role != Role.OWNER:
        _keep_an_owner(membership)
    membership.role = role
    membership.save(update_fields=["role"])
    return membership


@transaction.atomic
def remove_member(*, membership_id: int) -> User:
    """End a membership; somebody without any is not staff any more. Raises NotFound, LastOwner."""
    membership = _locked(membership_id)
    _keep_an_owner(membership)
    user = membership.user
    membership.delete()
    if not user.is_superuser and not user.memberships.exists():
        user.is_staff = False
        user.save(update_fields=["is_staff"])
    return user


def _lock_workspace(workspace_id: int) -> None:
    if not Workspace.objects.select_for_update().filter(pk=workspace_id).exists():
        raise NotFound("There is no such workspace.")


def _locked(membership_id: int) -> Membership:
    """The membership, under the lock of its workspace: two owners can't remove each other at once."""
    found = Membership.objects.filter(pk=membership_id).values_list("workspace_id", flat=True).first()
    if found is not None:
        _lock_workspace(found)
    membership = Membership.objects.select_related("user").filter(pk=membership_id).first()
    if membership is None:
        raise NotFound("There is no such member.")
    return membership


def _check_role(role: str) -> None:
    if role not in Role.values:
        raise invalid_field("role", "unknown", f"Choose one of {', '.join(Role.values)}.")


def _keep_an_owner(membership: Membership) -> None:
    others = Membership.objects.filter(workspace_id=membership.workspace_id, role=Role.OWNER).exclude(pk=membership.pk)
    if membership.role == Role.OWNER and not others.exists():
        raise LastOwner("Make somebody else an owner first.")
