"""Breaches of the invariants of places and packages, and near misses."""

import datetime as dt

from django.db.models import QuerySet

from accounts.tests.factories import LearnerFactory
from billing.models import Checkout, Payment
from cohorts.models import (
    Cohort,
    CohortPlace,
    StepProgress,
    StudentPackage,
    WaitlistEntry,
)
from cohorts.tests.factories import CohortFactory, buy_on_rows, cohort_with
from core.clock import utc_now
from enrollments.models import Enrollment
from tests.constraints import drop_constraint

from .billing import a_payment_beside
from .world import Rows, World, breaks, copy, spares

LONG_AGO = dt.timedelta(days=365)


def packages(world: World) -> QuerySet[StudentPackage]:
    return StudentPackage.objects.filter(pk=world.package.pk)


def places(world: World, *, held: bool = False) -> QuerySet[CohortPlace]:
    """Return the place that was bought, or the one that is held."""
    return CohortPlace.objects.filter(pk=world.held.pk if held else world.package.place_id)


def progress(world: World, order: int) -> StepProgress:
    """Return the package's progress: step 1 is booked, step 2 is not."""
    return StepProgress.objects.get(package=world.package, step__order=order)


def another_cohort(world: World) -> Cohort:
    """Return another cohort of the same program, which is not open."""
    return CohortFactory(instance=world.cohort.instance, is_active=False)


def unscheduled_cohort(world: World) -> Cohort:
    return CohortFactory(instance=world.cohort.instance, scheduled=False, is_active=False)


def another_buyer(world: World) -> StudentPackage:
    """Create a second learner, who has the course with a place of their own."""
    Cohort.objects.filter(pk=world.cohort.pk).update(max_enrollment=3)
    return buy_on_rows(Cohort.objects.get(pk=world.cohort.pk))


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


@spares("cohorts.one_place_per_learner_and_cohort")
def a_learner_with_a_place_in_each_of_two_cohorts(world: World) -> None:
    """The learner had held another one in the first before."""
    learner = world.package.learner_id
    Cohort.objects.filter(pk=world.cohort.pk).update(held_places=0)
    other = CohortFactory(instance=world.cohort.instance, is_active=False, held_places=1)
    places(world, held=True).update(learner=learner, cohort=other)
    CohortPlace.objects.bulk_create([copy(world.package.place, status="released")])


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


@spares("cohorts.holds_end")
def a_hold_whose_money_is_on_its_way(world: World) -> None:
    Checkout.objects.filter(pk=world.held.checkout_id).update(status="processing")


@spares("cohorts.offers_hold_a_place")
def an_offer_of_a_place_that_is_held(world: World) -> None:
    WaitlistEntry.objects.filter(pk=world.entry.pk).update(status="offered", place=world.held.pk)


@breaks("cohorts.offers_hold_a_place")
def an_offer_of_no_place(world: World) -> str:
    WaitlistEntry.objects.filter(pk=world.entry.pk).update(status="offered")
    return f"waitlist entry {world.entry.pk}"


@breaks("cohorts.offers_hold_a_place")
def an_offer_of_a_place_that_is_taken(world: World) -> str:
    WaitlistEntry.objects.filter(pk=world.entry.pk).update(status="offered", place=world.package.place_id)
    return f"waitlist entry {world.entry.pk}"


@breaks("cohorts.live_checkouts_hold_a_place")
def a_checkout_whose_place_is_released(world: World) -> str:
    places(world, held=True).update(status="released")
    Cohort.objects.filter(pk=world.cohort.pk).update(held_places=0)
    return f"checkout {world.held.checkout_id}"


@breaks("cohorts.live_checkouts_hold_a_place")
def a_checkout_in_processing_whose_place_is_released(world: World) -> str:
    Checkout.objects.filter(pk=world.held.checkout_id).update(status="processing")
    return a_checkout_whose_place_is_released(world)


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


@spares("cohorts.one_live_package_per_learner_and_program")
def a_second_learner_of_the_course_and_a_second_course_of_the_learner(world: World) -> None:
    another_buyer(world)
    buy_on_rows(cohort_with(instance__workspace=world.cohort.instance.workspace), world.package.learner)


@breaks("cohorts.live_packages_have_their_place")
def a_package_whose_place_is_released(world: World) -> str:
    places(world).update(status="released")
    Cohort.objects.filter(pk=world.cohort.pk).update(current_enrollment=0)
    return f"package {world.package.pk}"


@breaks("cohorts.live_packages_have_their_place")
def a_package_whose_place_is_in_another_cohort(world: World) -> str:
    packages(world).update(cohort=another_cohort(world))  # shares the sessions
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
    another_buyer(world)  # whose package is live and has a place of its own
    packages(world).update(revoked_at=utc_now())
    return {
        "cohorts.live_packages_have_their_place": [f"package {world.package.pk}"],
        "cohorts.taken_places_have_their_package": [f"place {world.package.place_id}"],
    }


@breaks("cohorts.live_packages_have_their_place")
def a_revoked_package_whose_place_is_still_held(world: World) -> Rows:
    packages(world).update(revoked_at=utc_now())
    places(world).update(status="held")
    Cohort.objects.filter(pk=world.cohort.pk).update(current_enrollment=0, held_places=2)
    return {
        "cohorts.live_packages_have_their_place": [f"package {world.package.pk}"],
        "cohorts.holds_end": [f"place {world.package.place_id}"],
    }


@spares("cohorts.live_packages_have_their_place")
def a_revoked_package_whose_place_a_live_one_has(world: World) -> None:
    StudentPackage.objects.bulk_create([copy(world.package, revoked_at=utc_now())])


@spares("cohorts.live_packages_have_their_place")
def a_revoked_package_whose_place_is_released(world: World) -> None:
    packages(world).update(revoked_at=utc_now())
    places(world).update(status="released")
    Cohort.objects.filter(pk=world.cohort.pk).update(current_enrollment=0)
    just_paid = Payment.objects.filter(pk=world.package.payment_id)
    just_paid.update(paid_at=utc_now())  # however long the tests before this one took


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


@spares("cohorts.packages_agree_with_their_money")
def a_revoked_package_whose_money_is_back(world: World) -> Rows:
    a_revoked_package_whose_place_is_released(world)
    a_package_that_outlived_its_money(world)
    payment = f"payment {world.package.payment_id}"
    return {
        "billing.payments_count_their_refunds": [payment],
        "billing.invoices_add_up_to_payments": [payment],
    }


@spares("cohorts.settled_payments_bought_something")
def money_that_never_came(world: World) -> None:
    a_payment_beside(world, purpose="cohort_place", status="failed", paid_at=None)


@breaks("cohorts.settled_payments_bought_something")
def money_whose_package_was_revoked(world: World) -> str:
    a_revoked_package_whose_place_is_released(world)
    Payment.objects.filter(pk=world.package.payment_id).update(paid_at=utc_now() - LONG_AGO)
    return f"payment {world.package.payment_id}"


@breaks("cohorts.settled_payments_bought_something")
def money_that_bought_nothing(world: World) -> Rows:
    Payment.objects.filter(pk=world.package.payment_id).update(paid_at=utc_now() - LONG_AGO)
    packages(world).update(payment=None)
    return {
        "cohorts.settled_payments_bought_something": [f"payment {world.package.payment_id}"],
        "cohorts.paid_enrollments_have_money_behind_them": [f"enrollment {world.package.enrollment_id}"],
    }
