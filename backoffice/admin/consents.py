"""What families are asked to agree to, and who agreed. Both are records: nothing in them is edited."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from accounts.consents import give_consents, publish_text, stop_asking, withdraw_consent
from accounts.merging import find_by_reference
from accounts.models import Consent, ConsentText, Learner, Workspace
from accounts.roles import Power
from accounts.states import ConsentWay
from core.clock import utc_now
from core.errors import Invalid
from core.local_time import local_date, to_instant, validate_date

from ..actions import ConfirmForm, StaffForm, staff_action, staff_list_action
from ..actors import actor_column
from ..display import Card, badge, link_column, neighbor, neighbors_of, register_subject
from ..scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, access_of, actor_of

register_subject("consent", Consent)


class PublishForm(StaffForm):
    workspace = forms.ModelChoiceField(queryset=Workspace.objects.none())
    purpose = forms.SlugField(
        max_length=40,
        help_text="One short word, such as photos. For an existing purpose, this becomes its next version.",
    )
    title = forms.CharField(max_length=150, help_text="The label of the checkbox.")
    text = forms.CharField(max_length=5000, widget=forms.Textarea(attrs={"rows": 10}))
    is_required = forms.BooleanField(
        label="Required", required=False, help_text="Families can't apply or buy without it."
    )
    from_date = forms.DateField(
        label="In force from",
        required=False,
        validators=[validate_date],
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="The beginning of that day in the workspace's time zone. Empty: now.",
    )

    def prepare(self) -> None:
        self.offer_workspaces(Power.MANAGE)


class OnPaperForm(StaffForm):
    text = forms.ModelChoiceField(queryset=ConsentText.objects.none())
    learner = forms.CharField(max_length=150, help_text="CUID, external id or number.")
    address = forms.EmailField(label="Address of the person who signed", max_length=254)
    found: Learner

    def prepare(self) -> None:
        field = self.fields["text"]
        assert isinstance(field, forms.ModelChoiceField)
        texts = ConsentText.objects.filter(from_at__lte=utc_now()).order_by("workspace", "purpose", "-version")
        field.queryset = access_of(self.request).limit(texts, path="workspace_id", power=Power.MANAGE)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if "text" in cleaned and "learner" in cleaned:
            try:
                reference = cleaned["learner"]
                self.found = find_by_reference(workspace_id=cleaned["text"].workspace_id, reference=reference)
            except Invalid as refusal:
                self.add_error("learner", refusal.errors[0].detail)
        return cleaned


def _beginning(day: dt.date | None, zone: str, now: dt.datetime) -> dt.datetime:
    """Return when a text that takes effect on this day starts to apply; today's takes effect at once."""
    if day is None or day == local_date(now, zone):
        return now
    return to_instant(date=day, time=dt.time(), zone=zone).at


@admin.register(ConsentText)
class ConsentTextAdmin(WorkspaceScopedAdmin):
    actor_fields = ("published_by",)
    list_display = ("title", "purpose", "version", "is_required", "state", "workspace", "from_at")
    list_filter = (("workspace", ScopedRelatedFilter), "is_required")
    list_select_related = ("workspace",)
    search_fields = ("=purpose", "title__icontains")
    search_help_text = "Purpose or title"
    fieldsets = (
        (None, {"fields": ("title", ("purpose", "version"), "text", ("is_required", "state"), "workspace")}),
        ("When", {"fields": (("from_at", "stopped_at"), ("by", "published_at"))}),
    )
    actions_list = ("publish",)
    actions_detail = ("stop",)
    by = actor_column("published_by", "published by")

    @display(description="asked", ordering="stopped_at")
    def state(self, text: ConsentText) -> str:
        if text.stopped_at is not None:
            return badge("inactive", "No longer asked")
        return badge("active", "Asked") if text.from_at <= utc_now() else badge("pending", "Later")

    @staff_list_action(
        description="Publish a text",
        power=Power.MANAGE,
        form=PublishForm,
        explanation=(
            "Families are asked for it when they apply or buy. It can't be changed "
            "afterward: a new wording is a new version, and everybody is asked again."
        ),
        icon="add",
    )
    def publish(self, request: HttpRequest, form: StaffForm) -> str:
        given = form.cleaned_data
        now = utc_now()
        published = publish_text(
            workspace_id=given["workspace"].pk,
            purpose=given["purpose"],
            title=given["title"],
            text=given["text"],
            is_required=given["is_required"],
            from_at=_beginning(given["from_date"], given["workspace"].timezone, now),
            actor=actor_of(request),
            now=now,
        )
        return f"{published} is published."

    @staff_action(
        description="Stop asking",
        power=Power.MANAGE,
        possible=lambda text: text.stopped_at is None,
        form=ConfirmForm,
        explanation="Nobody is asked for it anymore. Consents that were given remain.",
        icon="block",
    )
    def stop(self, request: HttpRequest, text: ConsentText, form: StaffForm) -> str:
        stop_asking(text_id=text.pk, now=utc_now())
        return f"{text} is no longer asked for."


