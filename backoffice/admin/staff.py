from typing import Any

from allauth.account.models import EmailAddress, EmailConfirmation
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.browsers import end_all_sign_ins
from accounts.invitations import invite_member, mail_invitation
from accounts.memberships import change_role, remove_member
from accounts.models import Membership, SecondFactor, User, Workspace
from accounts.roles import Power
from accounts.second_factors import has_second_factor, remove_second_factor
from accounts.staff_passwords import mail_second_factor_reset
from accounts.staff_sign_ins import list_sign_ins
from accounts.states import Role
from core.addresses import AddressFormField
from core.clock import utc_now
from core.errors import DomainError

from ..actions import RequiredNoteForm, StaffForm, staff_action, staff_list_action
from ..auditing.recording import one_deed
from ..display import NOTHING, Card, Neighbor, neighbor, neighbors_of, register_subject, status_badge
from ..inlines import ScopedInline
from ..scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, access_of, staff_of
from ..timezones import TimezoneForm
from .invitations import mail_or_say_why

# Roles come from memberships, and addresses are shown with their user: these pages would only confuse.
for unused in (Group, EmailAddress, EmailConfirmation):
    if admin.site.is_registered(unused):
        admin.site.unregister(unused)

register_subject("workspace", Workspace)


class NotTheirsAlone(DomainError):
    code = "not_theirs_alone"
    title = "The account belongs to another organization too"


class WorkspaceForm(TimezoneForm):
    """An organization's name and zone, and whether its staff need a second factor."""


