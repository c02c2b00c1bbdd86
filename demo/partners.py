"""A program that three partners teach, one after another, and learners at every stage of it."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.guardians import find_or_create_guardian, link_guardian
from accounts.models import Learner, Workspace
from core.actors import SYSTEM, Actor
from core.clock import utc_now
from core.errors import require
from core.local_time import local_date
from enrollments.lifecycle import evaluate_enrollment, submit_enrollment, unenroll_enrollment
from enrollments.models import Enrollment, Program, ProgramInstance
from partners.acceptance import record_acceptance, record_refusal
from partners.certificates import reissue_certificate, revoke_certificate
from partners.ending import record_end
from partners.inbox import handle_event, store_found
from partners.interventions import skip_step
from partners.models import Certificate, EnrollmentStep
from partners.progression import get_current_step
from partners.providers import create_provider
from partners.sequences import GroupDraft, ItemDraft, define_sequence

from .catalog import KNOWN_FAMILY, Child, Scene
from .dialects import DIALECTS, FIELD_MAPS
from .stories import enter_candidate

Story = Iterator[dt.timedelta]
CODE = "MAKER"
# Its slug, its name, the course it teaches, the days it takes, and the days after which a learner counts as stuck.
PARTNERS = (
    ("circuit-works", "Circuit Works", "electronics-basics", 14, 7),
    ("pixel-forge", "Pixel Forge", "game-design", 21, 10),
    ("open-bench", "Open Bench", "build-and-show", 21, 10),
)
SOON = dt.timedelta(seconds=20)  # within which a partner answers


@dataclass(frozen=True, slots=True)
class Way:
    """How far a learner came: approved this many days ago, then this many days per course, then the outcome."""

    child: Child
    approved: float
    courses: tuple[float, ...] = ()
    then: str = ""  # accepted, skipped (and accepted), refused, left; or what became of the certificate
    progress: int = 0


def _child(number: int, first_name: str, last_name: str, grade: str) -> Child:
    email = f"{first_name}.{last_name}@families.test".lower()
    return Child(first_name, last_name, email, f"S-MAKER{number}", grade, "Lincoln Middle School")


WAYS = (
    Way(KNOWN_FAMILY.children[2], 4, (), "accepted", 40),
    Way(KNOWN_FAMILY.children[1], 45, (11, 14, 12), "issued"),
    Way(_child(1, "Jonah", "Meyer", "6th"), 0.01),  # the worker enrolls Jonah with the first partner
    Way(_child(2, "Leonie", "Brandt", "7th"), 2, (), "accepted"),
    Way(_child(3, "Samir", "Nasser", "6th"), 5, (), "accepted", 75),
    Way(_child(4, "Ada", "Olsen", "8th"), 16, (12,), "accepted", 20),
    Way(_child(5, "Bruno", "Costa", "7th"), 31, (9,), "accepted", 10),  # stuck
    Way(_child(6, "Clara", "Weiss", "8th"), 24, (), "accepted", 30),  # stuck as well
    Way(_child(7, "Dario", "Conti", "6th"), 13, (10,), "refused"),
    Way(_child(8, "Edda", "Lund", "7th"), 30, (8, 14), "accepted", 60),
    Way(_child(9, "Farid", "Amini", "8th"), 20, (13,), "skipped", 35),
    Way(_child(10, "Grace", "Nowak", "6th"), 38, (10,), "left"),
    Way(_child(11, "Hugo", "Silva", "8th"), 75, (12, 17, 20), "issued"),
    Way(_child(12, "Ida", "Moreau", "7th"), 70, (8, 12, 19), "revoked"),
    Way(_child(13, "Karim", "Haddad", "8th"), 90, (14, 20, 25), "replaced"),
)


def begin_partners(scene: Scene, *, begin: Callable[[dt.datetime, Story], None], now: dt.datetime) -> None:
    """Build the program with its partners, and run its learners' stories."""
    for slug, name, _, expected_days, stuck_after_days in PARTNERS:
        create_provider(
            workspace_id=scene.workspace.pk,
            slug=slug,
            name=name,
            base_url=f"{settings.SANDBOX_URL}/lms/{slug}",
            api_key=f"key-of-{slug}",
            expected_days=expected_days,
            stuck_after_days=stuck_after_days,
            contact_email=f"learners@{slug}.test",
            field_map=FIELD_MAPS.get(DIALECTS.get(slug, ""), {}),
            now=utc_now(),
        )
    instance = _build_program(scene, local_date(now, scene.workspace.timezone))
    for way in WAYS:
        begin(now - dt.timedelta(days=way.approved), _go(scene, instance, way))


def have_partners_asked_from(now: dt.datetime, *, workspace: Workspace) -> None:
    """Make the polls of partners that the sweeps would have made in the meantime due now."""
    asked = EnrollmentStep.objects.active().filter(enrollment__workspace=workspace)
    asked.filter(next_attempt_at__lt=now).update(next_attempt_at=now)


