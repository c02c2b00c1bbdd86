import re
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponseRedirect
from unfold.decorators import display

from accounts.guardian_invitations import invite_guardian, mail_guardian_invitation
from accounts.guardians import has_proven_address, set_guardian_address, with_proof
from accounts.merging import find_by_reference
from accounts.models import Guardian, Guardianship, Lead, Learner, external_key
from accounts.name_changes import accept_name, decline_name, find_waiting, record_renaming
from accounts.papers import count_papers
from accounts.roles import Power
from accounts.twins import notice_possible_twins, notice_twins_by_guardian
from core.clock import utc_now
from core.errors import Invalid
from core.numbers import parse_whole_number
from core.postal import in_one_line
from core.rows import lock_rows

from ..actions import ConfirmForm, StaffForm, staff_action
from ..display import Card, Neighbor, admin_url, badge, link_column, neighbor, neighbors_of, register_subject
from ..erasing import the_eraser
from ..inlines import ScopedInline
from ..previews import Preview
from ..scoping import ScopedRelatedFilter, WorkspaceModelForm, WorkspaceScopedAdmin, actor_of, staff_of
from ..searching import FOUND_AT_MOST
from .invitations import InviteGuardianForm, mail_or_say_why
from .merging import MergeReasonForm, merge, preview_merge

register_subject("learner", Learner)
register_subject("guardian", Guardian)


class EraseForm(StaffForm):
    """Why somebody is erased: a choice of a few words, since typed text might name them."""

    why = forms.ChoiceField(label="Why", choices=lambda: the_eraser().choices)


class LearnerForm(WorkspaceModelForm):
    """Refuses a second learner with the same identity, which the model computes on saving."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        workspace = cleaned.get("workspace") or getattr(self.instance, "workspace", None)
        if workspace is None or self.errors:
            return cleaned
        asked = Learner(
            workspace=workspace,
            external_id=cleaned["external_id"],
            **{name: cleaned[name] for name in ("email", "first_name", "last_name")},
        )
        asked.derive_identity()
        others = Learner.objects.filter(workspace=workspace).exclude(pk=self.instance.pk)
        merged = others.filter(external_id=asked.external_id, merged_into__isnull=False) if asked.external_id else None
        if merged is not None and merged.exists():
            self.add_error(
                "external_id", ("A learner with this id was merged into another learner, who has the id now.")
            )
        elif others.filter(identity=asked.identity).exists():
            name = "external_id" if asked.external_id else "email"
            self.add_error(name, "Another learner of this workspace already has this.")
        return cleaned


class GuardianshipInline(ScopedInline):
    model = Guardianship
    add_power = delete_power = Power.MANAGE
    change_power = Power.MANAGE
    readonly_fields = ("created_at",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("guardian", "learner")

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Allow no erased learner."""
        made = super().get_formset(request, obj, **kwargs)
        learner = made.form.base_fields.get("learner")
        if isinstance(learner, forms.ModelChoiceField) and learner.queryset is not None:
            learner.queryset = learner.queryset.filter(erased_at=None)
        return made


class GuardiansInline(GuardianshipInline):
    fields = ("guardian", "created_at")
    autocomplete_fields = ("guardian",)
    verbose_name = "guardian"
    verbose_name_plural = "Guardians"
    empty = "No guardian is known, so mail about the learner goes to the learner's own address alone."
    empty_help = "Add one here. People who are not among the guardians yet are added under Guardians first."


class LearnersInline(GuardianshipInline):
    fields = ("learner", "created_at")
    autocomplete_fields = ("learner",)
    verbose_name = "learner"
    verbose_name_plural = "Learners"
    empty = "Not the guardian of any learner, so this person gets no mail and sees nothing."
    empty_help = "Add the learners here."


class OtherLearnerForm(MergeReasonForm):
    """The learner who turns out to be this one, named as staff find them on other pages."""

    other = forms.CharField(
        label="The other learner",
        max_length=150,
        help_text="CUID, external id or number of the learner who is merged into this one.",
    )
    field_order = ("other", "reason")
    found: Learner

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if "other" in cleaned:
            try:
                self.found = find_by_reference(workspace_id=self.row.workspace_id, reference=cleaned["other"])
            except Invalid as refusal:
                self.add_error("other", refusal.errors[0].detail)
            else:
                if self.found.pk == self.row.pk:
                    self.add_error("other", "This is the same learner. Name the learner to merge into this one.")
        return cleaned


