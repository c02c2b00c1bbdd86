"""The guided page to set up a program with criteria, form, price, and seats, with a preview of what families see."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.models import Workspace
from backoffice.auditing.recording import one_deed
from backoffice.display import admin_url, list_url
from backoffice.guided import GuidedPage, guided_url
from backoffice.scoping import actor_of
from core.clock import utc_now
from core.rehearsal import rehearse

from ..application.questions import list_asked
from ..apply_forms import ApplyForm
from ..eligibility.criteria import CriterionDraft, as_draft, list_criteria
from ..eligibility.trial import Trial, try_criteria
from ..errors import ProgramExists
from ..models import Program, ProgramInstance
from ..program_setup import ProgramPlan, set_up_program
from .program_form import ABOUT, MONEY, TERM, ProgramForm, ProgramTexts

TRIED_AT_MOST = 500  # the newest ones, since a person is waiting for the page


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What creating the program would produce."""

    facts: tuple[tuple[str, str], ...]
    criteria: tuple[CriterionDraft, ...]
    tried: int
    outcomes: tuple[tuple[str, int], ...]
    page: str  # the public form as families will see it; empty if there is none


def program_setup_url(**query: object) -> str:
    return guided_url("admin:enrollments_program_setup", **query)


class ProgramPage(GuidedPage):
    """The page and its buttons."""

    noun = "program"
    template = "admin/enrollments/program.html"
    fields_of = {ProgramExists: "code"}

    def address(self, **query: object) -> str:
        return program_setup_url(**query)

    def begin(self, workspace: Workspace) -> ProgramTexts:
        return ProgramTexts.blank(workspace)

    def read(self, workspace: Workspace) -> ProgramTexts:
        return ProgramTexts.read(workspace, self.request.POST)

    def change(self, texts: ProgramTexts, verb: str, name: str, number: int) -> bool:
        texts.change(verb, name, number)
        return False

    def ask(self, workspace: Workspace, texts: ProgramTexts, *, is_sent: bool = False) -> ProgramForm:
        data = (self.request.POST,) if is_sent else ()
        return ProgramForm(*data, texts=texts, request=self.request, row=workspace)

    def foresee(self, workspace: Workspace, plan: ProgramPlan) -> Foreseen:
        now = utc_now()
        actor = actor_of(self.request)
        return rehearse(
            lambda: set_up_program(workspace_id=workspace.pk, plan=plan, actor=actor, now=now),
            look=lambda instance: _look(self.request, plan, instance, now),
        )

    def create(self, workspace: Workspace, plan: ProgramPlan) -> HttpResponse:
        request = self.request
        site = self.model_admin.admin_site
        with one_deed(request):
            instance = set_up_program(workspace_id=workspace.pk, plan=plan, actor=actor_of(request), now=utc_now())
            site.get_model_admin(Program).log_addition(request, instance.program, f"Set up with {instance}")
            site.get_model_admin(ProgramInstance).log_addition(request, instance, "Set up with its program")
        messages.success(request, f"{instance.full_title} is set up.")
        return HttpResponseRedirect(admin_url(instance))

    def describe(self, form: ProgramForm) -> dict[str, Any]:
        return {
            "about_fields": [form[name] for name in ABOUT],
            "term_fields": [form[name] for name in TERM],
            "money_fields": [form[name] for name in MONEY],
            "districts": form.districts,
            "may_add": {name: not rows.is_full for name, rows in form.texts.lists.items()},
            "cancel_url": list_url(Program),
        }


def _look(request: HttpRequest, plan: ProgramPlan, instance: ProgramInstance, now: dt.datetime) -> Foreseen:
    criteria = [as_draft(each) for each in list_criteria(instance.pk, instance.criteria_version)]
    trial = try_criteria(instance=instance, drafts=criteria, among_workspace=True, at_most=TRIED_AT_MOST, now=now)
    address = reverse("apply", args=[instance.program.code, instance.cuid]) if plan.takes_applications else ""
    seats = sum(each.total for each in plan.seats)
    return Foreseen(
        facts=(
            ("Program", f"{instance.full_title} ({instance.program.code})"),
            ("Form", "has a public address, shown on the program instance's page" if address else "none"),
            ("Who decides", "staff" if instance.review_mode == "manual" else "approved by itself"),
            ("Places", f"{instance.capacity:,}" if instance.capacity else "no limit"),
            ("Price", str(plan.price) if plan.price else "free"),
            ("District seats", f"{seats:,}" if seats else "none of its own"),
        ),
        criteria=tuple(criteria),
        tried=trial.tried,
        outcomes=_outcomes(trial),
        page=_public_form(request, instance) if address else "",
    )


def _outcomes(trial: Trial) -> tuple[tuple[str, int], ...]:
    words = {
        "eligible": "would be eligible",
        "ineligible": "would not",
        "undecided": "have not given the information it needs",
    }
    return tuple((words.get(name, name), count) for name, count in trial.counts.items() if count)


def _public_form(request: HttpRequest, instance: ProgramInstance) -> str:
    """Return the form as an anonymous visitor sees it."""
    form = ApplyForm(questions=list_asked(instance_id=instance.pk))
    context = {"instance": instance, "form": form, "is_preview": False, "refusal": None}
    visitor = {"user": AnonymousUser(), "messages": ()}
    return render_to_string("admin/enrollments/apply_picture.html", {**context, **visitor}, request=request)
