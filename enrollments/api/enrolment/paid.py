"""Recording that an enrolment was paid outside of Stripe: parse, call the use case, render."""

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import principal_of
from billing.offline import Proof
from billing.states import OfflineMeans
from core.clock import utc_now

from ...enrolments import get_enrolment
from ...offline import pay_offline
from .enrolments import TAGS, enrolment_document
from .examples import PAID, PAY
from .serializers import EnrolmentSerializer, PaidBody


class PaidEnrolmentView(APIView):
    """Payments made outside of Stripe."""

    required_scopes = {"PATCH": "payments:write"}

    @extend_schema(
        tags=TAGS,
        operation_id="mark_enrolment_paid",
        request=PaidBody,
        responses={200: EnrolmentSerializer, 404: OpenApiResponse(description="No such enrolment")},
        examples=[PAY, PAID],
    )
    def patch(self, request: Request) -> Response:
        """Mark an enrolment as paid, at the price of its course; its invoice exists by the time of the response.

        An open payment page is ended at Stripe first: 409 `payment_on_its_way` while a bank is moving the money, and
        503 while Stripe does not respond. 409 `already_paid`, `nothing_to_pay`, or `enrollment_over` change nothing.
        """
        body = PaidBody(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        caller = principal_of(request)
        now = utc_now()
        found = get_enrolment(workspace_id=caller.workspace_id, number=given["enrolment_id"])
        pay_offline(
            enrollment_id=found.pk,
            proof=Proof(
                means=OfflineMeans(given.get("method") or OfflineMeans.OTHER),
                actor=caller.actor,
                reference=given.get("reference") or "",
                amount_minor=given.get("amount_minor"),
                currency=given.get("currency"),
            ),
            now=now,
        )
        paid = get_enrolment(workspace_id=caller.workspace_id, number=found.pk)
        return Response(enrolment_document(paid, now=now))
