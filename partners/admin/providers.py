from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.models import Workspace
from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action, staff_list_action
from backoffice.display import Card, Neighbor, badge, list_url, moment, neighbor, neighbors_of, register_subject
from backoffice.previews import Preview, tell_number
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin
from core.clock import utc_now
from core.forms import WholeNumberField
from core.numbers import MAX_SMALLINT

from ..models import EnrollmentStep, PartnerEvent, Provider, ProviderOutage
from ..providers import (
    change_provider,
    count_waiting,
    create_provider,
    how_it_is_asked,
    list_postponed,
    pause_provider,
    resume_provider,
    rotate_webhook_secret,
)
from ..queries import next_due_at
from ..states import Adapter
from .field_map_editor import POWER, edit_field_map, field_map_url
from .page_button import page_button
from .pipeline import pipeline_context
from .worklists import ResultsForm, describe_faults, foresee_results, has_no_api, record_results, worklist_file

register_subject("partner", Provider)

MISTAKES_TOLD = 5  # shown next to the total


class ProviderForm(StaffForm):
    """The editable fields of a partner. The API key can be set, but is never shown."""

    edits_the_row = True
    name = forms.CharField(max_length=200)
    adapter = forms.ChoiceField(choices=Adapter.choices, label="How we send it learners")
    base_url = forms.CharField(
        max_length=500, required=False, label="Address of its API", help_text="With https. Only for a REST API."
    )
    api_key = forms.CharField(
        max_length=2000,
        required=False,
        label="API key",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Stored encrypted and never shown. Leave it empty to keep the current one.",
    )
    timeout_seconds = WholeNumberField(
        min_value=1, max_value=60, initial=10, help_text="Within how many seconds its system has to answer."
    )
    expected_days = WholeNumberField(
        min_value=1,
        max_value=MAX_SMALLINT,
        initial=14,
        help_text="Within how many days a learner should finish there. Staff have a task when it takes longer.",
    )
    accept_within_hours = WholeNumberField(
        min_value=1,
        max_value=MAX_SMALLINT,
        initial=24,
        help_text="Within how many hours it has agreed to take a learner. Staff have a task when it takes longer.",
    )
    stuck_after_days = WholeNumberField(
        min_value=1, max_value=MAX_SMALLINT, initial=7, help_text="After how many days in progress a learner is stuck."
    )
    contact_email = forms.EmailField(
        required=False,
        help_text="The contact for staff's questions about learners, and for nudges while learners are waiting.",
    )

    def prepare(self) -> None:
        if self.row is not None:
            known = {name: getattr(self.row, name) for name in self.fields if name not in ("api_key", "workspace")}
            self.initial = {**known, **self.initial}

    def told(self) -> dict[str, Any]:
        """Return the submitted values; an empty key changes nothing."""
        told = {name: value for name, value in self.cleaned_data.items() if name not in ("workspace", "slug")}
        if not told["api_key"]:
            del told["api_key"]
        return told


class NewProviderForm(ProviderForm):
    workspace = forms.ModelChoiceField(queryset=Workspace.objects.none())
    slug = forms.SlugField(max_length=50, help_text="Identifies the partner in addresses. It can't be changed later.")
    field_order: tuple[str, ...] = ("workspace", "slug", "name")

    def prepare(self) -> None:
        super().prepare()
        self.offer_workspaces(Power.GOVERN)


def map_fields(provider: Provider) -> str:
    return field_map_url(provider)


def is_paused(provider: Provider) -> bool:
    return provider.paused_at is not None


def foresee_resumption(provider: Provider, form: StaffForm) -> Preview:
    """Preview how many learners wait for the partner."""
    waiting = count_waiting(provider_id=provider.pk)
    if provider.adapter == Adapter.MANUAL:
        taken = "Learners who wait to be sent there with its worklist"
        told = [*tell_number(taken, waiting.to_take), *tell_number("Learners who are there", waiting.to_hear_of)]
    else:
        told = [
            *tell_number("Learners it will be asked to take", waiting.to_take),
            *tell_number("Learners it will be asked about", waiting.to_hear_of),
            *tell_number("Learners who left, which it will be told", waiting.to_let_go),
        ]
    return Preview(tuple(told or ["Nobody is waiting for it."]))


def is_at_work(provider: Provider) -> bool:
    return provider.paused_at is None


