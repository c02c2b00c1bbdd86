"""The same enrollment as a first draft would do it: look, decide in Python, save.

It writes the same rows as the platform, in one transaction, with the same models, parser, middleware, and errors. It
does not count the seat with a conditional statement (it reads the counter, adds one, and saves, so it oversells), write
rows in bulk, or remember an API key between two requests.
"""

import hashlib
from typing import Any

from django.db import transaction
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import ApiKey, Learner, identity_by_person, person_key
from accounts.principals import Principal
from core.actors import Actor
from core.clock import utc_now
from core.errors import DomainError
from core.http.middleware import current_request_id
from core.models import IdempotencyRecord
from enrollments.models import (
    District,
    DistrictSeatAllocation,
    Enrollment,
    EnrollmentDecision,
    EnrollmentTransition,
    ProgramInstance,
    SeatAssignment,
)
from enrollments.routing.result import DISTRICT_MESSAGE
from events.models import OutboxEvent


class KeyAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Principal, None]:
        text = request.headers["Authorization"].removeprefix("Bearer ")
        key = ApiKey.objects.select_related("workspace").filter(digest=hashlib.sha256(text.encode()).hexdigest())
        found = key.first()
        if found is None:
            raise AuthenticationFailed
        return Principal(found.workspace_id, frozenset(found.scopes), Actor("key", found.pk)), None


class LearnerProfileSerializer(serializers.Serializer[Any]):
    email = serializers.EmailField()
    first_name = serializers.CharField(max_length=150)
    last_name = serializers.CharField(max_length=150)
    grade_level = serializers.CharField(max_length=50, required=False)
    school = serializers.CharField(max_length=200, required=False)
    additional_info = serializers.DictField(required=False)


class ContextSerializer(serializers.Serializer[Any]):
    tenant_id = serializers.IntegerField()
    guardian_id = serializers.CharField(max_length=150, required=False)
    source = serializers.CharField(max_length=100, required=False)  # type: ignore[assignment]  # DRF's own name
    referral_code = serializers.CharField(max_length=100, required=False)
    campaign_id = serializers.CharField(max_length=100, required=False)
    additional_context = serializers.DictField(required=False)


class EnrollSerializer(serializers.Serializer[Any]):
    learner_profile = LearnerProfileSerializer()
    context = ContextSerializer()  # type: ignore[assignment]  # DRF's own name


class AnswerSerializer(serializers.Serializer[Any]):
    provision_source = serializers.CharField()
    status = serializers.CharField()
    tenant_id = serializers.IntegerField()
    decision_id = serializers.IntegerField(source="pk")
    enrollment_id = serializers.CharField(source="enrollment.cuid")
    reason = serializers.CharField()
    message = serializers.CharField()


class NaiveEnrollView(APIView):
    authentication_classes = [KeyAuthentication]
    required_scopes = {"POST": "decisions:write"}

    @transaction.atomic
    def post(self, request: Request) -> Response:
        body = EnrollSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        now = utc_now()
        record, is_new = IdempotencyRecord.objects.get_or_create(
            scope=str(request.user),
            key=request.headers["Idempotency-Key"],
            defaults={
                "fingerprint": hashlib.sha256(request.body).hexdigest(),
                "locked_until": now,
                "created_at": now,
            },
        )
        if not is_new and record.response_body is not None:
            return Response(record.response_body)
        answer = enroll(request, body.validated_data["learner_profile"], body.validated_data["context"])
        record.response_status = 200
        record.response_body = answer
        record.save()
        return Response(answer)


