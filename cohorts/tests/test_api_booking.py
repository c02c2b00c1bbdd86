"""Booking, canceling, and swapping sessions over the API."""

from typing import Any

import pytest
from pytest_django import Settings

from cohorts.learning.attendance import mark_attended
from cohorts.learning.booking import Selection, book_sessions
from cohorts.models import ClassSession, StudentPackage
from cohorts.tests.callers import fields, problem
from cohorts.tests.factories import CohortFactory, buy, cohort_with
from cohorts.tests.purchases import PACKAGES, START, bought, choice, session_of, state
from core.clock import utc_now
from enrollments.tests.factories import STAFF
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db


class TestBooking:
    def url(self, package: StudentPackage) -> str:
        return f"{PACKAGES}/{package.pk}/book-sessions"

    def test_answers_as_documented(self) -> None:
        family, package = bought()
        chosen = session_of(package, 2, 1)

        response = family.post(self.url(package), {"selections": [choice(chosen)]})

        body = response.json()
        assert response.status_code == 200
        assert (body["autoBooked"], body["manualSelections"]) == ([], [chosen.step_id])
        assert len(body["booked"]) == 1
        row = body["booked"][0]
        assert (row["courseStepId"], row["status"], row["session"]["startsAt"]) == (
            chosen.step_id,
            "BOOKED",
            "2094-01-20T23:00:00Z",
        )
        assert ClassSession.objects.get(pk=chosen.class_session_id).booked_count == 1

    def test_books_what_leaves_no_choice_without_being_asked(self) -> None:
        family, package = bought()
        only = session_of(package, 1)
        family.post(f"{PACKAGES}/{package.pk}/steps/{only.step_id}/cancel")

        body = family.post(self.url(package), {"selections": []}).json()

        assert (body["autoBooked"], body["manualSelections"]) == ([only.step_id], [])
        assert [row["courseStepId"] for row in body["booked"]] == [only.step_id]

    def test_is_not_kept_back_by_a_full_class_that_leaves_no_choice(self) -> None:
        family, package = bought(seats=2)
        only, chosen = session_of(package, 1), session_of(package, 2)
        family.post(f"{PACKAGES}/{package.pk}/steps/{only.step_id}/cancel")
        ClassSession.objects.filter(pk=only.class_session_id).update(booked_count=2)

        body = family.post(self.url(package), {"selections": [choice(chosen)]}).json()

        assert (body["autoBooked"], body["manualSelections"]) == ([], [chosen.step_id])

    def test_with_the_same_key_books_once(self) -> None:
        family, package = bought()
        body = {"selections": [choice(session_of(package, 2))]}
        first = family.post(self.url(package), body, **{"Idempotency-Key": "k1"})

        again = family.post(self.url(package), body, **{"Idempotency-Key": "k1"})
        other = family.post(self.url(package), body, **{"Idempotency-Key": "k2"})

        assert again.json() == first.json()
        assert again["Idempotent-Replayed"] == "true"
        assert problem(other) == (409, "step_already_booked")
        assert other.json()["stepIds"] == [body["selections"][0]["courseStepId"]]

    def test_of_a_full_session_books_none_of_the_request(self) -> None:
        family, package = bought(options=(2, 2), seats=1)
        free, full = session_of(package, 1), session_of(package, 2)
        ClassSession.objects.filter(pk=full.class_session_id).update(booked_count=1)
        before = state()

        response = family.post(self.url(package), {"selections": [choice(free), choice(full)]})

        assert problem(response) == (409, "session_full")
        assert response.json()["stepIds"] == [full.step_id]
        assert state() == before

    def test_of_a_step_that_was_attended_is_refused(self) -> None:
        family, package = bought()
        row = package.progress.get(status="BOOKED")
        assert row.class_session is not None
        mark_attended(progress_id=row.pk, actor=STAFF, now=row.class_session.ends_at)
        before = state()

        response = family.post(self.url(package), {"selections": [choice(session_of(package, 1))]})

        assert problem(response) == (409, "step_already_booked")
        assert state() == before

    def test_of_two_sessions_at_once_is_refused(self) -> None:
        family, package = bought(options=(2, 2))
        first, second = session_of(package, 1), session_of(package, 2)
        times = {"starts_at": first.class_session.starts_at, "ends_at": first.class_session.ends_at}
        ClassSession.objects.filter(pk=second.class_session_id).update(**times)
        before = state()

        response = family.post(self.url(package), {"selections": [choice(first), choice(second)]})

        assert problem(response) == (409, "time_conflict")
        assert state() == before

    def test_of_an_option_that_is_not_of_this_step_and_cohort_is_refused(self, stripe: SandboxProcess) -> None:
        family, package = bought(options=(2, 2))
        good, other_step = session_of(package, 1), session_of(package, 2)
        other_cohort = CohortFactory(instance=package.cohort.instance, scheduled=False)
        foreign = session_of(buy(stripe, cohort_with(options=(2,), start_date=START)), 1)
        before = state()

        answers = [
            family.post(self.url(package), {"selections": [choice(good), wrong]})
            for wrong in (
                {"courseStepId": other_step.step_id, "courseStepOptionId": good.option_id},
                choice(foreign),
                {"courseStepId": 2**63 - 1, "courseStepOptionId": 2**63 - 1},
                choice(good),
            )
        ]

        assert other_cohort.sessions.count() == 0
        assert [problem(answer) for answer in answers] == [(422, "invalid")] * 4
        assert [fields(answer) for answer in answers] == [["selections[1].courseStepOptionId"]] * 4
        assert state() == before

    @pytest.mark.parametrize(
        ("body", "named"),
        [
            ({}, ["selections"]),
            ({"selections": None}, ["selections"]),
            ({"selections": {}}, ["selections"]),
            ({"selections": [{}]}, ["selections[0].courseStepId", "selections[0].courseStepOptionId"]),
            ({"selections": [5]}, ["selections[0]"]),
            ({"selections": [{"courseStepId": "1", "courseStepOptionId": 1}]}, ["selections[0].courseStepId"]),
            ({"selections": [{"courseStepId": 1, "courseStepOptionId": 1.5}]}, ["selections[0].courseStepOptionId"]),
            ({"selections": [{"courseStepId": True, "courseStepOptionId": 1}]}, ["selections[0].courseStepId"]),
            ({"selections": [{"courseStepId": 0, "courseStepOptionId": 1}]}, ["selections[0].courseStepId"]),
            ({"selections": [{"courseStepId": 10**30, "courseStepOptionId": 1}]}, ["selections[0].courseStepId"]),
            ({"selections": [{"courseStepId": 1, "courseStepOptionId": 1}] * 101}, ["selections"]),
        ],
    )
    def test_refuses_what_makes_no_sense_by_name(self, body: dict[str, Any], named: list[str]) -> None:
        family, package = bought()
        before = state()

        response = family.post(self.url(package), body)

        assert problem(response) == (422, "invalid")
        assert fields(response) == named
        assert state() == before


