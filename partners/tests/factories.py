"""Partners, sequences, and learners on their way through them. Later states are reached through use cases."""

import datetime as dt
from typing import Any

import factory

from accounts.tests.factories import WorkspaceFactory
from core.actors import SYSTEM
from core.clock import utc_now
from core.tests.factories import RowFactory
from enrollments.lifecycle import evaluate_enrollment, submit_enrollment
from enrollments.models import Enrollment, ProgramInstance
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory
from partners.acceptance import record_acceptance
from partners.models import EnrollmentStep, PartnerSequence, Provider
from partners.progression import mark_step_complete
from partners.sequences import GroupDraft, ItemDraft, define_sequence
from partners.states import GroupRule

NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)


class ProviderFactory(RowFactory[Provider]):
    """A partner with an API that is expected to take 14 days."""

    class Meta:
        model = Provider

    workspace = factory.SubFactory(WorkspaceFactory)
    slug = factory.Sequence(lambda n: f"partner-{n}")
    name = factory.Sequence(lambda n: f"Partner {n}")
    base_url = factory.LazyAttribute(lambda o: f"https://{o.slug}.example.test/api")
    api_key = "key-of-the-partner"


def group(instance: ProgramInstance, count: int, rule: str = GroupRule.ALL_IN_ORDER, **more: Any) -> GroupDraft:
    """Return a group of `count` courses, each at a partner of its own."""
    partners = [ProviderFactory(workspace=instance.workspace) for _ in range(count)]
    items = tuple(ItemDraft(partner.slug, f"course-{number}") for number, partner in enumerate(partners, start=1))
    return GroupDraft(items, rule, **more)


def instance_with(*groups: tuple[int, str] | tuple[int, str, int]) -> ProgramInstance:
    """Return an instance whose program has these groups: how many steps, by which rule, and how many at least."""
    instance = InstanceFactory(price=None)
    drafts = [group(instance, count, rule, at_least=least[0] if least else None) for count, rule, *least in groups]
    define(instance, *drafts)
    return instance


def define(instance: ProgramInstance, *groups: GroupDraft) -> PartnerSequence | None:
    return define_sequence(program_id=instance.program_id, groups=groups, actor=STAFF, now=utc_now())


def approved(instance: ProgramInstance | None = None, *, steps: int = 2, now: dt.datetime | None = None) -> Enrollment:
    """Return a learner who was just approved automatically; by default into a program with two partners in order."""
    instance = instance or instance_with((steps, GroupRule.ALL_IN_ORDER))
    candidate = CandidateFactory(instance=instance, workspace=instance.workspace)
    now = now or utc_now()
    evaluate_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=now)
    return submit_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=now)


def steps_of(enrollment: Enrollment) -> list[EnrollmentStep]:
    return list(EnrollmentStep.objects.of(enrollment.pk))


def statuses(enrollment: Enrollment) -> list[str]:
    return [step.status for step in steps_of(enrollment)]


def accept(step: EnrollmentStep, *, now: dt.datetime | None = None) -> EnrollmentStep:
    """Let the partner accept the learner."""
    return record_acceptance(
        step_id=step.pk,
        external_enrollment_id=f"their-{step.pk}",
        launch_url=f"https://lms.example.test/{step.pk}",
        actor=SYSTEM,
        now=now or utc_now(),
    )


def complete(step: EnrollmentStep, *, now: dt.datetime | None = None) -> EnrollmentStep:
    """Let the partner report that the learner has finished."""
    return mark_step_complete(step_id=step.pk, actor=SYSTEM, now=now or utc_now())