def enroll(request: Request, profile: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    workspace_id = request.user.workspace_id
    learner = get_learner(workspace_id, profile)
    instance = ProgramInstance.objects.get(workspace_id=workspace_id, is_default=True)
    district = District.objects.get(workspace_id=workspace_id, tenant_id=context["tenant_id"])
    allocation = DistrictSeatAllocation.objects.get(district=district, instance=None)
    earlier = EnrollmentDecision.objects.filter(learner=learner, instance=instance, status="completed").first()
    if earlier is not None:
        return answer_for(earlier, allocation)

    if allocation.available_seats <= 0:
        raise DomainError("No seat is left.")

    enrollment, transitions = create_enrollment(request, learner, instance)
    seat = SeatAssignment(allocation=allocation, learner=learner, enrollment=enrollment, status="used")
    seat.reserved_at = seat.used_at = utc_now()
    seat.save()
    decision = EnrollmentDecision(
        workspace_id=workspace_id,
        learner=learner,
        enrollment=enrollment,
        instance=instance,
        district=district,
        seat=seat,
        tenant_id=context["tenant_id"],
        learner_email=learner.email,
        learner_profile=profile,
        context=context,
        provision_source="district",
        status="completed",
        reason="district_seat_reserved",
        trace=[
            {"rule": "eligibility.no_criteria", "answer": True},
            {"rule": "district.named", "tenant_id": context["tenant_id"], "answer": True},
            {
                "rule": "allocation.seat_free",
                "allocation_id": allocation.pk,
                "for_instance": False,
                "open": True,
                "learner_holds_one": False,
                "total_seats": allocation.total_seats,
                "answer": True,
            },
        ],
        message=DISTRICT_MESSAGE,
        actor=str(request.user),
        request_id=current_request_id(),
    )
    decision.save()
    allocation.used_seats += 1
    allocation.updated_at = utc_now()
    allocation.save()
    tell_about(enrollment, transitions, seat, decision)
    return answer_for(decision, allocation)


def get_learner(workspace_id: int, profile: dict[str, Any]) -> Learner:
    person = person_key(profile["email"], profile["first_name"], profile["last_name"])
    learner, _ = Learner.objects.get_or_create(
        workspace_id=workspace_id,
        identity=identity_by_person(person),
        defaults={
            "person": person,
            "email": profile["email"],
            "first_name": profile["first_name"],
            "last_name": profile["last_name"],
            "grade_level": profile.get("grade_level", ""),
            "school": profile.get("school", ""),
        },
    )
    return learner


def create_enrollment(
    request: Request, learner: Learner, instance: ProgramInstance
) -> tuple[Enrollment, list[EnrollmentTransition]]:
    enrollment = Enrollment(
        workspace_id=learner.workspace_id, learner=learner, instance=instance, identification_type="customerInfo"
    )
    changes = [
        ("eligibility", "candidate", "eligible", "No criteria", enrollment.mark_eligible),
        ("eligibility", "eligible", "submitted", "No criteria", enrollment.submit),
        ("eligibility", "submitted", "approved", "Automatic review", enrollment.approve),
        ("participation", "not_started", "active", "", enrollment.start),
    ]
    for *_, change in changes:
        change()
    enrollment.eligibility_reason = "No criteria"
    enrollment.criteria_version = instance.criteria_version
    enrollment.start_date = utc_now().date()
    enrollment.transition_count = len(changes)
    enrollment.save()
    transitions = [
        EnrollmentTransition.objects.create(
            enrollment=enrollment,
            number=number,
            facet=facet,
            from_status=before,
            to_status=after,
            reason=reason,
            actor=str(request.user),
            request_id=current_request_id(),
            created_at=utc_now(),
        )
        for number, (facet, before, after, reason, _) in enumerate(changes, start=1)
    ]
    return enrollment, transitions


def tell_about(
    enrollment: Enrollment, transitions: list[EnrollmentTransition], seat: SeatAssignment, decision: EnrollmentDecision
) -> None:
    about_enrollment = {"enrollmentId": enrollment.cuid, "programInstanceId": enrollment.instance.cuid}
    about_seat = {"seat_id": seat.pk, "allocation_id": seat.allocation_id, "enrollment_id": enrollment.cuid}
    about_decision = {
        "event_type": "ENROLLMENT_DECISION",
        "decision_id": decision.pk,
        "provision_source": decision.provision_source,
        "tenant_id": decision.tenant_id,
        "guardian_id": None,
        "learner_email": decision.learner_email,
        "status": decision.status,
        "timestamp": decision.created_at.isoformat(),
        "metadata": {
            "allocation_id": seat.allocation_id,
            "seats_reserved": 1,
            "reason": decision.reason,
            "enrollment_id": enrollment.cuid,
            "checkout_id": None,
        },
    }
    subject = f"enrollment:{enrollment.cuid}"
    tell(decision, "enrollment.created", subject, 1, about_enrollment | {"identificationType": "customerInfo"})
    for row in transitions:
        moved = {"facet": row.facet, "from": row.from_status, "to": row.to_status, "reason": row.reason}
        payload = about_enrollment | moved | {"number": row.number}
        tell(decision, "enrollment.status_changed", subject, row.number + 1, payload)
    tell(decision, "seat.reserved", f"seat:{seat.pk}", 1, about_seat)
    tell(decision, "seat.used", f"seat:{seat.pk}", 2, about_seat)
    tell(decision, "ENROLLMENT_DECISION", f"decision:{decision.pk}", 1, about_decision)


def tell(decision: EnrollmentDecision, kind: str, aggregate: str, sequence: int, payload: dict[str, Any]) -> None:
    OutboxEvent.objects.create(
        workspace_id=decision.workspace_id, type=kind, aggregate=aggregate, sequence=sequence, payload=payload
    )


def answer_for(decision: EnrollmentDecision, allocation: DistrictSeatAllocation) -> dict[str, Any]:
    counts = {"seats_reserved": 1, "seats_available": allocation.available_seats}
    return dict(AnswerSerializer(decision).data) | counts
