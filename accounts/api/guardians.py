"""Guardians for integrators: their names, their contact details, and the learners they answer for."""

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.clock import utc_now
from core.errors import NotFound
from core.http.idempotency import AlreadyAnswered, claim_for, idempotent, replay
from core.http.pagination import PageQuery, array_page

from ..guardian_invitations import invite_or_renew, mail_guardian_invitation
from ..guardian_records import change_guardian, get_guardian, list_guardians, register_guardian
from ..invitation_links import OPEN, revoke_invitation
from ..models import Guardian, GuardianInvitation
from ..principals import principal_of
from .examples import CHANGE_GUARDIAN, INVITE_GUARDIAN, REGISTER_GUARDIAN
from .serializers import (
    GuardianBody,
    GuardianFilter,
    GuardianSerializer,
    InvitationBody,
    InvitationSerializer,
    NewGuardianBody,
)

TAGS = ["People"]


class GuardianListView(GenericAPIView[Guardian]):
    """Guardians, newest first."""

    required_scopes = {"GET": "learners:read", "POST": "learners:write"}
    queryset = Guardian.objects.none()  # tells the OpenAPI document the model
    filterset_class = GuardianFilter
    serializer_class = GuardianSerializer

    def get_queryset(self) -> QuerySet[Guardian]:
        return list_guardians(workspace_id=principal_of(self.request).workspace_id).order_by("-pk")

    @extend_schema(
        tags=TAGS, operation_id="list_guardians", parameters=[PageQuery], responses=GuardianSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        return array_page(request, self.filter_queryset(self.get_queryset()), GuardianSerializer)

    @extend_schema(
        tags=TAGS,
        operation_id="register_guardian",
        request=NewGuardianBody,
        responses={201: GuardianSerializer},
        examples=[REGISTER_GUARDIAN],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Add a guardian, known by externalId, email, or both.

        409 `guardian_exists` (the router creates one for each new guardian_id) and `address_of_another_guardian` name
        the guardian to change instead as `guardianId`.
        """
        body = NewGuardianBody(data=request.data)
        body.is_valid(raise_exception=True)
        workspace_id = principal_of(request).workspace_id
        given = {"external_id": None, "email": None} | body.validated_data
        guardian = register_guardian(workspace_id=workspace_id, **given)
        made = get_guardian(workspace_id=workspace_id, guardian_id=guardian.pk)
        return Response(GuardianSerializer(made).data, status=status.HTTP_201_CREATED)


class GuardianView(APIView):
    """One guardian."""

    required_scopes = {"GET": "learners:read", "PATCH": "learners:write"}

    @extend_schema(tags=TAGS, operation_id="get_guardian", responses=GuardianSerializer)
    def get(self, request: Request, guardian_id: int) -> Response:
        guardian = get_guardian(workspace_id=principal_of(request).workspace_id, guardian_id=guardian_id)
        return Response(GuardianSerializer(guardian).data)

    @extend_schema(
        tags=TAGS,
        operation_id="change_guardian",
        request=GuardianBody,
        responses=GuardianSerializer,
        examples=[CHANGE_GUARDIAN],
    )
    def patch(self, request: Request, guardian_id: int) -> Response:
        """Change the fields sent; sending the same again changes nothing. `learnerIds` replaces the whole list.

        The holder of a replaced address loses access at once, and so does a guardian to a learner left out of the list.
        A new address counts at once: if you don't know that it is the guardian's, invite it instead. 409
        `guardian_exists` and `address_of_another_guardian` name the guardian who already has it as `guardianId`.
        """
        body = GuardianBody(data=request.data)
        body.is_valid(raise_exception=True)
        workspace_id = principal_of(request).workspace_id
        change_guardian(workspace_id=workspace_id, guardian_id=guardian_id, changes=body.validated_data, now=utc_now())
        return Response(GuardianSerializer(get_guardian(workspace_id=workspace_id, guardian_id=guardian_id)).data)


class GuardianInvitationView(APIView):
    """An invitation mail that asks a guardian to prove their address."""

    required_scopes = {"POST": "learners:write", "DELETE": "learners:write"}

    @extend_schema(
        tags=TAGS,
        operation_id="invite_guardian",
        request=InvitationBody,
        responses={201: InvitationSerializer},
        examples=[INVITE_GUARDIAN],
    )
    def post(self, request: Request, guardian_id: int) -> Response:
        """Mail a link by which the guardian proves this address and then sees the learners.

        A repeated request for the same address sends a new link and ends the previous one. 409 `guardian_has_address`
        if the guardian has proven another address, `already_invited` while another address has an open invitation; 429
        `too_many_invitations`.
        """
        body = InvitationBody(data=request.data)
        body.is_valid(raise_exception=True)
        guardian = get_guardian(workspace_id=principal_of(request).workspace_id, guardian_id=guardian_id)
        claim = claim_for(request)
        now = utc_now()
        try:
            with transaction.atomic():
                claim.take(now)
                invitation, token = invite_or_renew(
                    guardian_id=guardian.pk, email=body.validated_data["email"], invited_by=None, now=now
                )
        except AlreadyAnswered as answer:
            return replay(answer)
        with claim.released_on_failure():
            mail_guardian_invitation(invitation=invitation, token=token)
            sent = InvitationSerializer(invitation).data
            claim.store(status.HTTP_201_CREATED, sent)
        return Response(sent, status=status.HTTP_201_CREATED)

    @extend_schema(
        tags=TAGS,
        operation_id="revoke_guardian_invitation",
        responses={204: OpenApiResponse(description="It is over")},
    )
    def delete(self, request: Request, guardian_id: int) -> Response:
        """End the open invitation: its link stops working."""
        guardian = get_guardian(workspace_id=principal_of(request).workspace_id, guardian_id=guardian_id)
        waiting = guardian.invitations.filter(OPEN).first()
        if waiting is None:
            raise NotFound(f"Guardian {guardian_id} has no open invitation.")
        revoke_invitation(GuardianInvitation, invitation_id=waiting.pk, now=utc_now())
        return Response(status=status.HTTP_204_NO_CONTENT)