@admin.register(Consent)
class ConsentAdmin(WorkspaceScopedAdmin):
    actor_fields = ("recorded_by", "ended_by")
    list_display = ("learner_link", "purpose", "version", "address", "way", "state", "workspace", "given_at")
    list_display_links = ("purpose",)
    list_filter = (
        ("workspace", ScopedRelatedFilter),
        ("way", ChoicesDropdownFilter),
        ("end", ChoicesDropdownFilter),
        ("ended_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("workspace", "learner", "text")
    search_fields = ("=purpose", "=learner__cuid", "address__istartswith")
    search_help_text = "Address, purpose or the learner's CUID"
    fieldsets = (
        (None, {"fields": (("learner_link", "state"), ("text_link", "version"), ("address", "way"), "evidence")}),
        (
            "When",
            {
                "fields": (
                    ("given_at", "by"),
                    "reported_at",
                    ("ended_at", "ender"),
                    ("end_reported_at", "end_evidence"),
                    "workspace",
                )
            },
        ),
    )
    actions_list = ("record_paper",)
    actions_detail = ("withdraw",)
    learner_link = link_column("learner", "learner")
    text_link = link_column("text", "text")
    by = actor_column("recorded_by", "recorded by")
    ender = actor_column("ended_by", "ended by")

    def describe(self, row: Consent) -> str:
        return f"{row.text} about {row.learner}"

    @display(description="version", ordering="text__version")
    def version(self, consent: Consent) -> int:
        return int(consent.text.version)

    @display(description="state", ordering="ended_at")
    def state(self, consent: Consent) -> str:
        return badge("inactive", consent.get_end_display()) if consent.ended_at else badge("active", "Holds")

    @staff_list_action(
        description="Record a consent on paper",
        power=Power.MANAGE,
        form=OnPaperForm,
        explanation=(
            "For a consent that a family signed on paper. The owner of the address sees it "
            "among their consents and can withdraw it there."
        ),
        icon="draw",
    )
    def record_paper(self, request: HttpRequest, form: StaffForm) -> str:
        assert isinstance(form, OnPaperForm)
        given = give_consents(
            learner_id=form.found.pk,
            address=form.cleaned_data["address"],
            text_ids=[form.cleaned_data["text"].pk],
            way=ConsentWay.PAPER,
            actor=actor_of(request),
            now=utc_now(),
        )
        return "The consent is recorded." if given else "This consent was recorded before."

    @staff_action(
        description="Withdraw",
        power=Power.MANAGE,
        possible=lambda consent: consent.ended_at is None,
        form=ConfirmForm,
        explanation=(
            "For a consent that a family withdraws by letter or phone. It no longer applies, and stays in the list."
        ),
        icon="block",
    )
    def withdraw(self, request: HttpRequest, consent: Consent, form: StaffForm) -> str:
        withdraw_consent(consent_id=consent.pk, actor=actor_of(request), now=utc_now())
        return "The consent is withdrawn."


@neighbors_of(Learner)
def consents_of_learner(request: HttpRequest, learner: Learner) -> Card:
    """Return what the family agreed to, newest first."""
    shown = Consent.objects.filter(learner=learner).select_related("text", "learner").order_by("-pk")[:5]
    rows = [neighbor(each, title=each.text.title, note=each.get_end_display() or "Holds") for each in shown]
    return Card("Consents", rows, empty="The family has not given any consent.")
