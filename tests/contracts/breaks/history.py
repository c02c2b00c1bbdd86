"""Breaches of the invariants of histories, the outbox, and emails, and near misses."""

import datetime as dt

from core.clock import utc_now
from core.ids import new_cuid
from enrollments.models import Application, Enrollment, EnrollmentDecision, EnrollmentTransition, SeatAssignment
from enrollments.tests.factories import CandidateFactory
from events.models import OutboxEvent
from notifications.models import Notification
from tests.constraints import drop_constraint

from .world import Rows, World, breaks, copy, spares


@breaks("events.sequences_have_no_gaps")
def an_event_that_is_gone(world: World) -> Rows:
    aggregate = f"enrollment:{world.used.enrollment.cuid}"
    OutboxEvent.objects.filter(aggregate=aggregate, sequence=2).delete()
    first = transition_of(world, 1)
    return {
        "events.sequences_have_no_gaps": [aggregate],
        "enrollments.transitions_have_their_event": [f"enrollment transition {first.pk}"],
    }


@breaks("events.sequences_have_no_gaps")
def a_first_event_that_is_gone(world: World) -> str:
    aggregate = f"enrollment:{world.used.enrollment.cuid}"
    OutboxEvent.objects.filter(aggregate=aggregate, sequence=1).delete()
    return aggregate


@breaks("events.sequences_have_no_gaps")
def events_that_count_from_zero(world: World) -> str:
    aggregate = f"enrollment:{world.used.enrollment.cuid}"
    OutboxEvent.objects.filter(aggregate=aggregate, sequence=1).update(sequence=0)
    return aggregate


@breaks("events.sequences_have_no_gaps")
def two_events_with_one_number(world: World) -> str:
    drop_constraint(OutboxEvent, "outbox_sequence_unique")
    aggregate = f"enrollment:{world.used.enrollment.cuid}"
    OutboxEvent.objects.filter(aggregate=aggregate, sequence=2).update(sequence=1)
    return aggregate


@breaks("enrollments.facets_equal_their_last_transition")
def a_state_changed_behind_its_history(world: World) -> str:
    Enrollment.objects.filter(pk=world.waiting.enrollment_id).update(payment_status="failed")
    return f"enrollment {world.waiting.enrollment_id}"


@breaks("enrollments.facets_equal_their_last_transition")
def a_state_without_any_history(world: World) -> str:
    Enrollment.objects.filter(pk=world.used.enrollment_id).update(payment_status="pending")
    return f"enrollment {world.used.enrollment_id}"


@breaks("enrollments.transitions_have_no_gaps")
def a_transition_that_is_gone(world: World) -> Rows:
    EnrollmentTransition.objects.filter(enrollment=world.used.enrollment_id, number=2).delete()
    return {
        "enrollments.transitions_have_no_gaps": [f"enrollment {world.used.enrollment_id}"],
        "enrollments.transitions_form_a_chain": [f"enrollment transition {transition_of(world, 3).pk}"],
    }


@breaks("enrollments.transitions_have_no_gaps")
def a_transition_that_is_there_twice(world: World) -> Rows:
    drop_constraint(EnrollmentTransition, "transition_number_unique")
    second = copy(transition_of(world, 4))
    EnrollmentTransition.objects.bulk_create([second])
    return {
        "enrollments.transitions_have_no_gaps": [f"enrollment {world.used.enrollment_id}"],
        "enrollments.transitions_form_a_chain": [f"enrollment transition {second.pk}"],
    }


@breaks("enrollments.transitions_have_no_gaps")
def two_transitions_with_one_number(world: World) -> Rows:
    drop_constraint(EnrollmentTransition, "transition_number_unique")
    transition = transition_of(world, 1)
    EnrollmentTransition.objects.filter(pk=transition.pk).update(number=2)
    return {
        "enrollments.transitions_have_no_gaps": [f"enrollment {world.used.enrollment_id}"],
    }


@breaks("enrollments.transitions_have_no_gaps")
def transitions_that_count_from_zero(world: World) -> Rows:
    return renumbered(world, transition_of(world, 1), to=0)


@breaks("enrollments.transitions_have_no_gaps")
def transitions_that_count_too_far(world: World) -> Rows:
    return renumbered(world, transition_of(world, 4), to=5)


@spares("enrollments.transitions_have_no_gaps")
def an_enrollment_to_which_nothing_happened(world: World) -> None:
    CandidateFactory(workspace=world.used.workspace, instance=world.used.enrollment.instance)


@breaks("enrollments.transitions_form_a_chain")
def a_transition_from_elsewhere(world: World) -> Rows:
    return came_from("candidate", transition_of(world, 3))


@breaks("enrollments.transitions_form_a_chain")
def a_first_transition_from_elsewhere(world: World) -> Rows:
    return came_from("rejected", transition_of(world, 1))


@breaks("enrollments.transitions_follow_the_machine")
def an_edge_that_does_not_exist(world: World) -> Rows:
    transition = transition_of(world, 2)
    EnrollmentTransition.objects.filter(pk=transition.pk).update(to_status="approved")
    return {
        "enrollments.transitions_follow_the_machine": [f"enrollment transition {transition.pk}"],
        "enrollments.transitions_form_a_chain": [f"enrollment transition {transition_of(world, 3).pk}"],
    }