class KeepNameForm(StaffForm):
    note = forms.CharField(
        label="Why the name stays",
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="For the family.",
    )


class KeepDataForm(StaffForm):
    reason = forms.CharField(
        label="Why the data stays",
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="For the family.",
    )


def waits_for_name(learner: Learner) -> bool:
    return find_waiting(learner) is not None


def preview_name(learner: Learner) -> Preview:
    """Return the name before and after, what is reissued, and who is told."""
    change = find_waiting(learner)
    if change is None:
        return Preview()
    papers = count_papers(learner.pk)
    anew = f"Valid certificates with this name: {papers}. Each is replaced by one with the new name." if papers else ""
    sentences = tuple(filter(None, (f"{change.before} becomes {change.after}.", anew, "Invoices stay as they are.")))
    too = " It is also mailed about each new certificate, unless an integrator informs it." if papers else ""
    return Preview(sentences, mails=f"The family is mailed that the name is changed, if we know its address.{too}")


@admin.register(Learner)
class LearnerAdmin(WorkspaceScopedAdmin):
    add_power = Power.MANAGE
    change_power = Power.MANAGE
    form = LearnerForm
    list_display = ("name", "external_id", "grade_level", "school", "workspace", "created_at")
    list_filter = (("workspace", ScopedRelatedFilter), "created_at")
    list_select_related = ("workspace",)
    search_fields = (
        "cuid__exact",
        "external_id__exact",
        "email__istartswith",
        "first_name__istartswith",
        "last_name__istartswith",
    )
    search_help_text = "Name, email, external id or CUID; also those of a learner who was merged into this one"
    date_hierarchy = "created_at"
    readonly_fields = ("cuid", "created_at", "address_text")
    actions_detail = ("accept_name", "decline_name", "merge_other", "erase", "keep_data")
    inlines = (GuardiansInline,)
    autocomplete_fields = ("user",)
    fieldsets = (
        (None, {"fields": ("workspace", ("first_name", "last_name"), ("email", "phone"), "address_text")}),
        ("School", {"fields": (("grade_level", "school"),)}),
        ("Identity", {"fields": (("external_id", "cuid"), ("user", "created_at"))}),
    )

    @display(description="address")
    def address_text(self, learner: Learner) -> str:
        return in_one_line(learner.address)

    @display(description="learner", ordering="last_name", header=True)
    def name(self, learner: Learner) -> tuple[str, str]:
        return str(learner), learner.email

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).filter(merged_into__isnull=True)

    def find_by_others(self, request: HttpRequest, term: str) -> list[models.Q]:
        """Find by an external id in another spelling, and by the ids of learners who were merged into this one."""
        merged = Learner.objects.filter(models.Q(cuid=term) | models.Q(external_id=term), merged_into__isnull=False)
        found = [key for key in merged.values_list("merged_into", flat=True)[:FOUND_AT_MOST] if key]
        key = external_key(term)
        by_key = [models.Q(external_key=key)] if key else []
        return [*by_key, models.Q(pk__in=found)] if found else by_key

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Deny changes to erased learners: nobody gives them a name or a guardian again."""
        return (obj is None or obj.erased_at is None) and super().has_change_permission(request, obj)

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [] if obj is not None and obj.erased_at else list(super().get_inlines(request, obj))

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponseRedirect:
        """Redirect from a merged learner to the learner who stayed."""
        merged = self._find_merged(request, object_id)
        if merged is None or merged.merged_into is None:
            elsewhere: HttpResponseRedirect = super()._get_obj_does_not_exist_redirect(  # type: ignore[misc]  # Django's
                request, opts, object_id
            )
            return elsewhere
        messages.info(request, f"{merged} was merged into this learner.")
        return HttpResponseRedirect(admin_url(merged.merged_into))

    def _find_merged(self, request: HttpRequest, object_id: str) -> Learner | None:
        number = parse_whole_number(object_id)
        if number is None:
            return None
        return self.limit(Learner.objects.filter(pk=number, merged_into__isnull=False), request).first()

    def save_model(self, request: HttpRequest, obj: Learner, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        before = (form.initial.get("first_name", ""), form.initial.get("last_name", ""))
        if change and before != (obj.first_name, obj.last_name):
            record_renaming(learner=obj, before=before, actor=actor_of(request), now=utc_now())

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Look for twins: a learner added or renamed here may be somebody's twin, just like one from the API."""
        super().save_related(request, form, formsets, change)
        learner = form.instance
        notice_possible_twins(learner=learner)
        for guardian_id in learner.guardianships.values_list("guardian_id", flat=True):
            notice_twins_by_guardian(guardian_id=guardian_id, learner_id=learner.pk)

    @staff_action(
        description="Change the name as asked",
        power=Power.MANAGE,
        possible=waits_for_name,
        form=ConfirmForm,
        preview=lambda learner, form: preview_name(learner),
        explanation="The family asked for it because the name is wrong or has changed. It gets a mail.",
        icon="badge",
    )
    def accept_name(self, request: HttpRequest, learner: Learner, form: StaffForm) -> str:
        reissued = accept_name(learner_id=learner.pk, actor=actor_of(request), now=utc_now())
        return f"The name is changed. Certificates reissued: {reissued}."

    @staff_action(
        description="Leave the name",
        power=Power.MANAGE,
        possible=waits_for_name,
        form=KeepNameForm,
        explanation="The family reads why by mail, and on the page on which it asked.",
        icon="block",
    )
    def decline_name(self, request: HttpRequest, learner: Learner, form: StaffForm) -> str:
        decline_name(learner_id=learner.pk, note=form.cleaned_data["note"], actor=actor_of(request), now=utc_now())
        return "The name stays. The family is told why."

    @staff_action(
        description="Merge another into this one",
        power=Power.MANAGE,
        possible=lambda learner: learner.erased_at is None,
        form=OtherLearnerForm,
        preview=lambda learner, form: preview_merge(learner.pk, form.found.pk),
        explanation="For two learners who are one person. Everything the other one has moves here. You can't undo "
        "this.",
        icon="merge",
    )
    def merge_other(self, request: HttpRequest, learner: Learner, form: StaffForm) -> str:
        assert isinstance(form, OtherLearnerForm)
        return merge(request, keep_id=learner.pk, drop_id=form.found.pk, reason=form.cleaned_data["reason"])

    @staff_action(
        description="Erase",
        power=Power.MANAGE,
        possible=lambda learner: learner.erased_at is None,
        form=EraseForm,
        preview=lambda learner, form: the_eraser().preview(learner),
        explanation=(
            "Permanently deletes everything that is known about them, in every list, file, "
            "and history. You can't undo this."
        ),
        icon="delete_forever",
    )
    def erase(self, request: HttpRequest, learner: Learner, form: StaffForm) -> str:
        return the_eraser().erase(learner, form.cleaned_data["why"], actor_of(request))

    @staff_action(
        description="Decline to erase",
        power=Power.MANAGE,
        possible=lambda learner: the_eraser().is_asked(learner),
        form=KeepDataForm,
        preview=lambda learner, form: the_eraser().preview_declining(learner, form.cleaned_data["reason"]),
        explanation="The family asked for it. It gets a mail that says why the data stays.",
        icon="shield",
    )
    def keep_data(self, request: HttpRequest, learner: Learner, form: StaffForm) -> str:
        the_eraser().decline(learner, form.cleaned_data["reason"], actor_of(request))
        return "The data stays. The family is told why."


