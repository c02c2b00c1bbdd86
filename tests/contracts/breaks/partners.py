"""Breaches of the invariants of partner steps, and near misses."""

import datetime as dt

from core.clock import utc_now
from enrollments.lifecycle import unenroll_enrollment
from enrollments.tests.factories import STAFF, ProgramFactory
from partners.certificates import revoke_certificate
from partners.interventions import skip_step
from partners.models import (
    Certificate,
    EnrollmentStep,
    Nudge,
    PartnerEvent,
    PartnerSequence,
    Provider,
    SequenceGroup,
    SequenceItem,
    StepTransition,
)
from partners.outages import note_silence
from partners.providers import pause_provider

from .world import Rows, World, breaks, copy, spares


def step(world: World, order: int) -> EnrollmentStep:
    """Return one of three steps in order: the first is completed, the second in progress, the third pending."""
    return EnrollmentStep.objects.get(enrollment=world.training, sequence_order=order)


def item_of_another_sequence(world: World, **sequence: object) -> SequenceItem:
    group = step(world, 3).item.group
    version = copy(group.sequence, **{"version": 2, "active": False, **sequence})
    PartnerSequence.objects.bulk_create([version])
    other = copy(group, sequence_id=version.pk)
    SequenceGroup.objects.bulk_create([other])
    item: SequenceItem = copy(step(world, 3).item, group_id=other.pk)
    SequenceItem.objects.bulk_create([item])
    return item


@breaks("partners.steps_follow_one_version")
def a_step_of_another_version(world: World) -> str:
    EnrollmentStep.objects.filter(pk=step(world, 3).pk).update(item=item_of_another_sequence(world))
    return f"enrollment {world.training.pk}"


@breaks("partners.steps_follow_one_version")
def a_step_of_another_program(world: World) -> Rows:
    program = ProgramFactory(workspace=world.training.workspace)
    EnrollmentStep.objects.filter(pk=step(world, 3).pk).update(
        item=item_of_another_sequence(world, program_id=program.pk)
    )
    rows = [f"partner step {step(world, 3).pk}", f"enrollment {world.training.pk}"]
    return {"partners.steps_follow_one_version": rows}


@breaks("partners.steps_follow_one_version")
def a_step_that_is_gone(world: World) -> str:
    step(world, 3).delete()
    return f"enrollment {world.training.pk}"


@breaks("partners.step_statuses_follow_their_history")
def a_status_that_nothing_tells_of(world: World) -> str:
    EnrollmentStep.objects.filter(pk=step(world, 3).pk).update(status="skipped")
    return f"partner step {step(world, 3).pk}"


@breaks("partners.step_statuses_follow_their_history")
def a_transition_that_is_gone(world: World) -> str:
    StepTransition.objects.filter(step=step(world, 2), number=2).delete()
    return f"partner step {step(world, 2).pk}"


@breaks("partners.step_statuses_follow_their_history")
def a_history_that_begins_elsewhere(world: World) -> str:
    StepTransition.objects.filter(step=step(world, 2), number=1).update(from_status="failed")
    return f"partner step {step(world, 2).pk}"


@breaks("partners.step_statuses_follow_their_history")
def a_history_that_jumps(world: World) -> str:
    StepTransition.objects.filter(step=step(world, 2), number=2).update(from_status="failed")
    return f"partner step {step(world, 2).pk}"


@breaks("partners.groups_in_order_have_one_active_step")
def a_step_that_begins_too_early(world: World) -> str:
    third = step(world, 3)
    StepTransition.objects.create(
        step=third, number=1, from_status="pending", to_status="queued", actor="system", created_at=utc_now()
    )
    EnrollmentStep.objects.filter(pk=third.pk).update(status="queued", change_count=1, next_attempt_at=utc_now())
    return f"partner step {third.pk}"


