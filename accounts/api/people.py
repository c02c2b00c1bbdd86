"""Learners and leads for integrators: list, create, read, change."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.http.idempotency import idempotent
from core.http.pagination import PageQuery, array_page

from ..leads import change_lead, create_lead, get_lead, list_leads
from ..learner_records import change_learner, get_learner, list_learners, register_learner
from ..models import Lead, Learner
from ..principals import principal_of
from .examples import CHANGE_LEAD, CHANGE_LEARNER, CREATE_LEAD, REGISTER_LEARNER
from .people_shapes import (
    LeadBody,
    LeadFilter,
    LeadSerializer,
    LearnerBody,
    LearnerFilter,
    LearnerSerializer,
    NewLearnerBody,
    told,
)

TAGS = ["People"]


class LearnerListView(GenericAPIView[Learner]):
    """Learners, newest first."""

    required_scopes = {"GET": "learners:read", "POST": "learners:write"}
    queryset = Learner.objects.none()  # tells the OpenAPI document the model
    filterset_class = LearnerFilter
    serializer_class = LearnerSerializer

    def get_queryset(self) -> QuerySet[Learner]:
        return list_learners(workspace_id=principal_of(self.request).workspace_id).order_by("-pk")

    @extend_schema(
        tags=TAGS, operation_id="list_learners", parameters=[PageQuery], responses=LearnerSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        return array_page(request, self.filter_queryset(self.get_queryset()), LearnerSerializer)

    @extend_schema(
        tags=TAGS,
        operation_id="register_learner",
        request=NewLearnerBody,
        responses={201: LearnerSerializer},
        examples=[REGISTER_LEARNER],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Add a learner. 409 `learner_exists` names the learner to change instead as `learnerId`."""
        body = NewLearnerBody(data=request.data)
        body.is_valid(raise_exception=True)
        workspace_id = principal_of(request).workspace_id
        learner = register_learner(workspace_id=workspace_id, **told(body.validated_data))
        return Response(LearnerSerializer(learner).data, status=status.HTTP_201_CREATED)


class LearnerView(APIView):
    """One learner; the id of a merged learner leads to the learner who stayed."""

    required_scopes = {"GET": "learners:read", "PATCH": "learners:write"}

    @extend_schema(tags=TAGS, operation_id="get_learner", responses=LearnerSerializer)
    def get(self, request: Request, learner_id: str) -> Response:
        learner = get_learner(workspace_id=principal_of(request).workspace_id, cuid=learner_id)
        return Response(LearnerSerializer(learner).data)

    @extend_schema(
        tags=TAGS,
        operation_id="change_learner",
        request=LearnerBody,
        responses=LearnerSerializer,
        examples=[CHANGE_LEARNER],
    )
    def patch(self, request: Request, learner_id: str) -> Response:
        """Change the fields sent. 409 `learner_exists` if another learner would then have the same identity."""
        body = LearnerBody(data=request.data)
        body.is_valid(raise_exception=True)
        workspace_id = principal_of(request).workspace_id
        learner = change_learner(workspace_id=workspace_id, cuid=learner_id, changes=told(body.validated_data))
        return Response(LearnerSerializer(learner).data)


class LeadListView(GenericAPIView[Lead]):
    """Leads, newest first."""

    required_scopes = {"GET": "learners:read", "POST": "learners:write"}
    queryset = Lead.objects.none()  # tells the OpenAPI document the model
    filterset_class = LeadFilter
    serializer_class = LeadSerializer

    def get_queryset(self) -> QuerySet[Lead]:
        return list_leads(workspace_id=principal_of(self.request).workspace_id).order_by("-pk")

    @extend_schema(tags=TAGS, operation_id="list_leads", parameters=[PageQuery], responses=LeadSerializer(many=True))
    def get(self, request: Request) -> Response:
        return array_page(request, self.filter_queryset(self.get_queryset()), LeadSerializer)

    @extend_schema(
        tags=TAGS,
        operation_id="create_lead",
        request=LeadBody,
        responses={201: LeadSerializer},
        examples=[CREATE_LEAD],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Add a prospect with a known name, email, or phone number."""
        body = LeadBody(data=request.data)
        body.is_valid(raise_exception=True)
        lead = create_lead(workspace_id=principal_of(request).workspace_id, **told(body.validated_data))
        return Response(LeadSerializer(lead).data, status=status.HTTP_201_CREATED)


class LeadView(APIView):
    """One lead."""

    required_scopes = {"GET": "learners:read", "PATCH": "learners:write"}

    @extend_schema(tags=TAGS, operation_id="get_lead", responses=LeadSerializer)
    def get(self, request: Request, lead_id: str) -> Response:
        lead = get_lead(workspace_id=principal_of(request).workspace_id, cuid=lead_id)
        return Response(LeadSerializer(lead).data)

    @extend_schema(
        tags=TAGS, operation_id="change_lead", request=LeadBody, responses=LeadSerializer, examples=[CHANGE_LEAD]
    )
    def patch(self, request: Request, lead_id: str) -> Response:
        """Change the fields sent. Once a lead has become a learner, change the learner at /api/learners."""
        body = LeadBody(data=request.data)
        body.is_valid(raise_exception=True)
        workspace_id = principal_of(request).workspace_id
        change_lead(workspace_id=workspace_id, cuid=lead_id, changes=told(body.validated_data))
        return Response(LeadSerializer(get_lead(workspace_id=workspace_id, cuid=lead_id)).data)
