"""Enrolling in a cohort, finding out the result of a payment, and the waiting list."""

from typing import Any

from django.conf import settings
from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.families import learners_of
from billing.discounts import refuse_guessing
from core.clock import utc_now
from core.errors import invalid_field
from core.http.idempotency import AlreadyAnswered, claim_for, idempotent, replay

from ..errors import NotInLine
from ..family import waiting_entries
from ..models import Cohort, WaitlistEntry
from ..queries import get_cohort
from ..sale.checkout import default_cancel_url, default_success_url
from ..sale.enroll import enroll, wait_in_line
from ..sale.participants import Participant
from ..sale.purchase import find_package
from ..sale.waitlist import leave_waitlist
from .examples import CHECKOUT, ENROLL, ENROLL_CHILD
from .serializers.enrolling import (
    BoughtSerializer,
    CheckoutSerializer,
    EnrollBody,
    LearnerQuery,
    ParticipantBody,
    ProcessingSerializer,
    WaitlistEntrySerializer,
)
from .students import StudentView, user_of

TAGS = ["Courses"]


class EnrollView(StudentView):
    """Hold a place and open its payment page; a repeated request returns the page that is open."""

    @extend_schema(
        tags=TAGS,
        operation_id="enroll_in_cohort",
        description=(
            "Hold a place and open its payment page; asking again returns the page that is "
            "open. With a `voucher` that covers the full price, the place is taken at once: "
            "the answer has a package and no session.\n\nRefused with 400: "
            "`cohort_not_active`, `cohort_full`, `deadline_passed`, `not_for_sale`; 403 "
            "`course_not_active`; 404; 409 `already_owned`, `payment_on_its_way` (a bank "
            "debit takes days), `too_many_places_held` (pay for one or give it back), "
            "`voucher_too_late` (a payment page without this code is open); 422 "
            "`ineligible`, `learner_name_missing`, `voucher_not_accepted`; 429 "
            "`too_many_codes`; 503 `payment_provider_down`, after which the same request "
            "continues."
        ),
        request=EnrollBody,
        responses=CheckoutSerializer,
        examples=[ENROLL, ENROLL_CHILD, CHECKOUT],
    )
    def post(self, request: Request, code: str, cohort_id: int) -> Response:
        body = EnrollBody(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        user = user_of(request)
        voucher = asked.get("voucher", "")
        try:
            with refuse_guessing(request, principal=f"user:{user.pk}", code=voucher):
                answer = enroll(
                    user=user,
                    participant=_participant(asked),
                    course_code=code,
                    cohort_id=cohort_id,
                    success_url=asked.get("successUrl") or default_success_url(),
                    cancel_url=asked.get("cancelUrl") or default_cancel_url(code),
                    voucher=voucher,
                    package_url=_page_of_package,
                    claim=claim_for(request),
                    now=utc_now(),
                )
        except AlreadyAnswered as stored:
            return replay(stored)
        return Response(answer)


class SessionView(StudentView):
    """The package that a payment bought."""

    @extend_schema(
        tags=TAGS,
        operation_id="get_enrollment_session",
        description=(
            "The package that a payment bought. If Stripe's event has not arrived yet, "
            "Stripe is asked; 202 while the money is on its way. 409 when there will be no "
            "package: `place_lost`, `already_owned`, `refunded`, `enrollment_ended`, "
            "`payment_failed`, `checkout_expired`, `checkout_cancelled`. 403 "
            "`not_your_payment`: another student's."
        ),
        responses={
            200: BoughtSerializer,
            202: OpenApiResponse(ProcessingSerializer, "Ask again in a moment"),
            409: None,  # a problem
        },
    )
    def get(self, request: Request, session_id: str) -> Response:
        package = find_package(user=user_of(request), session_id=session_id, now=utc_now())
        if package is None:
            return Response({"status": "processing"}, status=status.HTTP_202_ACCEPTED)
        return Response({"packageId": package.pk})


class WaitlistView(StudentView):
    """The waiting list of a full cohort."""

    @extend_schema(tags=TAGS, operation_id="get_waitlist_position", responses=WaitlistEntrySerializer(many=True))
    def get(self, request: Request, code: str, cohort_id: int) -> Response:
        """Return your learners' positions in line; empty if none is waiting."""
        cohort = get_cohort(course_code=code, cohort_id=cohort_id)
        entries = waiting_entries(user=user_of(request)).filter(cohort=cohort)
        return Response(WaitlistEntrySerializer(entries, many=True).data)

    @extend_schema(
        tags=TAGS,
        operation_id="join_waitlist",
        request=ParticipantBody,
        examples=[ENROLL, ENROLL_CHILD],
        responses={201: WaitlistEntrySerializer},
    )
    @idempotent
    def post(self, request: Request, code: str, cohort_id: int) -> Response:
        """Join the end of the line. When a place becomes free, it is held for the next in line for a while."""
        body = ParticipantBody(data=request.data)
        body.is_valid(raise_exception=True)
        user = user_of(request)
        cohort = get_cohort(course_code=code, cohort_id=cohort_id)
        joined = wait_in_line(user=user, who=_participant(body.validated_data), cohort=cohort, now=utc_now())
        entry = waiting_entries(user=user).get(pk=joined.pk)
        return Response(WaitlistEntrySerializer(entry).data, status=status.HTTP_201_CREATED)

    @extend_schema(tags=TAGS, operation_id="leave_waitlist", parameters=[LearnerQuery], responses={204: None})
    def delete(self, request: Request, code: str, cohort_id: int) -> Response:
        """Leave the line, or decline the place on offer."""
        learner_cuid = LearnerQuery.read(request).get("learnerId")
        cohort = get_cohort(course_code=code, cohort_id=cohort_id)
        entry = _own_entry(request, cohort, learner_cuid)
        leave_waitlist(learner_id=entry.learner_id, cohort_id=cohort.pk, now=utc_now())
        return Response(status=status.HTTP_204_NO_CONTENT)


def _page_of_package(package_id: int) -> str:
    return f"{settings.PUBLIC_URL}{reverse('course-book', args=[package_id])}"


def _participant(asked: dict[str, Any]) -> Participant:
    return Participant(
        cuid=asked.get("learnerId"), first_name=asked.get("firstName", ""), last_name=asked.get("lastName", "")
    )


def _own_entry(request: Request, cohort: Cohort, learner_cuid: str | None) -> WaitlistEntry:
    user = user_of(request)
    entries = waiting_entries(user=user).filter(cohort=cohort)
    if learner_cuid:
        entries = entries.filter(learner__in=learners_of(user).known_as(learner_cuid).values("pk"))
    mine = list(entries)
    if not mine:
        raise NotInLine("You are not on this waiting list.")
    if len(mine) > 1:
        raise invalid_field("learnerId", "required", "Several of your learners are in line; say which one leaves.")
    return mine[0]
