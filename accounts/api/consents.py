"""What families agreed to, for integrators: read it, and report what somebody signed in another system."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.clock import utc_now
from core.http.fields import EmailTextField, TextField, WholeNumberField
from core.http.idempotency import idempotent
from core.http.pagination import PageQuery, array_page
from core.http.query import MomentField, StrictFilterSet, TextFilter
from core.numbers import MAX_INT

from ..consents import Signature, Withdrawal, list_consents, report_consent, report_withdrawal
from ..models import Consent
from ..principals import principal_of
from .examples import REPORT_CONSENT, WITHDRAW_CONSENT

TAGS = ["People"]


class ConsentFilter(StrictFilterSet):
    """The filters for consents."""

    purpose = TextFilter()
    email = TextFilter(field_name="address")

    class Meta:
        model = Consent
        fields: list[str] = []


class ConsentBody(serializers.Serializer[Any]):
    purpose = TextField(max_length=40, help_text="The purpose of the text, such as photos.")
    version = WholeNumberField(min_value=1, max_value=MAX_INT, help_text="The version of the text that was signed.")
    email = EmailTextField(help_text="The address of the person who signed.")
    signedAt = MomentField(
        help_text="When they signed, not in the future. The version must have been in force by then."
    )
    evidence = TextField(
        max_length=200, help_text="Where you keep the proof, such as the id of the signed document in your system."
    )


class WithdrawalBody(serializers.Serializer[Any]):
    withdrawnAt = MomentField(help_text="When they withdrew it: not before they gave it, and not in the future.")
    evidence = TextField(
        max_length=200, help_text="Where you keep the proof, such as the id of the letter in your system."
    )


class ConsentSerializer(serializers.ModelSerializer[Consent]):
    version = serializers.IntegerField(source="text.version")
    title = serializers.CharField(source="text.title")
    email = serializers.CharField(source="address")
    givenAt = serializers.DateTimeField(source="given_at")
    reportedAt = serializers.DateTimeField(
        source="reported_at", allow_null=True, help_text="When another system reported it."
    )
    recordedBy = serializers.CharField(source="recorded_by")
    endedAt = serializers.DateTimeField(source="ended_at", allow_null=True)
    end = serializers.CharField(help_text="Empty while the consent holds, then withdrawn or replaced.")
    endedBy = serializers.CharField(source="ended_by")
    endReportedAt = serializers.DateTimeField(
        source="end_reported_at", allow_null=True, help_text="When another system reported the withdrawal."
    )
    endEvidence = serializers.CharField(source="end_evidence")

    class Meta:
        model = Consent
        fields = (
            "id",
            "purpose",
            "version",
            "title",
            "email",
            "way",
            "evidence",
            "givenAt",
            "reportedAt",
            "recordedBy",
            "endedAt",
            "end",
            "endedBy",
            "endReportedAt",
            "endEvidence",
        )


class ConsentListView(GenericAPIView[Consent]):
    """The consents about one learner, newest first, including those that were withdrawn or replaced."""

    required_scopes = {"GET": "learners:read", "POST": "learners:write"}
    queryset = Consent.objects.none()  # tells the OpenAPI document the model
    filterset_class = ConsentFilter
    serializer_class = ConsentSerializer

    def get_queryset(self) -> QuerySet[Consent]:
        caller = principal_of(self.request)
        consents = list_consents(workspace_id=caller.workspace_id, learner_cuid=self.kwargs["learner_id"])
        return consents.order_by("-pk")

    @extend_schema(
        tags=TAGS, operation_id="list_consents", parameters=[PageQuery], responses=ConsentSerializer(many=True)
    )
    def get(self, request: Request, learner_id: str) -> Response:
        return array_page(request, self.filter_queryset(self.get_queryset()), ConsentSerializer)

    @extend_schema(
        tags=TAGS,
        operation_id="report_consent",
        request=ConsentBody,
        responses={200: ConsentSerializer, 201: ConsentSerializer},
        examples=[REPORT_CONSENT],
    )
    @idempotent
    def post(self, request: Request, learner_id: str) -> Response:
        """Record that somebody agreed to a version of a text in your system, on your word, with your evidence.

        200 with the consent that holds if the same address already agreed to this version or a newer one. 409
        `consent_withdrawn_since` if they withdrew their consent after this signature: only a later signature counts.
        """
        body = ConsentBody(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        caller = principal_of(request)
        consent, is_new = report_consent(
            workspace_id=caller.workspace_id,
            learner_cuid=learner_id,
            purpose=given["purpose"],
            version=given["version"],
            address=given["email"],
            signature=Signature(signed_at=given["signedAt"], evidence=given["evidence"]),
            actor=caller.actor,
            now=utc_now(),
        )
        return Response(
            ConsentSerializer(consent).data, status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        )


class ConsentWithdrawalView(APIView):
    """A withdrawal of one consent."""

    required_scopes = {"POST": "learners:write"}

    @extend_schema(
        tags=TAGS,
        operation_id="withdraw_consent",
        request=WithdrawalBody,
        responses=ConsentSerializer,
        examples=[WITHDRAW_CONSENT],
    )
    @idempotent
    def post(self, request: Request, learner_id: str, consent_id: int) -> Response:
        """Record that somebody withdrew this consent in your system, on your word, with your evidence.

        It ends at `withdrawnAt`, as if they had withdrawn it on their page: a required consent becomes a task for
        staff. A consent that was withdrawn before stays as it is. 409 `consent_over` if the same address has agreed to
        another version since: withdraw that consent instead.
        """
        body = WithdrawalBody(data=request.data)
        body.is_valid(raise_exception=True)
        caller = principal_of(request)
        consent = report_withdrawal(
            workspace_id=caller.workspace_id,
            learner_cuid=learner_id,
            consent_id=consent_id,
            withdrawal=Withdrawal(body.validated_data["withdrawnAt"], body.validated_data["evidence"]),
            actor=caller.actor,
            now=utc_now(),
        )
        return Response(ConsentSerializer(consent).data)
