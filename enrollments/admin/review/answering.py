"""What reviewers submit from the desk: an answer, a skip, or the undoing of an answer.

Each is a plain form and leads to the next case; `review.js` adds keyboard shortcuts, but nothing that can't be done
without them.
"""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect

from accounts.roles import Power
from backoffice.actions import NoteForm, StaffForm
from backoffice.auditing.recording import one_deed
from backoffice.scoping import actor_of, staff_of
from core.clock import utc_now
from core.errors import DomainError

from ...models import Enrollment, HeldReview
from ...review.held import hold_review, undo_review
from ...review.inquiries import ask_family
from ...review.line import find_next, in_line
from ...review.presence import leave_case
from ...states import EligibilityStatus
from .addresses import case_address
from .forms import AskForm, LineForm, RejectForm

FORMS: dict[str, type[StaffForm]] = {"approve": NoteForm, "reject": RejectForm, "ask": AskForm}
OUTCOMES = {"approve": EligibilityStatus.APPROVED, "reject": EligibilityStatus.REJECTED}
SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Told:
    """Why the desk is shown again: the invalid form, by name, or the refusal."""

    opened: str = ""
    form: StaffForm | None = None
    refusal: str = ""
    status: int = 200


def form_for(name: str, request: HttpRequest, enrollment: Enrollment, told: Any = None) -> StaffForm:
    """Return the form of an answer, filled in or blank."""
    return FORMS[name](told, request=request, row=enrollment, auto_id=f"{name}_%s")


class Answering:
    """The part of the desk that makes changes."""

    admin_site: Any
    opts: Any
    may: Any
    describe: Any
    log_change: Any
    tell_latest_change: Any

    def show(self, request: HttpRequest, enrollment: Enrollment | None, told: Told) -> HttpResponse:
        raise NotImplementedError

    def answer(self, request: HttpRequest, enrollment: Enrollment) -> HttpResponse:
        """Hold the submitted answer, ask the family, or skip the case; each leads to the next one."""
        if not self.may(request, Power.DECIDE, enrollment):
            raise PermissionDenied
        wanted = request.POST.get("do", "")
        if wanted == SKIP:
            return self._go_on(request, enrollment)
        if wanted not in FORMS:
            return self.show(request, enrollment, Told(refusal="Nothing was decided. Press a button.", status=400))
        form = form_for(wanted, request, enrollment, request.POST)
        if not form.is_valid():
            return self.show(request, enrollment, Told(wanted, form, status=422))
        try:
            with one_deed(request, form):
                _carry_out(request, enrollment, wanted, form.cleaned_data)
                self.log_change(request, enrollment, wanted.capitalize())
        except DomainError as refusal:
            return self.show(request, enrollment, Told(wanted, form, refusal.detail, refusal.status))
        return self._go_on(request, enrollment)

    def undo(self, request: HttpRequest, held_review_id: int) -> HttpResponse:
        """Undo one of the reviewer's own answers and reopen its case."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        known = HeldReview.objects.filter(pk=held_review_id, enrollment__in=self.cases(request).values("pk"))
        review = known.select_related("enrollment__instance", "enrollment__learner", "enrollment__lead").first()
        if review is None:
            raise Http404("There is no such answer.")
        if not self.may(request, Power.DECIDE, review.enrollment):
            raise PermissionDenied
        try:
            with one_deed(request):
                undo_review(held_review_id=review.pk, actor=actor_of(request), now=utc_now())
                self.log_change(request, review.enrollment, "Undo")
        except DomainError as refusal:
            enrollment = self.cases(request).get(pk=review.enrollment_id)
            return self.show(request, enrollment, Told(refusal=refusal.detail, status=refusal.status))
        messages.success(request, f"{self.describe(review.enrollment)}: your answer is undone.")
        return HttpResponseRedirect(case_address(review.enrollment_id, request))

    def line(self, request: HttpRequest, narrowed: LineForm) -> QuerySet[Enrollment]:
        """Return the waiting enrollments that this reviewer may see and has filtered for."""
        return in_line(self.get_queryset(request), **narrowed.chosen)  # type: ignore[attr-defined]

    def cases(self, request: HttpRequest) -> QuerySet[Enrollment]:
        """Return the enrollments that this reviewer may see, with everything a case shows."""
        rows: QuerySet[Enrollment] = self.get_queryset(request)  # type: ignore[attr-defined]
        return rows.select_related("learner", "lead", "instance__program", "workspace")

    def _go_on(self, request: HttpRequest, enrollment: Enrollment) -> HttpResponse:
        """Redirect to the case that follows this one in its line, or to the desk if there is none."""
        user_id = staff_of(request).pk
        leave_case(user_id=user_id)
        line = self.line(request, LineForm(request.GET, request=request))
        after = find_next(line, after=enrollment, user_id=user_id, now=utc_now())
        return HttpResponseRedirect(case_address(after, request))


def _carry_out(request: HttpRequest, enrollment: Enrollment, wanted: str, told: dict[str, Any]) -> None:
    known: dict[str, Any] = {"enrollment_id": enrollment.pk, "actor": actor_of(request), "now": utc_now()}
    if wanted == "ask":
        ask_family(**known, question=told["question"])
        messages.success(request, f"{enrollment.person}, {enrollment.instance}: the family is asked.")
    else:
        hold_review(**known, outcome=OUTCOMES[wanted], reason=told.get("reason", ""), note=told["note"])
