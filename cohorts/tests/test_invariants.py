"""Each invariant of cohorts names its breach, and a sound world breaks none."""

from collections.abc import Callable

import pytest
from django.db import transaction

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory, WorkspaceFactory
from billing.models import Payment
from cohorts import invariants
from cohorts.models import (
    ClassSession,
    Cohort,
    CohortPlace,
    CohortSession,
    CourseStep,
    StepProgress,
    StudentPackage,
    WaitlistEntry,
)
from cohorts.sale.waitlist import join_waitlist
from cohorts.tests.factories import buy, cohort_with, start
from core.clock import utc_now
from core.invariants import Extent
from sandbox.testing import SandboxProcess
from tests.constraints import drop_constraint

pytestmark = [pytest.mark.django_db]

Break = Callable[[], None]
BREAKS: dict[str, Break] = {}


def breaks(action: Break) -> Break:
    BREAKS[action.__name__] = action
    return action


@pytest.fixture
def world(stripe: SandboxProcess) -> Cohort:
    """A bought place, a held one and somebody in line, in a full cohort."""
    cohort = cohort_with(options=(1, 2), max_enrollment=2)
    buy(stripe, cohort)
    start(cohort)
    join_waitlist(learner_id=LearnerFactory(workspace=cohort.instance.workspace).pk, cohort_id=cohort.pk)
    return cohort


def breaches() -> set[str]:
    extent = Extent(now=utc_now(), workspace_id=None)
    return {rule.__name__ for rule in invariants.INVARIANTS if list(rule(extent))}


def bought() -> StudentPackage:
    return StudentPackage.objects.get()


@breaks
def place_counters_equal_their_holders() -> None:
    Cohort.objects.update(held_places=0)


@breaks
def one_place_per_learner_and_cohort() -> None:
    drop_constraint(CohortPlace, "place_one_per_learner")
    CohortPlace.objects.filter(status="held").update(learner=bought().learner)


@breaks
def booked_counts_equal_their_holders() -> None:
    ClassSession.objects.filter(booked_count=0).update(booked_count=1)


@breaks
def one_live_package_per_learner_and_program() -> None:
    drop_constraint(StudentPackage, "package_one_live")
    package = bought()
    package.pk, package._state.adding = None, True
    package.save()


@breaks
def live_packages_have_their_place() -> None:
    CohortPlace.objects.filter(status="taken").update(status="released")


@breaks
def taken_places_have_their_package() -> None:
    StudentPackage.objects.update(revoked_at=utc_now())


@breaks
def steps_hold_a_session_of_their_own() -> None:
    CohortSession.objects.filter(step__order=1).delete()


@breaks
def packages_have_every_step() -> None:
    """One of the two is enough."""
    StepProgress.objects.filter(status="UNBOOKED").delete()


@breaks
def completion_follows_the_steps() -> None:
    """Of three ways the one that used to happen: a required step was taken out by hand."""
    StepProgress.objects.filter(status="BOOKED").update(status="COMPLETED")
    CourseStep.objects.exclude(order=1).update(required=False)


@breaks
def holds_end() -> None:
    CohortPlace.objects.filter(status="held").update(checkout=None, held_until=bought().purchased_at.replace(year=2020))


@breaks
def offers_hold_a_place() -> None:
    WaitlistEntry.objects.update(status="offered")


@breaks
def live_checkouts_hold_a_place() -> None:
    CohortPlace.objects.filter(status="held").update(status="released")


@breaks
def settled_payments_bought_something() -> None:
    Payment.objects.update(paid_at=utc_now().replace(year=2020))
    StudentPackage.objects.update(payment=None)


@breaks
def open_cohorts_have_sessions() -> None:
    CohortSession.objects.all().delete()


@breaks
def packages_agree_with_their_money() -> None:
    Payment.objects.update(status="refunded", refunded_minor=4900)


@breaks
def cohorts_stay_inside_their_workspace() -> None:
    Learner.objects.filter(packages__isnull=False).update(workspace=WorkspaceFactory())


class TestTheInvariants:
    def test_of_a_sound_world_hold(self, world: Cohort) -> None:
        assert breaches() == set()

    def test_are_each_seen_broken(self) -> None:
        assert set(BREAKS) == {rule.__name__ for rule in invariants.INVARIANTS}

    @pytest.mark.parametrize("name", BREAKS)
    def test_name_what_breaks_them(self, world: Cohort, name: str) -> None:
        with transaction.atomic():
            BREAKS[name]()

        assert name in breaches()