@admin.register(Workspace)
class WorkspaceAdmin(WorkspaceScopedAdmin):
    workspace_path = "id"
    add_power = Power.OPERATE
    change_power = Power.GOVERN
    form = WorkspaceForm
    ordering = ("slug",)
    list_display = ("name", "slug", "timezone", "created_at")
    search_fields = ("name", "slug")
    fields = ("name", "slug", "timezone", "second_factor_from", "created_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Workspace | None = None) -> list[str]:
        return ["created_at", *(["slug"] if obj else [])]


@neighbors_of(Workspace)
def staff_of_workspace(request: HttpRequest, workspace: Workspace) -> Card:
    members = workspace.memberships.select_related("user").order_by("role", "user__email")
    return Card(
        "Staff",
        [neighbor(membership, title=membership.user, status="role") for membership in members[:50]],
        empty="No members yet.",
    )


class MemberForm(StaffForm):
    workspace = forms.ModelChoiceField(queryset=Workspace.objects.none())
    email = AddressFormField(
        help_text="This address gets a mail with a link. Nothing changes until they open it and accept."
    )
    role = forms.ChoiceField(choices=Role.choices, initial=Role.REVIEWER)

    def prepare(self) -> None:
        self.offer_workspaces(Power.GOVERN)


class RoleForm(StaffForm):
    edits_the_row = True
    role = forms.ChoiceField(choices=Role.choices)

    def prepare(self) -> None:
        self.initial["role"] = self.row.role


@admin.register(Membership)
class MembershipAdmin(WorkspaceScopedAdmin):
    list_display = ("member", "workspace", "role_badge", "second_factor", "created_at")
    list_filter = (("workspace", ScopedRelatedFilter), ("role", ChoicesDropdownFilter))
    list_select_related = ("user", "workspace")
    search_fields = ("user__email", "user__first_name", "user__last_name")
    ordering = ("workspace", "user__email", "id")
    fields = ("workspace", "user", "role_badge", "created_at")
    actions_list = ("invite",)
    actions_detail = ("give_role", "sign_out", "reset_second_factor", "remove")
    role_badge = status_badge("role")

    @display(description="member", ordering="user__email", header=True)
    def member(self, membership: Membership) -> tuple[str, str]:
        return membership.user.email, membership.user.get_full_name()

    @staff_list_action(
        description="Invite a colleague",
        power=Power.GOVERN,
        form=MemberForm,
        icon="person_add",
        reaches_out=True,
        explanation="They get a mail with a link that works for a week, and are members once they have accepted.",
    )
    def invite(self, request: HttpRequest, form: StaffForm) -> str:
        chosen = form.cleaned_data
        invited = invite_member(
            workspace_id=chosen["workspace"].pk,
            email=chosen["email"],
            role=chosen["role"],
            invited_by=staff_of(request),
            now=utc_now(),
        )
        return mail_or_say_why(mail_invitation, *invited)

    @staff_action(
        description="Change the role",
        power=Power.GOVERN,
        form=RoleForm,
        icon="badge",
        explanation="What they see and may do in this workspace changes at once, in every browser. No mail is sent.",
    )
    def give_role(self, request: HttpRequest, membership: Membership, form: StaffForm) -> str:
        changed = change_role(membership_id=membership.pk, role=form.cleaned_data["role"], now=utc_now())
        return f"{membership.user} is now {changed.get_role_display().lower()}."

    @admin.display(description="second factor", boolean=True)
    def second_factor(self, membership: Membership) -> bool:
        return bool(getattr(membership, "has_factor", False))

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        factors = SecondFactor.objects.filter(user=models.OuterRef("user"))
        rows: models.QuerySet[Any] = super().get_queryset(request).annotate(has_factor=models.Exists(factors))
        return rows

    @staff_action(
        description="Reset the second factor",
        power=Power.GOVERN,
        possible=lambda membership: has_second_factor(membership.user) and not membership.user.is_superuser,
        form=RequiredNoteForm,
        icon="phonelink_erase",
        explanation=(
            "For a colleague who lost their phone and their recovery codes. Make sure that "
            "the request comes from them. Every browser is signed out, their password alone "
            "lets them in until they set up a new second factor, and they get a mail about "
            "it."
        ),
        reaches_out=True,
    )
    def reset_second_factor(self, request: HttpRequest, membership: Membership, form: StaffForm) -> str:
        _check_governs_all_of(request, membership.user)
        with transaction.atomic():
            remove_second_factor(user_id=membership.user_id)
            end_all_sign_ins(user_id=membership.user_id)
        mail_second_factor_reset(email=membership.user.email)
        return f"{membership.user} signs in by password alone until they set up another second factor."

    @staff_action(
        description="Sign out everywhere",
        power=Power.GOVERN,
        possible=lambda membership: not membership.user.is_superuser,
        form=RequiredNoteForm,
        icon="logout",
        explanation="In every browser, at once, for instance after a computer was lost. They can sign in again, "
        "unless you remove them too.",
    )
    def sign_out(self, request: HttpRequest, membership: Membership, form: StaffForm) -> str:
        end_all_sign_ins(user_id=membership.user_id)
        return f"{membership.user} is signed out everywhere."

    @staff_action(
        description="Remove",
        power=Power.GOVERN,
        icon="person_remove",
        variant=ActionVariant.DANGER,
        explanation="They lose access to this workspace at once. What they have done stays in the history.",
    )
    def remove(self, request: HttpRequest, membership: Membership, form: StaffForm) -> HttpResponse | str:
        self.log_deletions(request, Membership.objects.filter(pk=membership.pk))
        user = remove_member(membership_id=membership.pk, now=utc_now())
        return self.response_to_list(request, f"{user} is no longer a member.")


def _check_governs_all_of(request: HttpRequest, user: User) -> None:
    """Refuse to let one organization remove an account's protection from another. Raises NotTheirsAlone."""
    access = access_of(request)
    workspaces = Membership.objects.filter(user=user).values_list("workspace", flat=True)
    if not all(access.may(Power.GOVERN, workspace_id) for workspace_id in workspaces):
        raise NotTheirsAlone(f"{user} belongs to another organization too. Ask those who run the platform.")


@neighbors_of(Membership)
def sign_ins_of_member(request: HttpRequest, membership: Membership) -> Card:
    if not access_of(request).may(Power.GOVERN, membership.workspace_id):
        return Card("Signed in", empty="Owners see in which browsers.")
    browsers = list_sign_ins(user=membership.user, now=utc_now())
    return Card(
        "Signed in",
        [Neighbor(title=each.browser, note="last used", at=each.last_used_at) for each in browsers],
        empty="Not signed in anywhere.",
    )


class EmailAddressInline(ScopedInline):
    model = EmailAddress
    fields = ("email", "verified", "primary")
    view_power = Power.OPERATE
    verbose_name_plural = "Addresses confirmed by sign-in"
    empty = "None: this person has not signed in by an emailed code yet."


@admin.register(User)
class UserAdmin(WorkspaceScopedAdmin, DjangoUserAdmin):
    """Staff see their colleagues; only superusers create, change, or disable accounts. Owners invite colleagues."""

    workspace_path = ""
    add_power = Power.OPERATE
    change_power = Power.OPERATE
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "full_name", "is_staff", "is_superuser", "is_active", "last_login")
    list_filter = ("is_staff", "is_superuser", "is_active")
    search_fields = ("email", "first_name", "last_name")
    ordering = ("email",)
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    inlines = (EmailAddressInline,)
    fieldsets = (
        (None, {"fields": ("email", "password", ("first_name", "last_name"))}),
        ("Access", {"fields": ("is_active", "is_staff", "is_superuser", ("last_login", "date_joined"))}),
    )
    add_fieldsets = ((None, {"fields": ("email", "usable_password", "password1", "password2")}),)

    def limit(self, rows: models.QuerySet[Any], request: HttpRequest) -> models.QuerySet[Any]:
        access = access_of(request)
        if access.everywhere:
            return rows
        colleagues = Membership.objects.filter(workspace__in=access.workspace_ids(Power.VIEW))
        return rows.filter(pk__in=colleagues.values("user"))

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Set a colleague's password, together with its audit log entry or not at all."""
        with one_deed(request):
            answer: HttpResponse = super().user_change_password(request, id, form_url)
        return answer

    def has_view_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return self.may(request, Power.VIEW)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        return list(self.readonly_fields)

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_inlines(request, obj) if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None or access_of(request).everywhere:
            return super().get_fieldsets(request, obj)
        return ((None, {"fields": ("email", "full_name", "is_active")}),)

    @display(description="name", ordering="first_name")
    def full_name(self, user: User) -> str:
        return user.get_full_name() or NOTHING


@neighbors_of(User)
def memberships_of_user(request: HttpRequest, user: User) -> Card:
    rows = access_of(request).limit(
        user.memberships.select_related("workspace").order_by("workspace__slug"), path="workspace", power=Power.VIEW
    )
    return Card(
        "Workspaces",
        [neighbor(membership, title=membership.workspace, status="role") for membership in rows[:50]],
        empty="Not a member of any workspace.",
    )
