"""Self-enrollment forms: the questions on the instance page, applications waiting for confirmation, and the answers."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path, reverse
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.models import Learner
from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action
from backoffice.display import Card, Neighbor, badge, link_column, list_url, neighbors_of
from backoffice.inlines import ScopedInline, WorkspaceFormSet
from backoffice.previews import Preview
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, inline_of
from core.clock import utc_now
from core.forms import check_texts
from core.http.uploads import FILES_IN_FORM
from core.numbers import counted

from ..application.answers import tell_answers
from ..application.opening import form_state
from ..application.questions import QUESTIONS_IN_FORM, find_fault
from ..application.receive import count_content, discard_application, mail_link, renew_link
from ..models import Application, ApplicationFile, ApplicationQuestion, Enrollment, ProgramInstance
from ..states import FormState, QuestionKind


class QuestionForm(forms.ModelForm):
    class Meta:
        model = ApplicationQuestion
        fields = ("position", "label", "help_text", "kind", "options", "is_required", "is_asked")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        check_texts(self)
        choices = ApplicationQuestion(options=cleaned.get("options") or "").choices
        if fault := find_fault(kind=cleaned.get("kind", ""), choices=choices):
            self.add_error("options", fault)
        return cleaned


class QuestionFormSet(WorkspaceFormSet):
    """The limits of a form: no more questions than a phone can show, and no more files than one request can carry."""

    def clean(self) -> None:
        super().clean()
        asked = [form.cleaned_data for form in self.forms if getattr(form, "cleaned_data", {}).get("is_asked")]
        asked = [question for question in asked if question.get("label")]
        if len(asked) > QUESTIONS_IN_FORM:
            raise forms.ValidationError(f"Ask at most {QUESTIONS_IN_FORM} questions.")
        if sum(question.get("kind") == QuestionKind.FILE for question in asked) > FILES_IN_FORM:
            raise forms.ValidationError(f"Ask for at most {FILES_IN_FORM} files.")


@inline_of(ProgramInstance)
class QuestionsInline(ScopedInline):
    """Questions are never deleted: the answers to a question that is no longer asked stay readable."""

    model = ApplicationQuestion
    form = QuestionForm
    formset = QuestionFormSet
    verbose_name = "question"
    verbose_name_plural = "Questions of the self-enrollment form"
    empty = "None: the form asks only who the learner is."
    empty_help = "Add what else you need to know."
    add_power = Power.MANAGE
    change_power = Power.MANAGE
    ordering = ("position", "pk")
    fields = ("position", "label", "help_text", "kind", "options", "is_required", "is_asked")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "options":
            kwargs["widget"] = UnfoldAdminTextareaWidget(attrs={"rows": 3, "cols": 24})
        return super().formfield_for_dbfield(db_field, request, **kwargs)


class ConfirmedFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("waiting", "Waits for the link"), ("expired", "Expired"), ("confirmed", "Confirmed")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        is_expired = Q(expires_at__lte=utc_now())
        wanted = {
            "waiting": Q(confirmed_at__isnull=True) & ~is_expired,
            "expired": Q(confirmed_at__isnull=True) & is_expired,
            "confirmed": Q(confirmed_at__isnull=False),
        }.get(self.value() or "")
        return queryset.filter(wanted) if wanted is not None else queryset


def foresee_discard(application: Application, form: StaffForm) -> Preview:
    """Preview how much is deleted, without its contents, which staff may not read."""
    answers, files = count_content(application)
    return Preview((f"Answers that are deleted: {answers:,}. Files: {files:,}.",), mails="Nobody is told.")


@admin.register(Application)
class ApplicationAdmin(WorkspaceScopedAdmin):
    """Who has filled in a form, and whether they have confirmed it. Until then nobody may read the answers."""

    list_display = ("email", "instance", "state_badge", "created_at", "expires_at", "workspace")
    list_filter = (
        ConfirmedFilter,
        ("workspace", ScopedRelatedFilter),
        ("instance", ScopedRelatedFilter),
        "created_at",
    )
    list_select_related = ("instance", "workspace")
    search_fields = ("=id", "email__istartswith", "=enrollment__cuid")
    search_help_text = "Number, address, enrollment's CUID"
    date_hierarchy = "created_at"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("state_badge", "enrollment_link"),
                    ("instance_link", "applicant"),
                    "email",
                    ("created_at", "sent_at"),
                    ("expires_at", "confirmed_at"),
                )
            },
        ),
    )
    actions_detail = ("send_link_again", "discard")
    instance_link = link_column("instance", "program")
    enrollment_link = link_column("enrollment", "enrollment")

    def describe(self, row: Application) -> str:
        return f"{row.email}: {row.instance}"

    @display(description="state")
    def state_badge(self, application: Application) -> str:
        state = application.state(utc_now())
        return badge({"confirmed": "done"}.get(state, state), state)

    @staff_action(
        description="Send the link again",
        power=Power.DECIDE,
        possible=lambda application: application.confirmed_at is None,
        icon="forward_to_inbox",
        variant=ActionVariant.PRIMARY,
        explanation="Mails a new link that works for a week. The earlier link stops working.",
        reaches_out=True,
    )
    def send_link_again(self, request: HttpRequest, application: Application, form: StaffForm) -> str:
        now = utc_now()
        renewed, token = renew_link(application_id=application.pk, now=now)
        mail_link(application=renewed, token=token, now=now)
        return f"A new link is on its way to {renewed.email}."

    @staff_action(
        description="Discard",
        power=Power.DECIDE,
        possible=lambda application: application.confirmed_at is None,
        preview=foresee_discard,
        icon="delete",
        variant=ActionVariant.DANGER,
        explanation="Deletes the unconfirmed application with its files. You can't undo this.",
    )
    def discard(self, request: HttpRequest, application: Application, form: StaffForm) -> HttpResponse:
        discard_application(application_id=application.pk)
        return self.response_to_list(request, "The application was deleted.")

    def get_urls(self) -> list[URLPattern]:
        download = path(
            "<path:object_id>/files/<number:file_id>",
            self.admin_site.admin_view(self.download),
            name="enrollments_application_file",
        )
        return [download, *super().get_urls()]

    def download(self, request: HttpRequest, object_id: str, file_id: int) -> HttpResponseBase:
        """Return a file of a confirmed application to those who decide about it; each download is recorded."""
        application = self.get_visible(request, object_id)
        file = application and application.files.filter(pk=file_id, application__enrollment__isnull=False).first()
        if not file:
            raise Http404("There is no such file.")
        if not self.may(request, Power.DECIDE, application):
            raise PermissionDenied
        try:
            content = file.content.open()
        except FileNotFoundError as error:
            raise Http404("The file is no longer in the storage.") from error
        self.log_change(request, application, f"Downloaded file {file.pk}")
        response = FileResponse(content, as_attachment=True, filename=file.name, content_type=file.media_type)
        response["X-Content-Type-Options"] = "nosniff"
        return response


def url_of(file: ApplicationFile) -> str:
    return reverse("admin:enrollments_application_file", args=[file.application_id, file.pk])


@neighbors_of(Enrollment, early=True)
def answers_of_enrollment(request: HttpRequest, enrollment: Enrollment) -> Card:
    rows = [
        Neighbor(
            title=answer.question,
            note="" if answer.is_long else answer.text,
            text=answer.text if answer.is_long else "",
            url=url_of(answer.file) if answer.file else "",
        )
        for answer in tell_answers(enrollment)
    ]
    return Card("Answers", rows, empty="Nobody has filled in a form.", wide=True)


@neighbors_of(Learner)
def files_of_learner(request: HttpRequest, learner: Learner) -> Card:
    """Return the card of files that the family uploaded with its applications."""
    files = ApplicationFile.objects.filter(application__enrollment__learner=learner).select_related("question")
    rows = [
        Neighbor(title=file.name, url=url_of(file), note=file.question.label, at=file.created_at)
        for file in files.order_by("-pk")[:20]
    ]
    return Card("Files", rows, empty="No file was uploaded.")


@neighbors_of(ProgramInstance)
def form_of_instance(request: HttpRequest, instance: ProgramInstance) -> Card:
    """Return the card of the public form and the outcomes of its applications."""
    now = utc_now()
    state = form_state(instance, now=now)
    waiting = instance.applications.filter(confirmed_at__isnull=True, expires_at__gt=now).count()
    confirmed = instance.applications.filter(confirmed_at__isnull=False).count()
    tone = {FormState.OPEN: "active", FormState.FULL: "waiting"}.get(state, "closed")
    rows = [
        Neighbor(
            title="Preview of the form" if state == FormState.OFF else "The public form",
            url=reverse("apply", args=[instance.program.code, instance.cuid]),
            badge=badge(tone, state.label),
            note=", ".join(_places(instance)),
        ),
        Neighbor(
            title=f"{waiting:,} waiting for the mailed link",
            url=list_url(Application, instance__id__exact=instance.pk, state="waiting"),
        ),
        Neighbor(
            title=f"{confirmed:,} confirmed",
            url=list_url(Application, instance__id__exact=instance.pk, state="confirmed"),
        ),
    ]
    return Card("Self-enrollment form", rows)


def _places(instance: ProgramInstance) -> list[str]:
    return [] if instance.capacity is None else [f"{counted(instance.capacity, 'place')} in all"]
