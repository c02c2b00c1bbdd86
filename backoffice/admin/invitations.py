"""Who was invited, to the staff or to follow their children's enrollments, and with what result."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.guardian_invitations import mail_guardian_invitation
from accounts.invitation_links import Kind, renew_invitation, revoke_invitation
from accounts.invitations import mail_invitation
from accounts.models import Guardian, GuardianInvitation, Invitation, StaffInvitation
from accounts.roles import Power
from core.addresses import AddressFormField
from core.clock import utc_now
from core.errors import DomainError

from ..actions import StaffForm, staff_action
from ..display import Card, Neighbor, admin_url, badge, link_column, neighbors_of, status_badge
from ..scoping import ScopedRelatedFilter, WorkspaceScopedAdmin


class InviteGuardianForm(StaffForm):
    """Asks for the address: for a guardian, who may already have an unproven one, or for a task."""

    email = AddressFormField(
        help_text="This address gets a mail with a link. Nobody sees anything until they open it and accept."
    )

    def prepare(self) -> None:
        self.initial["email"] = getattr(self.row, "email", None)


def mail_or_say_why(mail: Callable[..., None], invitation: StaffInvitation | GuardianInvitation, token: str) -> str:
    """Mail the link; if the mail fails, the invitation stays, can be sent again, and the page says so."""
    try:
        mail(invitation=invitation, token=token)
    except DomainError as trouble:
        return f"{invitation.email} is invited, but nothing was mailed yet. {trouble.detail}"
    return f"{invitation.email} has been sent an invitation to {invitation.workspace}."


def _send_again_button(kind: type[Kind], *, power: Power, mail: Callable[..., None]) -> Any:
    @staff_action(
        description="Send again",
        power=power,
        possible=kind.is_open,
        icon="forward_to_inbox",
        explanation="Mails a new link that works for a week. The earlier link stops working.",
        reaches_out=True,
    )
    def send_again(page: WorkspaceScopedAdmin, request: HttpRequest, invitation: Kind, form: StaffForm) -> str:
        renewed: Any = renew_invitation(kind, invitation_id=invitation.pk, now=utc_now())
        return mail_or_say_why(mail, *renewed)

    return send_again


def _revoke_button(kind: type[Kind], *, power: Power) -> Any:
    @staff_action(
        description="Revoke",
        power=power,
        possible=kind.is_open,
        icon="cancel_schedule_send",
        variant=ActionVariant.DANGER,
        explanation="The link in the mail stops working.",
    )
    def revoke(page: WorkspaceScopedAdmin, request: HttpRequest, invitation: Kind, form: StaffForm) -> str:
        revoke_invitation(kind, invitation_id=invitation.pk, now=utc_now())
        return f"The invitation of {invitation.email} is revoked."

    return revoke


class InvitationAdmin(WorkspaceScopedAdmin):
    """What the pages of both kinds show."""

    ordering = ("-sent_at", "-id")

    @display(description="state")
    def state_badge(self, invitation: Invitation) -> str:
        return _state_badge(invitation)


@admin.register(StaffInvitation)
class StaffInvitationAdmin(InvitationAdmin):
    """Staff invitations, newest first."""

    view_power = Power.GOVERN
    list_display = ("email", "workspace", "role_badge", "state_badge", "sent_at", "expires_at")
    list_filter = (("workspace", ScopedRelatedFilter), ("accepted_at", admin.EmptyFieldListFilter))
    list_select_related = ("workspace",)
    search_fields = ("email",)
    fields = ("workspace", "email", "role_badge", "state_badge", "invited_by", ("created_at", "sent_at"), "expires_at")
    actions_detail = ("send_again", "revoke")
    role_badge = status_badge("role")
    send_again = _send_again_button(StaffInvitation, power=Power.GOVERN, mail=mail_invitation)
    revoke = _revoke_button(StaffInvitation, power=Power.GOVERN)


@admin.register(GuardianInvitation)
class GuardianInvitationAdmin(InvitationAdmin):
    """Guardian invitations from the guardians' own pages or from an integrator, newest first."""

    list_display = ("email", "guardian_link", "workspace", "state_badge", "sent_at", "expires_at")
    list_filter = (("workspace", ScopedRelatedFilter), ("accepted_at", admin.EmptyFieldListFilter), "expires_at")
    list_select_related = ("workspace", "guardian")
    search_fields = ("email__istartswith", "=guardian__external_id")
    search_help_text = "Address, or the guardian's external id"
    fields = (
        ("email", "guardian_link"),
        ("state_badge", "workspace"),
        ("created_at", "invited_by"),
        ("sent_at", "expires_at"),
        ("accepted_at", "revoked_at"),
    )
    actions_detail = ("send_again", "revoke")
    guardian_link = link_column("guardian", "guardian")

    def describe(self, row: GuardianInvitation) -> str:
        return f"{row.guardian}, {row.email}"

    send_again = _send_again_button(GuardianInvitation, power=Power.MANAGE, mail=mail_guardian_invitation)
    revoke = _revoke_button(GuardianInvitation, power=Power.MANAGE)


@neighbors_of(Guardian)
def invitations_of_guardian(request: HttpRequest, guardian: Guardian) -> Card:
    rows = guardian.invitations.order_by("-sent_at", "-id")[:10]
    shown = [Neighbor(row.email, url=admin_url(row), badge=_state_badge(row), at=row.sent_at) for row in rows]
    return Card("Invitations", shown, empty="Not invited yet.")


def _state_badge(invitation: Invitation) -> str:
    state = invitation.state(utc_now())
    return badge(state, state.capitalize())
