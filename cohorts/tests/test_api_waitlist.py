"""The waiting list over the API."""

from typing import Any

import pytest

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory
from billing.checkout import cancel_checkout
from cohorts.models import Cohort, CohortPlace, WaitlistEntry
from cohorts.sale.waitlist import join_waitlist
from cohorts.tests.callers import Family, fields, parent_of, problem, student_of
from cohorts.tests.factories import cohort_with, start
from core.clock import utc_now
from events.models import OutboxEvent
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db


def url(cohort: Cohort) -> str:
    return f"/api/course-programs/{cohort.instance.program.code}/cohorts/{cohort.pk}/waitlist"


def full_cohort(stripe: SandboxProcess) -> Cohort:
    """Return a cohort whose only place somebody is paying for."""
    cohort = cohort_with(max_enrollment=1)
    start(cohort)
    return cohort


def free_the_place() -> None:
    place = CohortPlace.objects.get(checkout__isnull=False)
    assert place.checkout_id is not None
    cancel_checkout(checkout_id=place.checkout_id, now=utc_now())


def state() -> tuple[Any, ...]:
    entries = WaitlistEntry.objects.order_by("pk").values_list("status", "rank")
    return list(entries), OutboxEvent.objects.count(), Learner.objects.count()


class TestJoining:
    def test_answers_with_the_position(self, stripe: SandboxProcess) -> None:
        cohort = full_cohort(stripe)
        join_waitlist(
            learner_id=LearnerFactory(workspace=cohort.instance.workspace).pk, cohort_id=cohort.pk, now=utc_now()
        )
        family, learner = student_of(cohort.instance.workspace, first_name="Jane", last_name="Doe")

        response = family.post(url(cohort))

        entry = WaitlistEntry.objects.get(learner=learner)
        assert response.status_code == 201
        assert response.json() == {
            "cohortId": cohort.pk,
            "learner": {"learnerId": learner.cuid, "firstName": "Jane", "lastName": "Doe"},
            "status": "waiting",
            "position": 2,
            "offerExpiresAt": None,
            "joinedAt": entry.created_at.isoformat().replace("+00:00", "Z"),
        }
        assert family.get(url(cohort)).json() == [response.json()]

    def test_again_is_a_conflict_but_a_repeat_of_the_request_is_not(self, stripe: SandboxProcess) -> None:
        cohort = full_cohort(stripe)
        family, _ = student_of(cohort.instance.workspace)
        first = family.post(url(cohort), **{"Idempotency-Key": "k1"})

        repeat = family.post(url(cohort), **{"Idempotency-Key": "k1"})
        second = family.post(url(cohort))

        assert (repeat.status_code, repeat.json()) == (201, first.json())
        assert problem(second) == (409, "already_in_line")
        assert WaitlistEntry.objects.count() == 1

    def test_is_needless_while_places_are_free(self) -> None:
        cohort = cohort_with()
        family = Family("new@home.test")
        before = state()

        response = family.post(url(cohort), {"firstName": "Nora", "lastName": "New"})

        assert problem(response) == (409, "places_free")
        assert state() == before

    def test_of_what_does_not_exist_or_for_a_stranger_s_child_is_not_found(self, stripe: SandboxProcess) -> None:
        cohort = full_cohort(stripe)
        stranger = LearnerFactory(workspace=cohort.instance.workspace)
        family, _ = student_of(cohort.instance.workspace)
        before = state()

        nowhere = family.post(f"/api/course-programs/{cohort.instance.program.code}/cohorts/999999/waitlist")
        nobody = family.post(url(cohort), {"learnerId": stranger.cuid})

        assert problem(nowhere) == (404, "cohort_not_found")
        assert (problem(nobody), fields(nobody)) == ((404, "not_found"), ["learnerId"])
        assert state() == before

    @pytest.mark.parametrize("body", [{"learnerId": 5}, {"learnerId": "x"}])
    def test_refuses_what_makes_no_sense(self, stripe: SandboxProcess, body: dict[str, Any]) -> None:
        cohort = full_cohort(stripe)
        family, _ = student_of(cohort.instance.workspace)
        before = state()

        response = family.post(url(cohort), body)

        assert (problem(response), fields(response)) == ((422, "invalid"), ["learnerId"])
        assert state() == before


class TestAnOffer:
    @pytest.mark.sqlite
    def test_is_shown_with_its_end_and_taken_by_enrolling(self, stripe: SandboxProcess) -> None:
        cohort = full_cohort(stripe)
        family, learner = student_of(cohort.instance.workspace)
        family.post(url(cohort))
        free_the_place()

        offered = family.get(url(cohort)).json()[0]
        enrolled = family.post(url(cohort).replace("waitlist", "enroll"))

        assert offered["status"] == "offered"
        assert offered["offerExpiresAt"] is not None
        assert enrolled.status_code == 200
        assert CohortPlace.objects.get(learner=learner).checkout is not None

    def test_that_is_declined_goes_to_the_next(self, stripe: SandboxProcess) -> None:
        cohort = full_cohort(stripe)
        family, _ = student_of(cohort.instance.workspace)
        family.post(url(cohort))
        other, _ = student_of(cohort.instance.workspace, email="other@school.test")
        other.post(url(cohort))
        free_the_place()

        response = family.delete(url(cohort))

        assert response.status_code == 204
        assert family.get(url(cohort)).json() == []
        assert other.get(url(cohort)).json()[0]["status"] == "offered"
        assert Cohort.objects.get(pk=cohort.pk).held_places == 1


class TestLeaving:
    def test_ends_the_wait(self, stripe: SandboxProcess) -> None:
        cohort = full_cohort(stripe)
        family, _ = student_of(cohort.instance.workspace)
        family.post(url(cohort))

        response = family.delete(url(cohort))

        assert (response.status_code, response.content) == (204, b"")
        assert WaitlistEntry.objects.get().status == "left"

    @pytest.mark.sqlite
    def test_without_having_joined_is_a_conflict(self, stripe: SandboxProcess) -> None:
        cohort = full_cohort(stripe)
        stranger, _ = student_of(cohort.instance.workspace, email="other@school.test")
        family, learner = student_of(cohort.instance.workspace)
        family.post(url(cohort))
        before = state()

        answers = [stranger.delete(url(cohort)), stranger.delete(f"{url(cohort)}?learnerId={learner.cuid}")]

        assert [problem(answer) for answer in answers] == [(409, "not_in_line")] * 2
        assert state() == before

    def test_asks_who_leaves_where_several_are_in_line(self, stripe: SandboxProcess) -> None:
        cohort = full_cohort(stripe)
        ann, ben = LearnerFactory.create_batch(2, workspace=cohort.instance.workspace)
        family = parent_of(ann, ben)
        for child in (ann, ben):
            family.post(url(cohort), {"learnerId": child.cuid})

        unnamed = family.delete(url(cohort))
        nonsense = family.delete(f"{url(cohort)}?learnerId=x")
        named = family.delete(f"{url(cohort)}?learnerId={ben.cuid}")

        assert (problem(unnamed), fields(unnamed)) == ((422, "invalid"), ["learnerId"])
        assert (problem(nonsense), fields(nonsense)) == ((422, "invalid"), ["learnerId"])
        assert named.status_code == 204
        assert [entry["learner"]["learnerId"] for entry in family.get(url(cohort)).json()] == [ann.cuid]
