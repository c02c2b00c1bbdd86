"""What a process of the dead-partner bench does: seed learners, and send them to their partners."""

import time
from typing import Any

from django.db import connection
from django.test import override_settings

from accounts.models import Workspace
from core.actors import SYSTEM
from core.clock import utc_now
from enrollments.models import Enrollment, Program, ProgramInstance
from partners.models import EnrollmentStep, StepTransition
from partners.progression import generate_enrollment_steps
from partners.providers import create_provider, pause_provider
from partners.sequences import GroupDraft, ItemDraft, define_sequence

ANSWERING = 3
PATIENCE_SECONDS = 60.0

_SEED = """
    INSERT INTO accounts_learner (cuid, workspace_id, identity, person, first_name, last_name, email, phone,
                                  grade_level, school, address, created_at)
    SELECT %(mark)s || lpad(n::text, 20, '0'), %(workspace)s, %(mark)s || n, %(mark)s || n, 'Jane', 'Doe',
           'jane@bench.test', '', '5', '', '{}', now()
      FROM generate_series(1, %(count)s) n;
    INSERT INTO enrollments_enrollment (cuid, workspace_id, instance_id, learner_id, identification_type,
        eligibility_status, eligibility_reason, criteria_version, participation_status, payment_status, metadata,
        address, manufacturer_slugs, tags, transition_count, created_at, updated_at)
    SELECT cuid, workspace_id, %(instance)s, id, 'customerId', 'approved', '', 0, 'active', 'not_required', '{}', '{}',
           '[]', '[]', 0, now(), now()
      FROM accounts_learner WHERE cuid LIKE %(mark)s || '0%%'
"""


@override_settings(SANDBOX=True)  # so that partners may be on this machine
def seed(*, mark: str, count: int, port: int, other: str) -> dict[str, Any]:
    """Create learners of partners that answer, in turns, and a third as many of an `other` partner, which answers or is
    dead; none has a step yet.
    """
    workspace = Workspace.objects.create(slug=f"apart-{mark}", name="Apart")
    answering = [
        _learners(workspace, f"{mark}{number}", count // ANSWERING, f"http://127.0.0.1:{port}/answers")
        for number in range(ANSWERING)
    ]
    beside = _learners(workspace, f"{mark}x", count // ANSWERING, f"http://127.0.0.1:{port}/{other}")
    return {"answering": [each for turn in zip(*answering, strict=True) for each in turn], "beside": beside}


def come(*, answering: list[int], beside: list[int], a_second: int) -> dict[str, Any]:
    """Send learners to the partners that answer, `a_second` of them, and others to the partner beside them. Return how
    many seconds each of the first waits until a worker starts on it, and how many of the others were started.
    """
    begun = time.perf_counter()
    for number, enrollment_id in enumerate(answering):
        time.sleep(max(0.0, begun + number / a_second - time.perf_counter()))
        if number % ANSWERING == 0:
            generate_enrollment_steps(enrollment_id=beside[number // ANSWERING], actor=SYSTEM, now=utc_now())
        generate_enrollment_steps(enrollment_id=enrollment_id, actor=SYSTEM, now=utc_now())
    taken = EnrollmentStep.objects.filter(enrollment__in=answering, started_at__isnull=False)
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while taken.count() < len(answering) and time.perf_counter() < deadline:
        time.sleep(0.2)
    for provider_id in {step.provider_id for step in EnrollmentStep.objects.filter(enrollment__in=beside)}:
        pause_provider(provider_id=provider_id, now=utc_now())
    queued = StepTransition.objects.filter(step__in=taken, to_status="queued")
    times = queued.values_list("step__started_at", "created_at")
    return {
        "waits": [(started - since).total_seconds() for started, since in times],
        "beside": EnrollmentStep.objects.filter(enrollment__in=beside, started_at__isnull=False).count(),
    }


def _learners(workspace: Workspace, mark: str, count: int, base_url: str) -> list[int]:
    """Create `count` learners in a program at one partner, and return their enrollments."""
    now = utc_now()
    program = Program.objects.create(workspace=workspace, code=mark, title="Bench")
    instance = ProgramInstance.objects.create(workspace=workspace, program=program, name="Bench")
    partner = create_provider(
        workspace_id=workspace.pk, slug=mark, name=mark, base_url=base_url, api_key="key", now=now
    )
    define_sequence(
        program_id=program.pk, groups=[GroupDraft((ItemDraft(partner.slug, "course"),))], actor=SYSTEM, now=now
    )
    values: dict[str, Any] = {"mark": mark, "workspace": workspace.pk, "instance": instance.pk, "count": count}
    with connection.cursor() as cursor:
        for statement in _SEED.split(";"):
            cursor.execute(statement, values)
    return list(Enrollment.objects.filter(instance=instance).order_by("pk").values_list("pk", flat=True))
