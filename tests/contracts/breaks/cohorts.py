"""What breaks the invariants of cohorts, and what comes close."""

import datetime as dt

from django.db.models import QuerySet

from accounts.tests.factories import LearnerFactory, WorkspaceFactory
from billing.models import Checkout, Payment
from cohorts.models import (
    ClassSession,
    Cohort,
    CohortPlace,
    CohortSession,
    CourseStep,
    CourseStepOption,
    GroupClass,
    StepProgress,
    StudentPackage,
    WaitlistEntry,
)
from cohorts.tests.factories import CohortFactory, CourseFactory
from core.clock import utc_now
from enrollments.models import Enrollment
from tests.constraints import drop_constraint

from .world import Rows, World, breaks, copy, spares

LONG_AGO = dt.timedelta(days=365)


def packages(world: World) -> QuerySet[StudentPackage]:
    return StudentPackage.objects.filter(pk=world.package.pk)


def places(world: World, *, held: bool = False) -> QuerySet[CohortPlace]:
    """The place that was bought, or the one that is held."""
    return CohortPlace.objects.filter(pk=world.held.pk if held else world.package.place_id)


def progress(world: World, order: int) -> StepProgress:
    """Of the package: step 1 is booked, step 2 is not."""
    return StepProgress.objects.get(package=world.package, step__order=order)


def another_cohort(world: World) -> Cohort:
    """Of the same program, and not open."""
    return CohortFactory(instance=world.cohort.instance, is_active=False)


# --- Places -----------------------------------------------------------------------------------------------------------


@breaks("cohorts.place_counters_equal_their_holders")
def a_counter_that_lost_a_hold(world: World) -> str:
    Cohort.objects.filter(pk=world.cohort.pk).update(held_places=0)
    return f"cohort {world.cohort.pk}"


@breaks("cohorts.place_counters_equal_their_holders")
def a_counter_that_lost_a_taken_place(world: World) -> str:
    Cohort.objects.filter(pk=world.cohort.pk).update(current_enrollment=0)
    return f"cohort {world.cohort.pk}"


@breaks("cohorts.place_counters_equal_their_holders")
def more_places_than_the_cohort_has(world: World) -> str:
    drop_constraint(Cohort, "cohort_never_oversold")
    Cohort.objects.filter(pk=world.cohort.pk).update(max_enrollment=1)
    return f"cohort {world.cohort.pk}"


@breaks("cohorts.one_place_per_learner_and_cohort")
def a_learner_with_two_places(world: World) -> str:
    drop_constraint(CohortPlace, "place_one_per_learner")
    places(world, held=True).update(learner=world.package.learner_id)
    return f"cohort {world.cohort.pk}"


@breaks("cohorts.taken_places_have_their_package")
def a_taken_place_without_a_package(world: World) -> str:
    learner = LearnerFactory(workspace=world.cohort.instance.workspace)
    place = copy(world.package.place, learner_id=learner.pk)
    CohortPlace.objects.bulk_create([place])
    Cohort.objects.filter(pk=world.cohort.pk).update(max_enrollment=3, current_enrollment=2)
    return f"place {place.pk}"


@breaks("cohorts.holds_end")
def a_hold_whose_offer_is_over(world: World) -> str:
    places(world, held=True).update(checkout=None, held_until=utc_now() - dt.timedelta(minutes=16))
    Checkout.objects.filter(pk=world.held.checkout_id).update(status="expired")
    return f"place {world.held.pk}"


@breaks("cohorts.holds_end")
def a_hold_whose_checkout_is_over(world: World) -> str:
    Checkout.objects.filter(pk=world.held.checkout_id).update(status="expired")
    return f"place {world.held.pk}"


@spares("cohorts.holds_end")
def a_hold_whose_offer_ended_a_moment_ago(world: World) -> None:
    places(world, held=True).update(checkout=None, held_until=utc_now() - dt.timedelta(minutes=14))
    Checkout.objects.filter(pk=world.held.checkout_id).update(status="expired")