@neighbors_of(Learner, early=True)
def family_of_learner(request: HttpRequest, learner: Learner) -> Card:
    """Return whom to write to: guardians with their proven address, and the family's language."""
    guardians = with_proof(Guardian.objects.filter(guardianships__learner=learner)).order_by("pk")
    rows = [
        neighbor(guardian, note=f"{guardian.email or 'No address'}{'' if guardian.is_proven else ', not proven yet'}")
        for guardian in guardians
    ]
    if learner.user is not None:
        language = learner.user.get_language_display() or "not chosen"
        rows.append(Neighbor(title=learner.user, note=f"The learner's own account, language {language}"))
    return Card("Family", rows, empty="No guardian is known. Mails go to the learner's address.")


LINKED_LEARNER = re.compile(r"guardianships-\d+-learner")


class GuardianForm(WorkspaceModelForm):
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors and not cleaned["external_id"] and not cleaned["email"]:
            self.add_error("email", "Give an email or an external id; a guardian is known by at least one of them.")
        return cleaned


@admin.register(Guardian)
class GuardianAdmin(WorkspaceScopedAdmin):
    add_power = Power.MANAGE
    change_power = Power.MANAGE
    form = GuardianForm
    list_display = ("name", "external_id", "access", "children", "workspace", "created_at")
    list_filter = (("workspace", ScopedRelatedFilter), ("email", admin.EmptyFieldListFilter))
    list_select_related = ("workspace",)
    search_fields = ("external_id__exact", "email__istartswith", "first_name__istartswith", "last_name__istartswith")
    search_help_text = "Name, email or external id"
    readonly_fields = ("access", "created_at")
    inlines = (LearnersInline,)
    fieldsets = (
        (
            None,
            {"fields": ("workspace", ("first_name", "last_name"), ("email", "external_id"), ("access", "created_at"))},
        ),
    )
    actions_detail = ("invite",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        guardians = with_proof(super().get_queryset(request))
        counted: models.QuerySet[Any] = guardians.annotate(children_count=models.Count("guardianships"))
        return counted

    def lock_before_saving(self, request: HttpRequest, pk: int | None) -> None:
        """Lock the learners first that are linked on the page, so that none is merged or erased meanwhile."""
        named = [request.POST[name] for name in request.POST if LINKED_LEARNER.fullmatch(name)]
        lock_rows(Learner, *[number for value in named if (number := parse_whole_number(value))])
        super().lock_before_saving(request, pk)

    def save_model(self, request: HttpRequest, obj: Guardian, form: Any, change: bool) -> None:
        """Set the address. An address entered here counts at once, without an invitation, replacing the old one."""
        super().save_model(request, obj, form, change)
        if "email" in form.changed_data:
            set_guardian_address(guardian_id=obj.pk, email=obj.email, now=utc_now())

    @staff_action(
        description="Invite",
        power=Power.MANAGE,
        possible=lambda guardian: not has_proven_address(guardian),
        form=InviteGuardianForm,
        icon="forward_to_inbox",
        explanation=(
            "The recipient confirms the address with a code, sees the children's first "
            "names, and accepts. From then on the address is the guardian's, and they can "
            "follow the children's enrollments."
        ),
        reaches_out=True,
    )
    def invite(self, request: HttpRequest, guardian: Guardian, form: StaffForm) -> str:
        email = form.cleaned_data["email"]
        made = invite_guardian(guardian_id=guardian.pk, email=email, invited_by=staff_of(request), now=utc_now())
        return mail_or_say_why(mail_guardian_invitation, *made)

    @display(description="access")
    def access(self, guardian: Any) -> str:
        if not guardian.email:
            return badge("failed", "No address")
        return badge("completed", "Proven") if guardian.is_proven else badge("pending", "Not confirmed yet")

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        for made in (row for formset in formsets for row in formset.new_objects):
            notice_twins_by_guardian(guardian_id=made.guardian_id, learner_id=made.learner_id)

    @display(description="guardian", ordering="last_name", header=True)
    def name(self, guardian: Guardian) -> tuple[str, str]:
        return str(guardian), guardian.email or ""

    @display(description="learners", ordering="children_count")
    def children(self, guardian: Any) -> int:
        return int(guardian.children_count)


@admin.register(Lead)
class LeadAdmin(WorkspaceScopedAdmin):
    add_power = Power.MANAGE
    change_power = Power.MANAGE
    list_display = ("name", "email", "converted", "workspace", "created_at")
    list_filter = (("workspace", ScopedRelatedFilter), ("converted_to", admin.EmptyFieldListFilter))
    list_select_related = ("workspace", "converted_to")
    search_fields = ("cuid__exact", "email__istartswith", "first_name__istartswith", "last_name__istartswith")
    search_help_text = "Name, email or CUID"
    readonly_fields = ("cuid", "converted", "created_at", "address_text")
    fieldsets = (
        (None, {"fields": ("workspace", ("first_name", "last_name"), ("email", "phone"), "address_text")}),
        ("Identity", {"fields": (("cuid", "created_at"), "converted")}),
    )
    converted = link_column("converted_to", "became learner")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Deny changes to those whose learner was erased, as to the learner."""
        is_erased = obj is not None and obj.converted_to is not None and obj.converted_to.erased_at is not None
        return not is_erased and super().has_change_permission(request, obj)

    @display(description="address")
    def address_text(self, lead: Lead) -> str:
        return in_one_line(lead.address)

    @display(description="lead")
    def name(self, lead: Lead) -> str:
        return str(lead)