@spares("partners.groups_in_order_have_one_active_step")
def a_later_step_that_staff_skipped(world: World) -> None:
    skip_step(step_id=step(world, 3).pk, reason="Knows it already", actor=STAFF, now=utc_now())


@breaks("partners.open_steps_belong_to_active_learners")
def a_step_that_outlives_its_enrollment(world: World) -> str:
    unenroll_enrollment(enrollment_id=world.training.pk, actor=STAFF, reason="Moved away", now=utc_now())
    forget_all_changes(step(world, 3))
    return f"partner step {step(world, 3).pk}"


@breaks("partners.active_learners_have_something_to_do")
def a_step_that_never_begins(world: World) -> str:
    forget_all_changes(step(world, 2))
    return f"enrollment {world.training.pk}"


def forget_all_changes(row: EnrollmentStep) -> None:
    StepTransition.objects.filter(step=row).delete()
    EnrollmentStep.objects.filter(pk=row.pk).update(status="pending", change_count=0)


@breaks("partners.queued_steps_are_pursued")
def a_step_that_no_sweep_takes_up(world: World) -> str:
    queue_second(world, next_attempt_at=utc_now() - dt.timedelta(minutes=16))
    return f"partner step {step(world, 2).pk}"


@breaks("partners.queued_steps_are_pursued")
def a_step_that_is_never_due(world: World) -> str:
    queue_second(world, next_attempt_at=None)
    return f"partner step {step(world, 2).pk}"


@spares("partners.queued_steps_are_pursued")
def a_step_that_was_due_a_moment_ago(world: World) -> None:
    queue_second(world, next_attempt_at=utc_now() - dt.timedelta(minutes=14))


@spares("partners.queued_steps_are_pursued")
def a_step_at_a_partner_that_is_paused(world: World) -> None:
    queue_second(world, next_attempt_at=None)
    pause_provider(provider_id=step(world, 2).provider_id, now=utc_now())


def queue_second(world: World, *, next_attempt_at: dt.datetime | None) -> None:
    """Bring the second step back to before the partner accepted it."""
    second = step(world, 2)
    StepTransition.objects.filter(step=second, to_status="in_progress").delete()
    EnrollmentStep.objects.filter(pk=second.pk).update(status="queued", change_count=1, next_attempt_at=next_attempt_at)


@breaks("partners.learners_in_progress_are_asked_about")
def a_learner_of_whom_nobody_asks_for_news(world: World) -> str:
    second = take_second(world, next_attempt_at=utc_now() - dt.timedelta(minutes=121))
    return f"partner step {second.pk}"


@breaks("partners.learners_in_progress_are_asked_about")
def a_learner_of_whom_nobody_will_ask_for_news(world: World) -> str:
    return f"partner step {take_second(world, next_attempt_at=None).pk}"


@spares("partners.learners_in_progress_are_asked_about")
def a_learner_at_a_partner_that_does_not_answer(world: World) -> None:
    second = take_second(world, next_attempt_at=utc_now() - dt.timedelta(minutes=121))
    note_silence(provider_id=second.provider_id, now=utc_now())


@breaks("partners.partners_let_go_of_who_left")
def a_partner_that_waits_for_somebody_who_left(world: World) -> str:
    second = leave_second(world, next_attempt_at=utc_now() - dt.timedelta(minutes=16))
    return f"partner step {second.pk}"


@spares("partners.partners_let_go_of_who_left")
def a_partner_that_is_told_of_somebody_just_now(world: World) -> None:
    leave_second(world, next_attempt_at=utc_now() - dt.timedelta(minutes=14))


def take_second(world: World, **due: dt.datetime | None) -> EnrollmentStep:
    """Let the partner take the second step's learner under an id, as if from the start."""
    second = step(world, 2)
    EnrollmentStep.objects.filter(pk=second.pk).update(external_enrollment_id="their-2", **due)
    return second


