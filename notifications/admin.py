from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.models import Workspace
from accounts.roles import Power
from backoffice.actions import StaffForm, in_bulk, staff_action, staff_list_action
from backoffice.display import badge, json_column, register_subject, status_badge, subject_column
from backoffice.filters import filter_by_known
from backoffice.previews import Letter, Preview, tell_numbers
from backoffice.questions import OfOne
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, actor_of
from core.clock import utc_now
from core.numbers import counted

from .letters import Email, known_kinds
from .models import Notification, WorkspaceLetter
from .sending import resend_notification
from .states import NotificationStatus
from .wording import (
    BODY_MAX,
    SUBJECT_MAX,
    Words,
    begin_letter,
    change_letter,
    check_words,
    fill_in,
    find_wording,
    list_wordings,
    reset_letter,
)

register_subject("notification", Notification)


def foresee_resends(notifications: Sequence[Notification], form: StaffForm) -> Preview:
    """Return how many of each kind go to how many people."""
    sentences = tell_numbers("Again:", [each.kind.replace("_", " ") for each in notifications])
    readers = {each.recipient for each in notifications}
    return Preview(
        tuple(sentences), mails=f"Mails: {len(notifications):,}, to {counted(len(readers), 'address', 'addresses')}."
    )


@admin.register(Notification)
class NotificationAdmin(WorkspaceScopedAdmin):
    """A workspace's emails; those that were given up can be sent again."""

    subject_fields = ("subject_key",)
    list_display = ("kind", "about", "recipient", "status_badge", "attempts", "workspace", "created_at", "sent_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("workspace", ScopedRelatedFilter),
        filter_by_known("kind", known_kinds, title="kind"),
        "created_at",
    )
    list_select_related = ("workspace",)
    search_fields = ("recipient__istartswith", "subject_key__exact")
    search_help_text = "Address, or what it is about, e.g. package:12"
    date_hierarchy = "created_at"
    fieldsets = (
        (None, {"fields": (("kind", "about"), ("recipient", "status_badge"), ("workspace", "created_at"))}),
        ("Sending", {"fields": (("sent_at", "resends"), ("attempts", "next_attempt_at"), "last_error")}),
        ("Made from", {"fields": ("params_text",)}),
    )
    actions_detail = ("resend",)
    status_badge = status_badge("status")
    about = subject_column("subject_key", "about")
    params_text = json_column("params")

    def describe(self, row: Notification) -> str:
        return f"{row.kind.replace('_', ' ').capitalize()}, to {row.recipient}"

    @staff_action(
        description="Send again",
        power=Power.ASSIST,
        possible=lambda notification: notification.status != NotificationStatus.PENDING,
        preview=OfOne(foresee_resends),
        icon="forward_to_inbox",
        variant=ActionVariant.PRIMARY,
        explanation="Renders the email again with current data and sends it to the same address.",
    )
    def resend(self, request: HttpRequest, notification: Notification, form: StaffForm) -> str:
        resend_notification(notification_id=notification.pk, now=utc_now())
        return "The email is on its way."

    resend_selected = in_bulk(
        resend,
        description="Send the selected emails again",
        explanation="Writes the emails again with what is true now, and sends each to the same address as before.",
        preview=foresee_resends,
    )
    actions = ("resend_selected",)


class BeginForm(StaffForm):
    workspace = forms.ModelChoiceField(queryset=Workspace.objects.none())
    kind = forms.ChoiceField(label="Mail")
    language = forms.ChoiceField(
        choices=settings.LANGUAGES,
        initial="en",
        help_text="Families who read another language get the wording in that language: yours, or the standard one.",
    )

    def prepare(self) -> None:
        self.offer_workspaces(Power.MANAGE)
        kind = self.fields["kind"]
        assert isinstance(kind, forms.ChoiceField)
        kind.choices = [(wording.kind, wording.label) for wording in list_wordings()]


class WordsForm(StaffForm):
    edits_the_row = True
    subject = forms.CharField(max_length=SUBJECT_MAX)
    body = forms.CharField(
        label="Text",
        max_length=BODY_MAX,
        widget=forms.Textarea(attrs={"rows": 16}),
    )
    is_on = forms.BooleanField(label="Send this mail", required=False)

    def prepare(self) -> None:
        self.initial.update(subject=self.row.subject, body=self.row.body, is_on=self.row.is_on)
        known = "; ".join(f"{{{each.name}}} is {each.meaning}" for each in find_wording(self.row.kind).placeholders)
        self.fields["body"].help_text = (
            f"An empty line ends a paragraph. A paragraph “-> See it: {{link}}” becomes a button, lines that begin "
            f"with “- ” a list. In braces: {known}."
        )


