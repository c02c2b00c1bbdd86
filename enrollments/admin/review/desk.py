"""The reviewers' desk: the line at one side, one case at the other, and the next one by itself after each decision.

Every answer is a plain form; `review.js` adds keys and nothing that can't be done without them.
"""

import datetime as dt
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts.roles import Power
from backoffice.actions import NoteForm, StaffForm
from backoffice.scoping import CappedPaginator, access_of, actor_of
from core.clock import utc_now
from core.errors import DomainError
from core.numbers import parse_whole_number

from ...latest import tell_duration
from ...lifecycle import approve_enrollment, reject_enrollment
from ...models import Enrollment
from ...queries import awaiting_review
from ...review.line import find_neighbors, in_line, tell_waiting
from ...states import EligibilityStatus
from .case import Case, build_case
from .forms import LineForm, RejectForm

ON_PAGE = 25
DESK = "admin:enrollments_enrollment_review"
CASE = "admin:enrollments_enrollment_review_case"
FORMS: dict[str, type[StaffForm]] = {"approve": NoteForm, "reject": RejectForm}
KEPT = ("q", "program", "district")  # of the address, from case to case


class ReviewDesk:
    """The desk's pages among those of enrollments."""

    admin_site: Any
    opts: Any

    def get_urls(self) -> list[URLPattern]:
        desk = self.admin_site.admin_view(self.show_desk)
        case = self.admin_site.admin_view(self.show_case)
        return [
            path("review/", desk, name="enrollments_enrollment_review"),
            path("review/<number:enrollment_id>/", case, name="enrollments_enrollment_review_case"),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def show_desk(self, request: HttpRequest) -> HttpResponse:
        """The line, with the first case of its page."""
        return self._answer(request, None)

    def show_case(self, request: HttpRequest, enrollment_id: int) -> HttpResponse:
        """One case; a decision or a skip leads to the next."""
        enrollment = self._cases(request).filter(pk=enrollment_id).first()
        if enrollment is None:
            raise Http404("There is no such enrollment.")
        if request.method != "POST":
            return self._answer(request, enrollment)
        if not self.may(request, Power.DECIDE, enrollment):  # type: ignore[attr-defined]
            raise PermissionDenied
        return self._act(request, enrollment)

    def _act(self, request: HttpRequest, enrollment: Enrollment) -> HttpResponse:
        wanted = request.POST.get("do")
        if wanted == "skip":
            return self._go_on(request, enrollment)
        if wanted not in FORMS:
            refusal = "Nothing was decided: press one of the buttons."
            return self._answer(request, enrollment, refusal=refusal, status=400)
        form = _form(wanted, request, enrollment, request.POST)
        if not form.is_valid():
            return self._answer(request, enrollment, form=form, status=422)
        try:
            _decide(request, enrollment, form, wanted, utc_now())
        except DomainError as refusal:
            return self._answer(request, enrollment, form=form, refusal=refusal.detail, status=refusal.status)
        self.log_change(request, enrollment, wanted.capitalize())  # type: ignore[attr-defined]
        done = {"approve": "approved", "reject": "rejected"}[wanted]
        messages.success(request, f"{self.describe(enrollment)}: {done}.")  # type: ignore[attr-defined]
        return self._go_on(request, enrollment)

    def _go_on(self, request: HttpRequest, enrollment: Enrollment) -> HttpResponse:
        """To the next case of the line that this one stands in, or to the desk when there is none."""
        after, _ = find_neighbors(self._line(request, LineForm(request.GET, request=request)), enrollment.pk)
        return HttpResponseRedirect(_address(after, request))

    def _answer(
        self,
        request: HttpRequest,
        enrollment: Enrollment | None,
        *,
        form: StaffForm | None = None,
        refusal: str = "",
        status: int = 200,
    ) -> HttpResponse:
        now = utc_now()
        narrowed = LineForm(request.GET, request=request)
        line = self._line(request, narrowed)
        page = _page_of(line, enrollment, request)
        shown = list(page.object_list)
        if enrollment is None and shown:
            enrollment = self._cases(request).filter(pk=shown[0].pk).first()
        case = self._case(request, enrollment, form, now)
        after, before = find_neighbors(line, enrollment.pk) if enrollment else (None, None)
        context = {
            **self.admin_site.each_context(request),
            "title": "Review",
            "opts": self.opts,
            "narrowed": narrowed,
            "is_narrowed": any(request.GET.get(name) for name in KEPT),
            "rows": [
                (each, tell_duration(now - each.since) or "just now", _address(each.enrollment.pk, request))
                for each in tell_waiting(shown)
            ],
            "page": page,
            "earlier_url": _page_address(page.previous_page_number(), request) if page.has_previous() else "",
            "later_url": _page_address(page.next_page_number(), request) if page.has_next() else "",
            "names_workspaces": access_of(request).everywhere or len(access_of(request).powers) > 1,
            "case": case,
            "gone": "" if case or enrollment is None else self._tell_gone(enrollment),
            "open_id": enrollment.pk if enrollment else None,
            "may_decide": enrollment is not None and self.may(request, Power.DECIDE, enrollment),  # type: ignore[attr-defined]
            "opened": next((name for name, known in FORMS.items() if type(form) is known), ""),
            "refusal": refusal,
            "here": _address(enrollment.pk, request) if enrollment else "",
            "next_url": _address(after, request) if after else "",
            "previous_url": _address(before, request) if before else "",
            "desk_url": reverse(DESK),
            "list_url": f"{reverse('admin:enrollments_enrollment_changelist')}?waiting=review",
        }
        return TemplateResponse(request, "admin/enrollments/review.html", context, status=status)

    def _case(
        self, request: HttpRequest, enrollment: Enrollment | None, form: StaffForm | None, now: dt.datetime
    ) -> Case | None:
        """None for one that waits no longer."""
        if enrollment is None or not awaiting_review(Enrollment.objects.filter(pk=enrollment.pk)).exists():
            return None
        forms: dict[str, Any] = {
            name: form if type(form) is form_class else _form(name, request, enrollment)
            for name, form_class in FORMS.items()
        }
        return build_case(request, enrollment, **forms, now=now)

    def _tell_gone(self, enrollment: Enrollment) -> str:
        latest = self.tell_latest_change(enrollment)  # type: ignore[attr-defined]
        return f"{self.describe(enrollment)} no longer waits for a reviewer. {latest}".strip()  # type: ignore[attr-defined]

    def _line(self, request: HttpRequest, narrowed: LineForm) -> QuerySet[Enrollment]:
        return in_line(self.get_queryset(request), **narrowed.chosen)  # type: ignore[attr-defined]

    def _cases(self, request: HttpRequest) -> QuerySet[Enrollment]:
        rows: QuerySet[Enrollment] = self.get_queryset(request)  # type: ignore[attr-defined]
        return rows.select_related("learner", "lead", "instance__program", "workspace")


def _form(name: str, request: HttpRequest, enrollment: Enrollment, told: Any = None) -> StaffForm:
    return FORMS[name](told, request=request, row=enrollment, auto_id=f"{name}_%s")


def _decide(request: HttpRequest, enrollment: Enrollment, form: StaffForm, wanted: str, now: dt.datetime) -> None:
    told = form.cleaned_data
    use_case = {"approve": approve_enrollment, "reject": reject_enrollment}[wanted]
    use_case(
        enrollment_id=enrollment.pk,
        actor=actor_of(request),
        reason=told.get("reason", ""),
        note=told["note"],
        expected_status=EligibilityStatus.SUBMITTED,
        now=now,
    )


def _page_of(line: QuerySet[Enrollment], opened: Enrollment | None, request: HttpRequest) -> Any:
    """The page that the address names; for an open case the one that it stands on."""
    rows = line.select_related("learner", "lead", "instance__program", "workspace")
    paginator: Paginator = CappedPaginator(rows, ON_PAGE)
    if opened is None:
        return paginator.get_page(parse_whole_number(request.GET.get("page", "")) or 1)
    ahead = line.filter(pk__lt=opened.pk).order_by()[: paginator.count].count()
    return paginator.get_page(ahead // ON_PAGE + 1)


def _kept(request: HttpRequest) -> dict[str, str]:
    return {name: request.GET[name] for name in KEPT if request.GET.get(name)}


def _address(enrollment_id: int | None, request: HttpRequest) -> str:
    """A case in the same line; the desk without one."""
    address = reverse(CASE, args=[enrollment_id]) if enrollment_id is not None else reverse(DESK)
    return f"{address}?{urlencode(kept)}" if (kept := _kept(request)) else address


def _page_address(number: int, request: HttpRequest) -> str:
    return f"{reverse(DESK)}?{urlencode(_kept(request) | {'page': str(number)})}"