@breaks("cohorts.offers_hold_a_place")
def an_offer_of_no_place(world: World) -> str:
    WaitlistEntry.objects.filter(pk=world.entry.pk).update(status="offered")
    return f"waiting list entry {world.entry.pk}"


@breaks("cohorts.offers_hold_a_place")
def an_offer_of_a_place_that_is_taken(world: World) -> str:
    WaitlistEntry.objects.filter(pk=world.entry.pk).update(status="offered", place=world.package.place_id)
    return f"waiting list entry {world.entry.pk}"


@breaks("cohorts.live_checkouts_hold_a_place")
def a_checkout_whose_place_is_released(world: World) -> str:
    places(world, held=True).update(status="released")
    Cohort.objects.filter(pk=world.cohort.pk).update(held_places=0)
    return f"checkout {world.held.checkout_id}"


@breaks("cohorts.live_checkouts_hold_a_place")
def a_checkout_whose_place_is_offered_to_another(world: World) -> str:
    places(world, held=True).update(checkout=None)
    return f"checkout {world.held.checkout_id}"


# --- Packages ---------------------------------------------------------------------------------------------------------


@breaks("cohorts.one_live_package_per_learner_and_program")
def a_program_owned_twice(world: World) -> Rows:
    drop_constraint(StudentPackage, "package_one_live")
    second = copy(world.package)
    StudentPackage.objects.bulk_create([second])
    return {
        "cohorts.one_live_package_per_learner_and_program": [f"learner {world.package.learner_id}"],
        "cohorts.packages_have_every_step": [f"package {second.pk}"],
    }


@breaks("cohorts.live_packages_have_their_place")
def a_package_whose_place_is_released(world: World) -> str:
    places(world).update(status="released")
    Cohort.objects.filter(pk=world.cohort.pk).update(current_enrollment=0)
    return f"package {world.package.pk}"


@breaks("cohorts.live_packages_have_their_place")
def a_package_whose_place_is_in_another_cohort(world: World) -> str:
    packages(world).update(cohort=another_cohort(world))  # which shares the sessions
    return f"package {world.package.pk}"


@breaks("cohorts.live_packages_have_their_place")
def a_package_whose_place_is_another_learner_s(world: World) -> str:
    places(world).update(learner=LearnerFactory(workspace=world.cohort.instance.workspace))
    return f"package {world.package.pk}"


@breaks("cohorts.live_packages_have_their_place")
def a_package_whose_enrollment_was_rejected(world: World) -> Rows:
    Enrollment.objects.filter(pk=world.package.enrollment_id).update(eligibility_status="rejected")
    return {
        "cohorts.live_packages_have_their_place": [f"package {world.package.pk}"],
        "enrollments.facets_equal_their_last_transition": [f"enrollment {world.package.enrollment_id}"],
    }


@breaks("cohorts.live_packages_have_their_place")
def a_revoked_package_that_keeps_its_place(world: World) -> Rows:
    packages(world).update(revoked_at=utc_now())
    return {
        "cohorts.live_packages_have_their_place": [f"package {world.package.pk}"],
        "cohorts.taken_places_have_their_package": [f"place {world.package.place_id}"],
    }


@spares("cohorts.live_packages_have_their_place")
def a_revoked_package_whose_place_a_live_one_has(world: World) -> None:
    StudentPackage.objects.bulk_create([copy(world.package, revoked_at=utc_now())])


@spares("cohorts.live_packages_have_their_place")
def a_revoked_package_whose_place_is_released(world: World) -> None:
    packages(world).update(revoked_at=utc_now())
    places(world).update(status="released")
    Cohort.objects.filter(pk=world.cohort.pk).update(current_enrollment=0)


@breaks("cohorts.packages_agree_with_their_money")
def a_package_that_outlived_its_money(world: World) -> Rows:
    payment = world.package.payment_id
    Payment.objects.filter(pk=payment).update(status="refunded", refunded_minor=4900)
    return {
        "cohorts.packages_agree_with_their_money": [f"package {world.package.pk}"],
        "billing.payments_count_their_refunds": [f"payment {payment}"],
        "billing.invoices_add_up_to_payments": [f"payment {payment}"],
    }