class TestChangingABooking:
    def test_gives_the_session_back(self) -> None:
        family, package = bought()
        only = session_of(package, 1)

        response = family.post(f"{PACKAGES}/{package.pk}/steps/{only.step_id}/cancel")

        row = response.json()
        assert response.status_code == 200
        assert (row["status"], row["session"], row["courseStepOptionId"], row["bookedAt"]) == (
            "UNBOOKED",
            None,
            None,
            None,
        )
        assert ClassSession.objects.get(pk=only.class_session_id).booked_count == 0

    @pytest.mark.sqlite
    def test_takes_the_other_session_for_it(self) -> None:
        family, package = bought()
        old, new = session_of(package, 2), session_of(package, 2, 1)
        book_sessions(package_id=package.pk, selections=[Selection(old.step_id, old.option_id)], now=utc_now())

        response = family.post(
            f"{PACKAGES}/{package.pk}/steps/{old.step_id}/swap", {"courseStepOptionId": new.option_id}
        )

        assert (response.json()["status"], response.json()["session"]["sessionId"]) == ("BOOKED", new.class_session_id)
        counts = dict(ClassSession.objects.values_list("pk", "booked_count"))
        assert (counts[old.class_session_id], counts[new.class_session_id]) == (0, 1)

    def test_to_a_full_session_keeps_the_old_one(self) -> None:
        family, package = bought(seats=1)
        old, new = session_of(package, 2), session_of(package, 2, 1)
        book_sessions(package_id=package.pk, selections=[Selection(old.step_id, old.option_id)], now=utc_now())
        ClassSession.objects.filter(pk=new.class_session_id).update(booked_count=1)
        before = state()

        response = family.post(
            f"{PACKAGES}/{package.pk}/steps/{old.step_id}/swap", {"courseStepOptionId": new.option_id}
        )

        assert problem(response) == (409, "session_full")
        assert state() == before

    @pytest.mark.parametrize("body", [{}, {"courseStepOptionId": "1"}, {"courseStepOptionId": 2**62}])
    def test_to_what_is_no_option_is_refused(self, body: dict[str, Any]) -> None:
        family, package = bought()
        step = package.progress.get(status="BOOKED").step_id
        before = state()

        response = family.post(f"{PACKAGES}/{package.pk}/steps/{step}/swap", body)

        assert problem(response) == (422, "invalid")
        assert fields(response) == ["courseStepOptionId"]
        assert state() == before

    @pytest.mark.parametrize("change", ["cancel", "swap"])
    def test_too_late_or_of_a_step_without_a_session_is_refused(self, settings: Settings, change: str) -> None:
        family, package = bought()
        booked, unbooked = (package.progress.get(status=status).step_id for status in ("BOOKED", "UNBOOKED"))
        body = {"courseStepOptionId": session_of(package, 1).option_id} if change == "swap" else None
        before = state()

        nothing = family.post(f"{PACKAGES}/{package.pk}/steps/{unbooked}/{change}", body)
        settings.BOOKING_CHANGE_HOURS = 24 * 365 * 500
        late = family.post(f"{PACKAGES}/{package.pk}/steps/{booked}/{change}", body)
        unknown = family.post(f"{PACKAGES}/{package.pk}/steps/{'9' * 18}/{change}", body)

        assert problem(nothing) == problem(unknown) == (409, "step_not_booked")
        assert problem(late) == (409, "too_late_to_change")
        assert state() == before