def foresee_words(letter: WorkspaceLetter, form: StaffForm) -> Preview:
    """Return the mail about a sample enrollment."""
    given = form.cleaned_data
    words = check_words(kind=letter.kind, subject=given["subject"], body=given["body"])
    if not given["is_on"]:
        return Preview(mails="This mail is switched off: nobody gets it.")
    email = _sample(letter.kind, words)
    return Preview(letters=(Letter(("a sample family",), email.subject, email.text),))


def _sample(kind: str, words: Words) -> Email:
    return fill_in(words, find_wording(kind).samples)


@admin.register(WorkspaceLetter)
class WorkspaceLetterAdmin(WorkspaceScopedAdmin):
    """The mails that a workspace has reworded or switched off. All others are sent in our words."""

    list_display = ("title", "language", "subject", "state", "workspace", "changed_by", "changed_at")
    list_filter = (("workspace", ScopedRelatedFilter), "language", "is_on")
    list_select_related = ("workspace",)
    search_fields = ("subject__icontains", "=kind")
    search_help_text = "Subject, or the mail's kind, e.g. enrollment_approved"
    fieldsets = (
        (
            None,
            {"fields": (("title", "language", "state"), "workspace", "subject", "text", ("changed_by", "changed_at"))},
        ),
        ("As a family gets it", {"fields": ("preview",)}),
    )
    actions_list = ("begin",)
    actions_detail = ("change_words", "reset")

    def describe(self, row: WorkspaceLetter) -> str:
        return find_wording(row.kind).label

    @display(description="mail", ordering="kind")
    def title(self, letter: WorkspaceLetter) -> str:
        return self.describe(letter)

    @display(description="sent", ordering="is_on")
    def state(self, letter: WorkspaceLetter) -> str:
        return badge("active", "In own words") if letter.is_on else badge("inactive", "Switched off")

    @display(description="text")
    def text(self, letter: WorkspaceLetter) -> str:
        return letter.body

    @display(description="preview")
    def preview(self, letter: WorkspaceLetter) -> str:
        email = _sample(letter.kind, Words(letter.subject, letter.body))
        return f"{email.subject}\n\n{email.text}"

    @staff_list_action(
        description="Change the wording of a mail",
        power=Power.MANAGE,
        form=BeginForm,
        explanation="Starts from the standard wording. Nothing changes until you change it.",
        icon="edit",
    )
    def begin(self, request: HttpRequest, form: StaffForm) -> HttpResponse:
        given = form.cleaned_data
        letter = begin_letter(
            workspace_id=given["workspace"].pk,
            kind=given["kind"],
            language=given["language"],
            actor=actor_of(request),
            now=utc_now(),
        )
        return HttpResponseRedirect(reverse("admin:notifications_workspaceletter_change_words", args=[letter.pk]))

    @staff_action(
        description="Reword",
        power=Power.MANAGE,
        form=WordsForm,
        preview=foresee_words,
        icon="edit",
        variant=ActionVariant.PRIMARY,
        explanation="All mails sent from now on use this wording, including those already waiting.",
    )
    def change_words(self, request: HttpRequest, letter: WorkspaceLetter, form: StaffForm) -> str:
        given: dict[str, Any] = form.cleaned_data
        change_letter(
            letter_id=letter.pk,
            subject=given["subject"],
            body=given["body"],
            is_on=given["is_on"],
            actor=actor_of(request),
            now=utc_now(),
        )
        return f"{self.describe(letter)}: {'saved' if given['is_on'] else 'switched off'}."

    @staff_action(
        description="Reset to the standard wording",
        power=Power.MANAGE,
        icon="undo",
        explanation="Discards your wording; the mail uses the standard wording again.",
    )
    def reset(self, request: HttpRequest, letter: WorkspaceLetter, form: StaffForm) -> HttpResponse:
        self.log_change(request, letter, "Reset to the standard wording")
        reset_letter(letter_id=letter.pk)
        messages.success(request, f"{self.describe(letter)}: sent in our words again.")
        return HttpResponseRedirect(reverse("admin:notifications_workspaceletter_changelist"))
