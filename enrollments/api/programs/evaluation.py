"""Evaluating an instance's candidates in the background, and trying out criteria: parse, call one use case, render."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import principal_of
from core.clock import utc_now
from core.http.fields import DocumentField
from core.http.idempotency import idempotent
from core.jobs import JobStatus

from ...eligibility.criteria import MAX_CRITERIA
from ...eligibility.trial import try_criteria, try_sample
from ...evaluation import get_job, request_evaluation
from ...models import EvaluationJob, ProgramInstance
from ...programs import get_instance
from ...states import EligibilityStatus, VerdictOutcome
from .examples import EVALUATE_QUIETLY, TRY_CRITERIA
from .serializers import CriterionSerializer
from .shapes import AnswerSerializer

TAGS = ["Eligibility"]


class JobSerializer(serializers.ModelSerializer[EvaluationJob]):
    id = serializers.CharField(source="cuid")
    status = serializers.ChoiceField(choices=JobStatus.choices)
    total = serializers.IntegerField(help_text="The number of candidates when the job was requested.")
    done = serializers.IntegerField()
    counts = serializers.DictField(child=serializers.IntegerField(), help_text="The outcomes so far.")
    createdAt = serializers.DateTimeField(source="created_at")
    finishedAt = serializers.DateTimeField(source="finished_at", allow_null=True)

    class Meta:
        model = EvaluationJob
        fields = ("id", "status", "total", "done", "counts", "createdAt", "finishedAt")


class EvaluationBody(serializers.Serializer[Any]):
    tellFamilies = serializers.BooleanField(
        default=True,
        help_text="Whether families are told the outcome by mail. A running job keeps its setting.",
    )


class TrialBody(serializers.Serializer[Any]):
    criteria = serializers.ListField(child=CriterionSerializer(), max_length=MAX_CRITERIA)
    sample = DocumentField(
        required=False, allow_null=True, help_text="A sample person, with the names that criteria use."
    )


class SampleVerdict(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(choices=VerdictOutcome.choices)
    reason = serializers.CharField()
    answers = AnswerSerializer(many=True)


class ProspectSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(source="enrollment.cuid")
    status = serializers.ChoiceField(choices=EligibilityStatus.choices)
    wouldBe = serializers.ChoiceField(
        source="would_be", choices=EligibilityStatus.choices, help_text="Once evaluated, and reconsidered if refused."
    )
    outcome = serializers.ChoiceField(source="verdict.outcome", choices=VerdictOutcome.choices)
    reason = serializers.CharField(source="verdict.reason")


class TrialSerializer(serializers.Serializer[Any]):
    total = serializers.IntegerField(help_text="The current enrollments.")
    tried = serializers.IntegerField(help_text="Only the newest, if there are very many.")
    counts = serializers.DictField(child=serializers.IntegerField())
    changing = serializers.IntegerField(help_text="How many would change status.")
    enrollments = ProspectSerializer(source="prospects", many=True, help_text="At most 100, those that change first.")
    sample = SampleVerdict(allow_null=True)


class EvaluateInstanceView(APIView):
    """The evaluation of all candidates of an instance."""

    required_scopes = {"POST": "enrollments:write"}

    @extend_schema(
        tags=TAGS,
        operation_id="evaluate_program_instance",
        request=EvaluationBody,
        responses={202: JobSerializer},
        examples=[EVALUATE_QUIETLY],
    )
    @idempotent
    def post(self, request: Request, instance_id: str) -> Response:
        """Evaluate every candidate in the background, and notify their families.

        While a job is running, the response is that same job.
        """
        body = EvaluationBody(data=request.data)
        body.is_valid(raise_exception=True)
        caller = principal_of(request)
        instance = get_instance(workspace_id=caller.workspace_id, cuid=instance_id)
        job = request_evaluation(
            instance_id=instance.pk,
            actor=caller.actor,
            are_families_told=body.validated_data["tellFamilies"],
            now=utc_now(),
        )
        return Response(JobSerializer(job).data, status=status.HTTP_202_ACCEPTED)


class JobView(APIView):
    """A background job."""

    required_scopes = {"GET": "enrollments:read"}

    @extend_schema(tags=TAGS, operation_id="get_job", responses=JobSerializer)
    def get(self, request: Request, job_id: str) -> Response:
        """Return the job's progress."""
        return Response(JobSerializer(get_job(workspace_id=principal_of(request).workspace_id, cuid=job_id)).data)


class TryCriteriaView(APIView):
    """Criteria that do not apply yet, or no longer apply."""

    required_scopes = {"POST": "enrollments:read"}

    @extend_schema(
        tags=TAGS, operation_id="try_criteria", request=TrialBody, responses=TrialSerializer, examples=[TRY_CRITERIA]
    )
    @idempotent
    def post(self, request: Request, instance_id: str) -> Response:
        """Return what each current enrollment and a sample would become, counted and listed; nothing is stored."""
        body = TrialBody(data=request.data)
        body.is_valid(raise_exception=True)
        instance = get_instance(workspace_id=principal_of(request).workspace_id, cuid=instance_id)
        return Response(TrialSerializer(try_out(instance, body)).data)


def try_out(instance: ProgramInstance, body: TrialBody) -> dict[str, Any]:
    """Return the result of a trial that passed validation, in the shape its serializer reads."""
    drafts = body.validated_data["criteria"]
    sample = body.validated_data.get("sample")
    now = utc_now()
    verdict = None if sample is None else try_sample(instance=instance, drafts=drafts, sample=sample, now=now)
    trial = try_criteria(instance=instance, drafts=drafts, now=now)
    return {
        "total": trial.total,
        "tried": trial.tried,
        "counts": trial.counts,
        "changing": sum(trial.changed.values()),
        "prospects": trial.prospects,
        "sample": verdict,
    }