@breaks("enrollments.transitions_follow_the_machine")
def an_edge_of_another_facet(world: World) -> Rows:
    """A transition from candidate to eligible, recorded for the participation."""
    transition = transition_of(world, 1)
    EnrollmentTransition.objects.filter(pk=transition.pk).update(facet="participation")
    return {
        "enrollments.transitions_follow_the_machine": [f"enrollment transition {transition.pk}"],
        "enrollments.transitions_form_a_chain": [
            f"enrollment transition {other.pk}"
            for other in EnrollmentTransition.objects.filter(enrollment=world.used.enrollment_id)
            if other.number in (1, 2) or (other.facet == "participation" and other.number > 1)
        ],
    }


@breaks("enrollments.transitions_have_their_event")
def a_change_told_as_something_else(world: World) -> str:
    told = OutboxEvent.objects.filter(aggregate=f"enrollment:{world.used.enrollment.cuid}", payload__number=4)
    told.update(type="enrollment.renamed")
    return f"enrollment transition {transition_of(world, 4).pk}"


@breaks("enrollments.transitions_have_their_event")
def a_change_nobody_was_told(world: World) -> str:
    transition = transition_of(world, 4)
    OutboxEvent.objects.filter(aggregate=f"enrollment:{world.used.enrollment.cuid}", payload__number=4).delete()
    return f"enrollment transition {transition.pk}"


@breaks("enrollments.decisions_are_published_as_they_are")
def a_decision_changed_in_silence(world: World) -> str:
    EnrollmentDecision.objects.filter(pk=world.used.pk).update(status="released")
    return f"decision {world.used.pk}"


@breaks("enrollments.decisions_are_published_as_they_are")
def a_decision_made_in_silence(world: World) -> str:
    OutboxEvent.objects.filter(aggregate=f"decision:{world.used.pk}").delete()
    return f"decision {world.used.pk}"


@breaks("enrollments.seats_are_published_as_they_are")
def a_seat_used_in_silence(world: World) -> Rows:
    SeatAssignment.objects.filter(pk=world.reserved.seat_id).update(status="used")
    return {
        "enrollments.seats_are_published_as_they_are": [f"seat holder {world.reserved.seat_id}"],
        "enrollments.held_seats_agree_with_their_enrollment": [f"seat holder {world.reserved.seat_id}"],
        "enrollments.seat_counters_equal_their_holders": [f"seat allocation {world.allocation.pk}"],
    }


@breaks("enrollments.seats_are_published_as_they_are")
def a_seat_taken_in_silence(world: World) -> str:
    OutboxEvent.objects.filter(aggregate=f"seat:{world.used.seat_id}").delete()
    return f"seat holder {world.used.seat_id}"


@breaks("enrollments.unconfirmed_applications_are_deleted")
def an_application_that_no_sweep_deletes(world: World) -> str:
    return _an_application_that_expired(world, hours=7)


@spares("enrollments.unconfirmed_applications_are_deleted")
def an_application_that_the_next_sweep_deletes(world: World) -> None:
    _an_application_that_expired(world, hours=5)


def _an_application_that_expired(world: World, *, hours: int) -> str:
    instance = world.paid.instance
    application = Application.objects.create(
        workspace=instance.workspace,
        instance=instance,
        submission=new_cuid(),
        token_digest=new_cuid(),
        applicant="guardian",
        email="parent@example.test",
        expires_at=utc_now() - dt.timedelta(hours=hours),
    )
    return f"application {application.pk}"


@spares("notifications.pending_notifications_are_pursued")
def an_email_that_was_given_up(world: World) -> None:
    notification = an_email_nobody_sends(world).split()[-1]
    Notification.objects.filter(pk=notification).update(status="dead")


@spares("notifications.pending_notifications_are_pursued")
def an_email_that_is_about_to_be_sent(world: World) -> None:
    notification = an_email_nobody_sends(world).split()[-1]
    Notification.objects.filter(pk=notification).update(next_attempt_at=utc_now() - dt.timedelta(minutes=14))


@breaks("notifications.pending_notifications_are_pursued")
def an_email_nobody_sends(world: World) -> str:
    overdue = utc_now() - dt.timedelta(minutes=16)
    notification = Notification.objects.create(
        workspace=world.paid.workspace, kind="news", recipient="parent@example.test", next_attempt_at=overdue
    )
    return f"email {notification.pk}"


def transition_of(world: World, number: int) -> EnrollmentTransition:
    return EnrollmentTransition.objects.get(enrollment=world.used.enrollment_id, number=number)


def came_from(status: str, transition: EnrollmentTransition) -> Rows:
    """Change a transition's source state, so that it fits neither its neighbor nor the state machine."""
    EnrollmentTransition.objects.filter(pk=transition.pk).update(from_status=status)
    return {
        "enrollments.transitions_form_a_chain": [f"enrollment transition {transition.pk}"],
        "enrollments.transitions_follow_the_machine": [f"enrollment transition {transition.pk}"],
    }


def renumbered(world: World, transition: EnrollmentTransition, *, to: int) -> Rows:
    """Give a transition a number that leaves a gap, and that its event does not have."""
    EnrollmentTransition.objects.filter(pk=transition.pk).update(number=to)
    return {
        "enrollments.transitions_have_no_gaps": [f"enrollment {world.used.enrollment_id}"],
        "enrollments.transitions_have_their_event": [f"enrollment transition {transition.pk}"],
    }