@admin.register(Provider)
class ProviderAdmin(WorkspaceScopedAdmin):
    """Partners. Buttons make every change; neither the key nor a secret is ever shown again."""

    list_display = ("name", "standing", "slug", "adapter", "expected_days", "stuck_after_days", "workspace")
    list_filter = (("workspace", ScopedRelatedFilter), ("adapter", ChoicesDropdownFilter))
    list_select_related = ("workspace",)
    search_fields = ("name__icontains", "=slug")
    search_help_text = "Name or slug"
    fieldsets = (
        (
            None,
            {"fields": (("name", "standing"), ("slug", "workspace"), ("adapter", "base_url"), ("has_key", "names"))},
        ),
        (
            "What we expect",
            {
                "fields": (
                    ("accept_within_hours", "expected_days"),
                    "stuck_after_days",
                    ("timeout_seconds", "poll_hours"),
                )
            },
        ),
        ("Contact", {"fields": ("contact",)}),
        (
            "Since when",
            {"fields": ("tried_next", ("paused_at", "silent_since"), ("previous_secret_until", "created_at"))},
        ),
    )
    actions_list = ("create",)
    actions_detail = ("edit", "map_fields", "pause", "resume", "worklist", "results", "rotate")

    @display(description="status", ordering="paused_at")
    def standing(self, provider: Provider) -> str:
        if provider.paused_at is not None:
            return badge("held", "Paused")
        if provider.silent_since is not None:
            return badge("failed", f"No answer since {moment(provider.silent_since)}")
        return badge("active", "Active")

    @display(description="API key")
    def has_key(self, provider: Provider) -> str:
        return "Kept, and never shown" if provider.api_key else "None"

    @display(description="field map")
    def names(self, provider: Provider) -> str:
        differing = sum(len(names) for names in provider.field_map.values())
        return f"{differing:,} of its own" if differing else "Ours"

    @display(description="contact")
    def contact(self, provider: Provider) -> str:
        if not provider.contact_email:
            return "—"
        return format_html('<a class="text-link" href="mailto:{0}">{0}</a>', provider.contact_email)

    @staff_list_action(
        description="Add a partner",
        power=Power.GOVERN,
        form=NewProviderForm,
        explanation="The next page shows the secret that the partner signs its webhooks with, once.",
    )
    def create(self, request: HttpRequest, form: NewProviderForm) -> HttpResponse:
        made = create_provider(
            workspace_id=form.cleaned_data["workspace"].pk,
            slug=form.cleaned_data["slug"],
            now=utc_now(),
            **form.told(),
        )
        self.log_addition(request, made, "Added")
        return self.show_once(request, made, made.webhook_secret)

    @display(description="tried next")
    def tried_next(self, provider: Provider) -> str:
        """Say when its system will be called again, and why not earlier."""
        if provider.adapter != Adapter.REST:
            return "Never: staff contact it"
        if provider.paused_at is not None:
            return "Once it is resumed"
        now = utc_now()
        pause = provider.next_round_at
        if pause is not None and pause > now:
            if provider.silent_since is None:
                return "Just now: a worker is asking it"
            return f"{moment(pause)}: it has not answered since {moment(provider.silent_since)}, so it is left alone"
        due = next_due_at(provider_id=provider.pk)
        if due is None:
            return "When it has to be asked: nobody is waiting for it"
        return "Within a minute: somebody is waiting for it" if due <= now else f"{moment(due)}: then somebody is due"

    @staff_action(
        description="Change",
        power=Power.GOVERN,
        form=ProviderForm,
        icon="edit",
        explanation="Learners who are there stay. If you correct its address, key, or timeout, it is tried again at "
        "once, even if it was paused.",
    )
    def edit(self, request: HttpRequest, provider: Provider, form: ProviderForm) -> str:
        now = utc_now()
        postponed = list_postponed(provider_id=provider.pk, now=now).count()
        changed = change_provider(provider_id=provider.pk, now=now, **form.told())
        if how_it_is_asked(changed) == how_it_is_asked(provider):
            return "The partner is changed. Learners who are there stay."
        return (
            f"The partner is changed and tried again at once. Requests that had failed and are due now: {postponed:,}."
        )

    map_fields = page_button(description="Field map", power=POWER, icon="data_object", address=map_fields)

    @staff_action(
        description="Pause",
        power=Power.MANAGE,
        possible=is_at_work,
        icon="pause",
        explanation=(
            "Nobody is sent there until you resume it. Learners who are there stay, and the "
            "pause does not count as being stuck."
        ),
    )
    def pause(self, request: HttpRequest, provider: Provider, form: StaffForm) -> str:
        pause_provider(provider_id=provider.pk, now=utc_now())
        return f"{provider} is paused."

    @staff_action(
        description="Resume",
        power=Power.MANAGE,
        possible=is_paused,
        preview=foresee_resumption,
        icon="play_arrow",
        variant=ActionVariant.PRIMARY,
        explanation="Learners whose turn it is are sent there at once.",
    )
    def resume(self, request: HttpRequest, provider: Provider, form: StaffForm) -> str:
        resume_provider(provider_id=provider.pk, now=utc_now())
        return f"{provider} takes learners again."

    @staff_action(
        description="Download the worklist",
        power=Power.DECIDE,
        possible=has_no_api,
        icon="download",
        explanation=(
            "The learners it should enroll and those who learn there, as CSV with empty "
            "columns for the results. The file contains names."
        ),
    )
    def worklist(self, request: HttpRequest, provider: Provider, form: StaffForm) -> HttpResponse:
        self.log_change(request, provider, "Downloaded the worklist")
        return worklist_file(provider)

    @staff_action(
        description="Record results",
        power=Power.DECIDE,
        possible=has_no_api,
        form=ResultsForm,
        preview=foresee_results,
        icon="upload_file",
        explanation=(
            "Reads the worklist with the partner's results. You see what it would change, "
            "and any mistakes, before anything is recorded. You can upload the same file "
            "again."
        ),
    )
    def results(self, request: HttpRequest, provider: Provider, form: StaffForm) -> str:
        done = record_results(form, provider)
        if done.faults:
            messages.warning(request, f"Lines with a mistake: {' '.join(describe_faults(done)[:MISTAKES_TOLD])}")
        return f"Recorded: {done.changed:,}. Known already: {done.unchanged:,}. With a mistake: {len(done.faults):,}."

    @staff_action(
        description="Rotate the secret",
        power=Power.GOVERN,
        icon="autorenew",
        explanation="Shows a new secret. For a day, both secrets are valid, so that the partner can switch over.",
    )
    def rotate(self, request: HttpRequest, provider: Provider, form: StaffForm) -> HttpResponse:
        secret = rotate_webhook_secret(provider_id=provider.pk, now=utc_now())
        self.log_change(request, provider, "Rotated the secret")
        return self.show_once(request, Provider.objects.select_related("workspace").get(pk=provider.pk), secret)

    def show_once(self, request: HttpRequest, provider: Provider, secret: str) -> HttpResponse:
        """Show the secret, on the only page that ever does."""
        address = f"{settings.PUBLIC_URL}{reverse('partner-webhook', args=[provider.slug])}"
        response = self._page(
            request,
            "admin/partners/secret.html",
            {
                "title": "Signing secret",
                "original": provider,
                "provider": provider,
                "secret": secret,
                "address": address,
            },
        )
        response["Cache-Control"] = "no-store"
        return response

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.show_pipeline)
        editor = self.admin_site.admin_view(self.edit_field_map)
        return [
            path("pipeline/", page, name="partners_provider_pipeline"),
            path("<int:object_id>/field-map/", editor, name="partners_provider_field_map"),
            *super().get_urls(),
        ]

    def edit_field_map(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return edit_field_map(self, request, str(object_id))

    def show_pipeline(self, request: HttpRequest) -> HttpResponse:
        """Show the progress of learners at each partner."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self._page(request, "admin/partners/pipeline.html", pipeline_context(request))

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> TemplateResponse:
        frame = {**self.admin_site.each_context(request), "opts": self.opts}
        return TemplateResponse(request, template, {**frame, **context})


@neighbors_of(Provider)
def steps_at_partner(request: HttpRequest, provider: Provider) -> Card:
    steps = EnrollmentStep.objects.current().filter(provider=provider).select_related("enrollment__learner")
    late = steps.stuck(utc_now()).order_by("changed_at")[:10]
    rows = [
        neighbor(each, title=f"{each.enrollment.person}", status="status", note=each.last_error, at=each.changed_at)
        for each in late
    ]
    more = f"{list_url(EnrollmentStep)}?provider__id__exact={provider.pk}"
    return Card("Stuck here", rows, empty="Nobody is stuck here.", more_url=more)


@neighbors_of(Provider)
def news_of_partner(request: HttpRequest, provider: Provider) -> Card:
    events = PartnerEvent.objects.filter(provider=provider).order_by("-pk")[:10]
    rows = [
        neighbor(each, title=each.type, note=each.outcome or each.last_error, at=each.received_at) for each in events
    ]
    more = f"{list_url(PartnerEvent)}?provider__id__exact={provider.pk}" if rows else ""
    return Card("What it sent us", rows, empty="It has not sent us anything yet.", more_url=more)


@neighbors_of(Provider)
def outages_of_partner(request: HttpRequest, provider: Provider) -> Card:
    rows = [
        Neighbor(title=each.get_reason_display(), note=f"until {moment(each.ended_at)}", at=each.began_at)
        for each in ProviderOutage.objects.filter(provider=provider).order_by("-ended_at")[:10]
    ]
    return Card("Outages", rows, empty="It has had no outages.")