def leave_second(world: World, **due: dt.datetime) -> EnrollmentStep:
    second = take_second(world)
    skip_step(step_id=second.pk, reason="Took it before", actor=STAFF, now=utc_now())
    EnrollmentStep.objects.filter(pk=second.pk).update(**due)
    return second


@breaks("partners.the_partners_inbox_is_handled")
def an_event_that_nobody_applies(world: World) -> str:
    return f"partner event {an_event(world, minutes=16).pk}"


@spares("partners.the_partners_inbox_is_handled")
def an_event_that_just_came(world: World) -> None:
    an_event(world, minutes=14)


def an_event(world: World, *, minutes: int) -> PartnerEvent:
    return PartnerEvent.objects.create(
        provider=step(world, 2).provider,
        event_id="msg-1",
        type="course.completed",
        external_enrollment_id="unknown",
        next_attempt_at=utc_now() - dt.timedelta(minutes=minutes),
    )


@breaks("partners.certificates_iff_complete")
def a_certificate_before_the_end(world: World) -> str:
    certificate = Certificate.objects.create(
        enrollment=step(world, 2).enrollment,
        learner_name="Ada",
        program_title="Algebra",
        issued_at=utc_now(),
        issued_by="system",
    )
    return f"certificate {certificate.pk}"


@breaks("partners.certificates_iff_complete")
def a_completion_without_a_certificate(world: World) -> str:
    finish(world)
    Certificate.objects.filter(enrollment=world.training).delete()
    return f"enrollment {world.training.pk}"


@spares("partners.certificates_iff_complete")
def a_completion_whose_certificate_staff_revoked(world: World) -> None:
    finish(world)
    certificate = Certificate.objects.get(enrollment=world.training)
    revoke_certificate(certificate_id=certificate.pk, reason="Cheated", actor=STAFF, now=utc_now())


def finish(world: World) -> None:
    """Let the two remaining steps count as done."""
    for order in (2, 3):
        skip_step(step_id=step(world, order).pk, reason="Knows it already", actor=STAFF, now=utc_now())


@breaks("partners.nudges_keep_their_distance")
def a_nudge_that_is_due_too_soon(world: World) -> str:
    return f"nudge {a_nudge(world, next_attempt_at=utc_now() + dt.timedelta(days=6)).pk}"


@breaks("partners.nudges_keep_their_distance")
def a_nudge_after_it_was_stopped(world: World) -> str:
    stopped = utc_now() - dt.timedelta(days=1)
    return f"nudge {a_nudge(world, stopped_at=stopped, stopped_by='receiver').pk}"


@spares("partners.nudges_keep_their_distance")
def a_nudge_that_was_stopped_afterwards(world: World) -> None:
    a_nudge(world, stopped_at=utc_now() + dt.timedelta(days=1), stopped_by="receiver")


def a_nudge(world: World, **more: object) -> Nudge:
    """Create a nudge that was just sent, and is due again in a week."""
    values: dict[str, object] = {
        "workspace": world.training.workspace,
        "enrollment": world.training,
        "recipient": "family@home.test",
        "sent_count": 1,
        "last_sent_at": utc_now(),
        "next_attempt_at": utc_now() + dt.timedelta(days=8),
    }
    return Nudge.objects.create(**{**values, **more})


@breaks("partners.field_maps_hold")
def a_map_with_two_fields_at_one_place(world: World) -> str:
    return f"partner {map_fields(world, {'request': {'email': 'reference'}}).pk}"


@breaks("partners.field_maps_hold")
def a_map_that_is_none(world: World) -> str:
    return f"partner {map_fields(world, ['email']).pk}"


@spares("partners.field_maps_hold")
def a_map_that_changes_places(world: World) -> None:
    map_fields(world, {"answer": {"id": "reference", "reference": "id"}})


def map_fields(world: World, field_map: object) -> Provider:
    provider = step(world, 2).provider
    Provider.objects.filter(pk=provider.pk).update(field_map=field_map)
    return provider