@breaks("cohorts.packages_agree_with_their_money")
def a_package_whose_enrollment_hides_a_refund(world: World) -> Rows:
    payment = world.package.payment_id
    Payment.objects.filter(pk=payment).update(status="partially_refunded", refunded_minor=900)
    return {
        "cohorts.packages_agree_with_their_money": [f"enrollment {world.package.enrollment_id}"],
        "billing.payments_count_their_refunds": [f"payment {payment}"],
        "billing.invoices_add_up_to_payments": [f"payment {payment}"],
    }


@breaks("cohorts.packages_agree_with_their_money")
def a_package_whose_enrollment_tells_of_no_refund(world: World) -> Rows:
    Enrollment.objects.filter(pk=world.package.enrollment_id).update(payment_status="partially_refunded")
    return {
        "cohorts.packages_agree_with_their_money": [f"enrollment {world.package.enrollment_id}"],
        "enrollments.facets_equal_their_last_transition": [f"enrollment {world.package.enrollment_id}"],
    }


@breaks("cohorts.settled_payments_bought_something")
def money_that_bought_nothing(world: World) -> str:
    Payment.objects.filter(pk=world.package.payment_id).update(paid_at=utc_now() - LONG_AGO)
    packages(world).update(payment=None)
    return f"payment {world.package.payment_id}"


# --- Steps and sessions -----------------------------------------------------------------------------------------------


@breaks("cohorts.booked_counts_equal_their_holders")
def a_session_that_counts_too_many(world: World) -> str:
    session = ClassSession.objects.filter(booked_count=0, cohort_sessions__cohort=world.cohort).order_by("pk")[0]
    ClassSession.objects.filter(pk=session.pk).update(booked_count=1)
    return f"class session {session.pk}"


@breaks("cohorts.booked_counts_equal_their_holders")
def more_booked_than_the_session_seats(world: World) -> str:
    drop_constraint(ClassSession, "class_session_never_overbooked")
    session = progress(world, 1).class_session_id
    ClassSession.objects.filter(pk=session).update(max_students=0)
    return f"class session {session}"


@breaks("cohorts.steps_hold_a_session_of_their_own")
def a_step_booked_where_its_cohort_has_no_session(world: World) -> str:
    CohortSession.objects.filter(cohort=world.cohort, step__order=1).delete()
    return f"step progress {progress(world, 1).pk}"


@breaks("cohorts.steps_hold_a_session_of_their_own")
def a_step_booked_in_the_option_of_another(world: World) -> str:
    booked = progress(world, 1)
    option = CourseStepOption.objects.filter(step=progress(world, 2).step_id).order_by("pk")[0]
    StepProgress.objects.filter(pk=booked.pk).update(option=option)
    return f"step progress {booked.pk}"


@breaks("cohorts.steps_hold_a_session_of_their_own")
def a_step_booked_in_the_session_of_another(world: World) -> Rows:
    booked = progress(world, 1)
    other = CohortSession.objects.filter(cohort=world.cohort, step__order=2).order_by("pk")[0].class_session_id
    StepProgress.objects.filter(pk=booked.pk).update(class_session=other)
    return {
        "cohorts.steps_hold_a_session_of_their_own": [f"step progress {booked.pk}"],
        "cohorts.booked_counts_equal_their_holders": [
            f"class session {booked.class_session_id}",
            f"class session {other}",
        ],
    }


@breaks("cohorts.packages_have_every_step")
def a_step_of_another_program(world: World) -> str:
    program = CourseFactory(workspace=world.cohort.instance.workspace)
    step = CourseStep.objects.create(program=program, order=1, label="Week 1", title="Elsewhere")
    foreign = StepProgress.objects.create(package=world.package, step=step)
    return f"step progress {foreign.pk}"


@breaks("cohorts.packages_have_every_step")
def a_package_that_lacks_a_step(world: World) -> str:
    progress(world, 2).delete()
    return f"package {world.package.pk}"


