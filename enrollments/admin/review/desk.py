"""The reviewers' desk: the line on one side and one case on the other; after each answer the next case opens."""

import datetime as dt
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts.roles import Power
from backoffice.scoping import CappedPaginator, access_of, staff_of
from core.clock import utc_now
from core.numbers import parse_whole_number

from ...latest import tell_duration
from ...models import Enrollment
from ...queries import undecided
from ...review.held import held_reviews, tell_held
from ...review.line import ahead_of, find_next, find_previous, tell_waiting
from ...review.presence import name_who_look, open_case
from .addresses import CASE, DESK, UNDO, case_address, is_narrowed, page_address
from .answering import FORMS, Answering, Told, form_for
from .case import Case, build_case
from .forms import FAMILY, LineForm
from .notices import held_notices, refused_notices

ON_PAGE = 25


class ReviewDesk(Answering):
    """The desk's pages within the enrollment admin."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("review/", view(self.show_desk), name=DESK),
            path("review/<number:enrollment_id>/", view(self.show_case), name=CASE),
            path("review/held/<number:held_review_id>/undo/", view(self.undo), name=UNDO),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def show_desk(self, request: HttpRequest) -> HttpResponse:
        """Show the line, with the first case of its page that nobody else has open."""
        if not self.may(request, Power.VIEW):
            raise PermissionDenied
        return self.show(request, None, Told())

    def show_case(self, request: HttpRequest, enrollment_id: int) -> HttpResponse:
        """Show one case; an answer or a skip leads to the next."""
        enrollment = self.cases(request).filter(pk=enrollment_id).first()
        if enrollment is None:
            raise Http404("There is no such enrollment.")
        if request.method != "POST":
            return self.show(request, enrollment, Told())
        return self.answer(request, enrollment)

    def show(self, request: HttpRequest, enrollment: Enrollment | None, told: Told) -> HttpResponse:
        """Show the desk with this case, or with the first one of the page."""
        now = utc_now()
        user_id = staff_of(request).pk
        narrowed = LineForm(request.GET, request=request)
        line = self.line(request, narrowed)
        page = _page_of(line, enrollment, request)
        shown = list(page.object_list)
        looking = name_who_look([each.pk for each in shown], user_id=user_id, now=now)
        if enrollment is None and shown:
            first = next((each for each in shown if each.pk not in looking), shown[0])
            enrollment = self.cases(request).filter(pk=first.pk).first()
        waits = enrollment is not None and _waits(enrollment)
        may_decide = enrollment is not None and self.may(request, Power.DECIDE, enrollment)
        if enrollment is not None and waits and may_decide:
            open_case(user_id=user_id, enrollment_id=enrollment.pk, now=now)
        context = {
            **self.admin_site.each_context(request),
            "title": "Review queue",
            "model_admin": self,
            "narrowed": narrowed,
            "is_narrowed": is_narrowed(request),
            "is_for_families": narrowed.chosen["is_for_families"],
            "rows": [
                (
                    each,
                    tell_duration(now - each.since) or "just now",
                    case_address(each.enrollment.pk, request),
                    ", ".join(looking.get(each.enrollment.pk, ())),
                )
                for each in tell_waiting(shown)
            ],
            "page": page,
            "earlier_url": page_address(page.previous_page_number(), request) if page.has_previous() else "",
            "later_url": page_address(page.next_page_number(), request) if page.has_next() else "",
            "names_workspaces": access_of(request).everywhere or len(access_of(request).powers) > 1,
            "case": self._case(request, enrollment, told, now) if enrollment is not None and waits else None,
            "gone": "" if waits or enrollment is None else self._tell_gone(enrollment),
            "looking": ", ".join(looking.get(enrollment.pk, ())) if enrollment is not None else "",
            "open_id": enrollment.pk if enrollment else None,
            "may_decide": may_decide,
            "opened": told.opened,
            "refusal": told.refusal,
            "held": held_notices(request),
            "refused": refused_notices(request),
            **self._ways(request, line, enrollment, now),
        }
        return TemplateResponse(request, "admin/enrollments/review.html", context, status=told.status)

    def _ways(
        self, request: HttpRequest, line: QuerySet[Enrollment], enrollment: Enrollment | None, now: dt.datetime
    ) -> dict[str, str]:
        """Return the links to other pages and cases."""
        lists = reverse("admin:enrollments_enrollment_changelist")
        desk = reverse(f"admin:{DESK}")
        ways = {"desk_url": desk, "families_url": f"{desk}?waits={FAMILY}", "list_url": f"{lists}?waiting=review"}
        if enrollment is None:
            return ways | {"here": "", "next_url": "", "previous_url": ""}
        after = find_next(line, after=enrollment, user_id=staff_of(request).pk, now=now)
        before = find_previous(line, before=enrollment)
        return ways | {
            "here": case_address(enrollment.pk, request),
            "next_url": case_address(after, request) if after else "",
            "previous_url": case_address(before, request) if before else "",
        }

    def _case(self, request: HttpRequest, enrollment: Enrollment, told: Told, now: dt.datetime) -> Case:
        forms: dict[str, Any] = {
            name: told.form if told.opened == name else form_for(name, request, enrollment) for name in FORMS
        }
        return build_case(request, enrollment, **forms, now=now)

    def _tell_gone(self, enrollment: Enrollment) -> str:
        """Say why this is no longer a case."""
        held = held_reviews().filter(enrollment=enrollment).first()
        told = tell_held(held) if held is not None else self.tell_latest_change(enrollment)
        return f"{self.describe(enrollment)} no longer waits for a reviewer. {told}".strip()


def _waits(enrollment: Enrollment) -> bool:
    """Return whether the enrollment can be decided, even if the family has been asked a question."""
    known = undecided(Enrollment.objects.filter(pk=enrollment.pk))
    return bool(known.exclude(pk__in=held_reviews().values("enrollment")).exists())


def _page_of(line: QuerySet[Enrollment], opened: Enrollment | None, request: HttpRequest) -> Any:
    """Return the page that the URL names, or for an open case the page that contains it."""
    rows = line.select_related("learner", "lead", "instance__program", "workspace")
    paginator: Paginator = CappedPaginator(rows, ON_PAGE)
    if opened is None:
        return paginator.get_page(parse_whole_number(request.GET.get("page", "")) or 1)
    ahead = ahead_of(line, opened).order_by()[: paginator.count].count()
    return paginator.get_page(ahead // ON_PAGE + 1)
