import datetime as dt

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts.api_keys import create_api_key, revoke_api_key, rotate_api_key
from accounts.models import ApiKey, Workspace
from accounts.roles import Power
from accounts.states import Scope
from core.clock import utc_now
from core.forms import WholeNumberField

from ..actions import StaffForm, staff_action, staff_list_action
from ..display import badge, link, link_column
from ..scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, staff_of


class ApiKeyForm(StaffForm):
    workspace = forms.ModelChoiceField(queryset=Workspace.objects.none())
    name = forms.CharField(max_length=100, help_text="Who uses it, e.g. “District portal, production”.")
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, scope.value) for scope in Scope], widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    expires_in_days = WholeNumberField(min_value=1, max_value=3650, required=False, help_text="Empty: never.")

    def prepare(self) -> None:
        self.offer_workspaces(Power.GOVERN)


class RotateForm(StaffForm):
    overlap_hours = WholeNumberField(max_value=24 * 90, initial=24, help_text="How long the old key keeps working.")


@admin.register(ApiKey)
class ApiKeyAdmin(WorkspaceScopedAdmin):
    """Keys are created, rotated, and revoked; their text is shown once and can't be retrieved again."""

    view_power = Power.GOVERN
    list_display = ("name", "shown", "state", "workspace", "scope_count", "last_used_at", "expires_at")
    list_filter = (("workspace", ScopedRelatedFilter), ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("workspace",)
    search_fields = ("name", "=prefix", "=last_four")
    fieldsets = (
        (None, {"fields": ("workspace", ("name", "shown"), "state", "scope_list")}),
        ("Life", {"fields": (("created_at", "created_by"), ("expires_at", "last_used_at"), "revoked_at")}),
        ("Rotation", {"fields": (("replaced_by_key", "replaces_key"),)}),
    )
    actions_list = ("create",)
    actions_detail = ("rotate", "revoke")
    replaced_by_key = link_column("replaced_by", "replaced by")

    @display(description="key")
    def shown(self, key: ApiKey) -> str:
        return f"{key.prefix}…{key.last_four}"

    @display(description="state")
    def state(self, key: ApiKey) -> str:
        if key.revoked_at:
            return badge("revoked", "Revoked")
        return badge("usable", "Usable") if key.is_usable(utc_now()) else badge("expired", "Expired")

    @display(description="scopes")
    def scope_count(self, key: ApiKey) -> str:
        return "all" if len(key.scopes) == len(Scope.values) else str(len(key.scopes))

    @display(description="scopes")
    def scope_list(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @display(description="replaces")
    def replaces_key(self, key: ApiKey) -> str:
        return link(getattr(key, "replaces", None))

    @staff_list_action(
        description="Create a key",
        power=Power.GOVERN,
        form=ApiKeyForm,
        icon="key",
        explanation=(
            "The next page shows the key once. Anyone who has it can do in this workspace what its scopes allow."
        ),
    )
    def create(self, request: HttpRequest, form: StaffForm) -> HttpResponse:
        chosen = form.cleaned_data
        days = chosen["expires_in_days"]
        now = utc_now()
        key, text = create_api_key(
            workspace_id=chosen["workspace"].pk,
            name=chosen["name"],
            scopes=chosen["scopes"],
            expires_at=now + dt.timedelta(days=days) if days else None,
            created_by=staff_of(request),
            now=now,
        )
        self.log_addition(request, key, "Created")
        return self.show_once(request, key, text)

    @staff_action(
        description="Rotate",
        power=Power.GOVERN,
        possible=lambda key: key.is_usable(utc_now()) and key.replaced_by_id is None,
        form=RotateForm,
        icon="autorenew",
        explanation="Creates a new key with the same name and scopes; the old one ends after the overlap.",
    )
    def rotate(self, request: HttpRequest, key: ApiKey, form: StaffForm) -> HttpResponse:
        overlap = dt.timedelta(hours=form.cleaned_data["overlap_hours"])
        new, text = rotate_api_key(api_key_id=key.pk, overlap=overlap, now=utc_now())
        self.log_change(request, key, "Rotated")
        self.log_addition(request, new, "Created by rotation")
        return self.show_once(request, new, text)

    @staff_action(
        description="Revoke",
        power=Power.GOVERN,
        possible=lambda key: key.revoked_at is None,
        icon="key_off",
        variant=ActionVariant.DANGER,
        explanation="Requests with this key will be refused. You can't undo this.",
    )
    def revoke(self, request: HttpRequest, key: ApiKey, form: StaffForm) -> str:
        revoke_api_key(api_key_id=key.pk, now=utc_now())
        return f"{key.name} is revoked."

    def show_once(self, request: HttpRequest, key: ApiKey, text: str) -> HttpResponse:
        """Show the key on the only page that ever does; nothing may store it."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Your new API key",
            "opts": self.opts,
            "original": key,
            "key": key,
            "text": text,
        }
        response = TemplateResponse(request, "admin/api_key_created.html", context)
        response["Cache-Control"] = "no-store"
        return response