@breaks("cohorts.completion_follows_the_steps")
def a_package_with_every_required_step_done(world: World) -> str:
    """A required step was taken out by hand."""
    StepProgress.objects.filter(pk=progress(world, 1).pk).update(status="COMPLETED")
    CourseStep.objects.filter(pk=progress(world, 2).step_id).update(required=False)
    return f"package {world.package.pk}"


@breaks("cohorts.completion_follows_the_steps")
def a_completed_package_whose_participation_goes_on(world: World) -> str:
    packages(world).update(completed_at=utc_now())
    return f"package {world.package.pk}"


@breaks("cohorts.completion_follows_the_steps")
def a_participation_that_ended_without_its_package(world: World) -> Rows:
    Enrollment.objects.filter(pk=world.package.enrollment_id).update(participation_status="completed")
    return {
        "cohorts.completion_follows_the_steps": [f"package {world.package.pk}"],
        "enrollments.facets_equal_their_last_transition": [f"enrollment {world.package.enrollment_id}"],
    }


@breaks("cohorts.open_cohorts_have_sessions")
def an_open_cohort_without_sessions(world: World) -> str:
    cohort = CohortFactory(instance=world.cohort.instance, scheduled=False)
    return f"cohort {cohort.pk}"


@spares("cohorts.open_cohorts_have_sessions")
def a_closed_cohort_without_sessions(world: World) -> None:
    CohortFactory(instance=world.cohort.instance, scheduled=False, is_active=False)


# --- Tenancy ----------------------------------------------------------------------------------------------------------


@breaks("cohorts.cohorts_stay_inside_their_workspace")
def a_place_of_a_foreign_learner(world: World) -> Rows:
    places(world, held=True).update(learner=LearnerFactory())
    return {
        "cohorts.cohorts_stay_inside_their_workspace": [f"place {world.held.pk}"],
        "accounts.foreign_keys_stay_in_their_workspace": [f"cohort place {world.held.pk}"],
    }


@breaks("cohorts.cohorts_stay_inside_their_workspace")
def a_session_of_a_foreign_class(world: World) -> Rows:
    session = CohortSession.objects.get(cohort=world.cohort, step__order=1)
    GroupClass.objects.filter(pk=session.option.group_class_id).update(workspace=WorkspaceFactory())
    return {
        "cohorts.cohorts_stay_inside_their_workspace": [f"cohort session {session.pk}"],
        "accounts.foreign_keys_stay_in_their_workspace": [
            f"cohort session {session.pk}",
            f"course step option {session.option_id}",
            f"step progress {progress(world, 1).pk}",
        ],
    }


@breaks("cohorts.cohorts_stay_inside_their_workspace")
def a_session_of_another_program_s_step(world: World) -> Rows:
    session = CohortSession.objects.get(cohort=world.cohort, step__order=1)
    program = CourseFactory(workspace=world.cohort.instance.workspace)
    CourseStep.objects.filter(pk=session.step_id).update(program=program)
    return {
        "cohorts.cohorts_stay_inside_their_workspace": [f"cohort session {session.pk}"],
        "cohorts.packages_have_every_step": [f"step progress {progress(world, 1).pk}"],
    }


@breaks("cohorts.cohorts_stay_inside_their_workspace")
def a_session_whose_option_is_another_step_s(world: World) -> str:
    session = CohortSession.objects.filter(cohort=world.cohort, step__order=2).order_by("pk")[0]
    CohortSession.objects.filter(pk=session.pk).update(step=progress(world, 1).step_id)
    return f"cohort session {session.pk}"


@breaks("cohorts.cohorts_stay_inside_their_workspace")
def a_session_that_another_class_holds(world: World) -> str:
    first, second = CohortSession.objects.filter(cohort=world.cohort, step__order=2).order_by("pk")
    CohortSession.objects.filter(pk=first.pk).update(class_session=second.class_session_id)
    return f"cohort session {first.pk}"