def _build_program(scene: Scene, today: dt.date) -> ProgramInstance:
    program = Program.objects.create(
        workspace=scene.workspace,
        code=CODE,
        title="Maker Path",
        description="Three partners, one after another: electronics, game design, and a project to show. It is free.",
    )
    items = tuple(ItemDraft(slug, course) for slug, _, course, _, _ in PARTNERS)
    define_sequence(program_id=program.pk, groups=[GroupDraft(items)], actor=_staff(scene), now=utc_now())
    return ProgramInstance.objects.create(
        workspace=scene.workspace,
        program=program,
        name="Maker Path, this year",
        start_date=today - dt.timedelta(weeks=20),
        end_date=today + dt.timedelta(weeks=32),
    )


def _go(scene: Scene, instance: ProgramInstance, way: Way) -> Story:
    enrollment = _approve(scene, instance, way.child)
    for days in way.courses:
        yield SOON
        step = _accept(enrollment)
        yield dt.timedelta(days=days / 2)
        _tell(step, "progress.updated", progress=50)
        yield dt.timedelta(days=days / 2) - SOON
        _complete(step)
    match way.then:
        case "accepted":
            yield SOON
            yield from _begin_course(enrollment, way.progress)
        case "skipped":
            yield SOON
            step = require(get_current_step(enrollment_id=enrollment.pk), "a course is under way")
            skip_step(step_id=step.pk, reason="Took this course last summer", actor=_staff(scene), now=utc_now())
            yield SOON
            yield from _begin_course(enrollment, way.progress)
        case "refused":
            yield SOON
            step = require(get_current_step(enrollment_id=enrollment.pk), "a course is under way")
            record_refusal(step_id=step.pk, reason="The partner answered 422.", actor=SYSTEM, now=utc_now())
        case "left":
            yield SOON
            step = _accept(enrollment)
            yield dt.timedelta(days=6)
            unenroll_enrollment(
                enrollment_id=enrollment.pk, actor=_staff(scene), reason="Moved to another city", now=utc_now()
            )
            yield SOON
            record_end(step=step, now=utc_now())
        case "revoked" | "replaced":
            yield dt.timedelta(days=5)
            _change_certificate(scene, enrollment, way)


@transaction.atomic
def _approve(scene: Scene, instance: ProgramInstance, child: Child) -> Enrollment:
    enrollment = enter_candidate(scene, child, instance, as_lead=False)
    if child in KNOWN_FAMILY.children:
        guardian = find_or_create_guardian(workspace_id=scene.workspace.pk, external_id=KNOWN_FAMILY.guardian_id)
        link_guardian(guardian_id=guardian.pk, learner_id=require(enrollment.learner_id, "the child is a learner"))
    known: dict[str, Any] = {"enrollment_id": enrollment.pk, "actor": _staff(scene), "now": utc_now()}
    evaluate_enrollment(**known)
    return submit_enrollment(**known)


def _begin_course(enrollment: Enrollment, progress: int) -> Story:
    step = _accept(enrollment)
    if progress:
        yield dt.timedelta(hours=30)
        _tell(step, "progress.updated", progress=progress)


def _accept(enrollment: Enrollment) -> EnrollmentStep:
    step = require(get_current_step(enrollment_id=enrollment.pk), "a course is under way")
    ref = f"enr_demo{step.pk:06}"
    return record_acceptance(
        step_id=step.pk,
        external_enrollment_id=ref,
        launch_url=f"{settings.SANDBOX_URL}/lms/{step.provider.slug}/launch/{ref}",
        actor=SYSTEM,
        now=utc_now(),
    )


def _complete(step: EnrollmentStep) -> None:
    _tell(step, "progress.updated", progress=100)
    number = f"C-{step.pk:06}"
    _tell(step, "certificate.issued", certificateNumber=number, downloadUrl=step.launch_url)
    _tell(step, "course.completed", completedAt=utc_now().isoformat())


def _tell(step: EnrollmentStep, kind: str, **data: Any) -> None:
    """Let the partner report its learner's progress."""
    message_id = f"msg_demo{step.pk:06}-{kind}-{data.get('progress', 'end')}"
    event = store_found(step=step, kind=kind, message_id=message_id, data=data, now=utc_now())
    handle_event(event_id=event.pk, now=utc_now())


def _change_certificate(scene: Scene, enrollment: Enrollment, way: Way) -> None:
    certificate = Certificate.objects.live().get(enrollment=enrollment)
    known: dict[str, Any] = {"certificate_id": certificate.pk, "actor": _staff(scene), "now": utc_now()}
    if way.then == "revoked":
        revoke_certificate(reason="The final project was somebody else's", **known)
    else:
        learner_id = require(enrollment.learner_id, "an approved enrollment has a learner")
        Learner.objects.filter(pk=learner_id).update(last_name=f"{way.child.last_name}-Reyes")
        reissue_certificate(reason="The learner's name has changed", **known)


def _staff(scene: Scene) -> Actor:
    return Actor("user", scene.staff.pk)
