"""Enrolling by the API, against the running Stripe stand-in: what it answers, and what it refuses without a trace."""

import datetime as dt
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory, UserFactory, WorkspaceFactory, bearer
from billing.checkout import cancel_checkout, request_cancellation, settle_checkout
from billing.models import Checkout, Refund
from billing.refunds import request_refund, submit_refund
from billing.states import RefundReason
from cohorts.models import Cohort, CohortPlace, StudentPackage
from cohorts.moving import move_package
from cohorts.tests.callers import Family, fields, parent_of, problem, student_of
from cohorts.tests.factories import CohortFactory, buy, cohort_with, pay, start
from enrollment_project.core.clock import utc_now
from enrollment_project.core.models import IdempotencyRecord
from enrollments.eligibility import Rule
from enrollments.models import Enrollment, Program
from enrollments.tests.factories import STAFF
from events.models import OutboxEvent
from sandbox.testing import SandboxProcess

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def enroll_url(cohort: Cohort) -> str:
    return f"/api/course-programs/{cohort.instance.program.code}/cohorts/{cohort.pk}/enroll"


def session_url(checkout: Checkout) -> str:
    return f"/api/enrollment/session/{checkout.stripe_session_id}"


def nothing_was_written() -> bool:
    written = (Enrollment, CohortPlace, Checkout, StudentPackage, OutboxEvent, IdempotencyRecord)
    unheld = set(Cohort.objects.values_list("current_enrollment", "held_places")) == {(0, 0)}
    return unheld and not any(model.objects.exists() for model in written)


class TestEnrolling:
    def test_answers_where_to_pay(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, learner = student_of(cohort.instance.workspace)

        response = family.post(enroll_url(cohort))

        checkout = Checkout.objects.get()
        assert response.status_code == 200
        assert response.json() == {"sessionId": checkout.stripe_session_id, "url": checkout.url}
        assert checkout.url.startswith(stripe.url)
        assert CohortPlace.objects.get().learner == learner
        assert Enrollment.objects.get().transitions.values_list("actor", flat=True)[0] == f"user:{family.user.pk}"

    def test_sends_the_payer_back_to_our_pages_unless_told_otherwise(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)

        family.post(enroll_url(cohort))

        checkout = Checkout.objects.get()
        assert checkout.success_url == "http://127.0.0.1:8000/courses/enrolled?session_id={CHECKOUT_SESSION_ID}"
        assert checkout.cancel_url == f"http://127.0.0.1:8000/courses/{cohort.instance.program.code}"

    def test_sends_the_payer_back_where_the_client_says_if_that_is_allowed(
        self, stripe: SandboxProcess, settings: Settings
    ) -> None:
        settings.CHECKOUT_RETURN_HOSTS = ["school.test:8443"]
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)
        there = "https://school.test:8443/done?s={CHECKOUT_SESSION_ID}"

        response = family.post(enroll_url(cohort), {"successUrl": there, "cancelUrl": "http://127.0.0.1:8000/x"})

        checkout = Checkout.objects.get()
        assert response.status_code == 200
        assert (checkout.success_url, checkout.cancel_url) == (there, "http://127.0.0.1:8000/x")

    def test_again_answers_with_the_page_that_is_open(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)
        first = family.post(enroll_url(cohort))

        second = family.post(f"{enroll_url(cohort)}/")

        assert second.json() == first.json()
        assert len(stripe.ledger()["sessions"]) == 1

    def test_again_after_giving_up_opens_a_new_page(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=1)
        family, _ = student_of(cohort.instance.workspace)
        first = family.post(enroll_url(cohort)).json()
        request_cancellation(checkout_id=Checkout.objects.get().pk)  # the worker has not told Stripe yet

        second = family.post(enroll_url(cohort)).json()

        assert second["sessionId"] != first["sessionId"]
        assert Checkout.objects.get(stripe_session_id=first["sessionId"]).status == "cancelled"
        assert Cohort.objects.get().held_places == 1

    def test_with_the_same_key_answers_the_same_whatever_happened_since(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)
        first = family.post(enroll_url(cohort), **{"Idempotency-Key": "k1"})
        cancel_checkout(checkout_id=Checkout.objects.get().pk)

        again = family.post(enroll_url(cohort), **{"Idempotency-Key": "k1"})
        other = family.post(enroll_url(cohort), {"cancelUrl": "http://127.0.0.1:8000/"}, **{"Idempotency-Key": "k1"})

        assert again.json() == first.json()
        assert again["Idempotent-Replayed"] == "true"
        assert problem(other) == (422, "idempotency_key_reused")
        assert Checkout.objects.count() == 1

    def test_while_stripe_is_down_can_be_continued_by_the_same_request(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=1)
        family, _ = student_of(cohort.instance.workspace)
        stripe.faults(server_error=True)
        down = family.post(enroll_url(cohort), **{"Idempotency-Key": "k1"})
        stripe.clear_faults()

        response = family.post(enroll_url(cohort), **{"Idempotency-Key": "k1"})

        assert problem(down) == (503, "payment_provider_down")
        assert int(down["Retry-After"]) > 0
        assert response.status_code == 200
        assert Checkout.objects.count() == CohortPlace.objects.count() == 1
        assert len(stripe.ledger()["sessions"]) == 1


class TestWhoItIsFor:
    def test_is_the_child_that_is_named(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        ann, ben = LearnerFactory.create_batch(2, workspace=cohort.instance.workspace)
        family = parent_of(ann, ben)

        answers = [family.post(enroll_url(cohort), {"learnerId": child.cuid}) for child in (ann, ben)]

        assert [answer.status_code for answer in answers] == [200, 200]
        assert set(CohortPlace.objects.values_list("learner", flat=True)) == {ann.pk, ben.pk}
        assert answers[0].json()["sessionId"] != answers[1].json()["sessionId"]

    def test_is_the_person_by_the_names_they_give(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family = Family("new@home.test")

        response = family.post(enroll_url(cohort), {"firstName": "Nora", "lastName": "New"})

        learner = Learner.objects.get()
        assert response.status_code == 200
        assert (learner.first_name, learner.last_name, learner.email) == ("Nora", "New", "new@home.test")
        assert (learner.user, learner.workspace) == (family.user, cohort.instance.workspace)

    def test_is_the_same_person_each_time_they_give_their_names(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, names = Family("new@home.test"), {"firstName": "Nora", "lastName": "New"}
        first = family.post(enroll_url(cohort), names).json()
        again = family.post(enroll_url(cohort), names).json()
        request_cancellation(checkout_id=Checkout.objects.get().pk)

        afterwards = family.post(enroll_url(cohort), names).json()

        assert again == first
        assert afterwards["sessionId"] != first["sessionId"]
        assert Learner.objects.count() == 1

    def test_is_the_person_by_the_names_of_their_account(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        UserFactory(email="known@home.test", first_name="Kim", last_name="Known")

        Family("known@home.test").post(enroll_url(cohort))

        assert (Learner.objects.get().first_name, Learner.objects.get().last_name) == ("Kim", "Known")

    def test_is_asked_for_where_nobody_knows_a_name(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()

        response = Family("new@home.test").post(enroll_url(cohort), **{"Idempotency-Key": "k1"})

        assert problem(response) == (422, "learner_name_missing")
        assert fields(response) == ["firstName", "lastName"]
        assert nothing_was_written()
        assert not Learner.objects.exists()

    def test_is_asked_for_where_several_share_the_address(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        LearnerFactory.create_batch(2, workspace=cohort.instance.workspace, email="parent@home.test")

        response = Family("parent@home.test").post(enroll_url(cohort))

        assert problem(response) == (422, "learner_name_missing")
        assert nothing_was_written()

    def test_is_nobody_else_s_child(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        stranger = LearnerFactory(workspace=cohort.instance.workspace)
        elsewhere = LearnerFactory(email="jane@school.test")
        family, _ = student_of(cohort.instance.workspace)

        answers = [
            family.post(enroll_url(cohort), {"learnerId": cuid}) for cuid in (stranger.cuid, elsewhere.cuid, "c" * 24)
        ]

        assert [problem(answer) for answer in answers] == [(404, "not_found")] * 3
        assert [fields(answer) for answer in answers] == [["learnerId"]] * 3
        assert nothing_was_written()

    def test_leaves_no_learner_behind_when_the_cohort_is_full(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=0)

        response = Family("new@home.test").post(
            enroll_url(cohort), {"firstName": "Nora", "lastName": "New"}, **{"Idempotency-Key": "k1"}
        )

        assert problem(response) == (400, "cohort_full")
        assert nothing_was_written()
        assert not Learner.objects.exists()


class TestARefusal:
    @pytest.mark.parametrize(
        ("obstacle", "status", "code"),
        [
            (lambda c: Program.objects.update(active=False), 403, "course_not_active"),
            (lambda c: Program.objects.update(listed=False), 404, "course_not_found"),
            (lambda c: Cohort.objects.update(is_active=False), 400, "cohort_not_active"),
            (lambda c: Cohort.objects.update(max_enrollment=0), 400, "cohort_full"),
            (
                lambda c: Cohort.objects.update(enrollment_deadline=utc_now() - dt.timedelta(seconds=1)),
                400,
                "deadline_passed",
            ),
            (lambda c: type(c.instance).objects.update(price=None), 400, "not_for_sale"),
        ],
    )
    def test_is_as_documented_and_changes_nothing(
        self, stripe: SandboxProcess, obstacle: Any, status: int, code: str
    ) -> None:
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)
        obstacle(cohort)

        response = family.post(enroll_url(cohort), **{"Idempotency-Key": "k1"})

        assert problem(response) == (status, code)
        assert nothing_was_written()
        assert stripe.ledger()["sessions"] == []

    def test_of_an_ineligible_learner_changes_nothing(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)
        nobody = Rule("nobody", holds=lambda facts: False, otherwise="Nobody may take this")
        monkeypatch.setattr("enrollments.eligibility.rules_for", lambda instance: (nobody,))

        response = family.post(enroll_url(cohort))

        assert problem(response) == (422, "ineligible")
        assert nothing_was_written()

    def test_of_what_is_owned_already_is_a_conflict(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, learner = student_of(cohort.instance.workspace)
        buy(stripe, cohort, learner)

        response = family.post(enroll_url(cohort))

        assert problem(response) == (409, "already_owned")
        assert Checkout.objects.count() == CohortPlace.objects.count() == 1

    def test_of_what_does_not_exist_is_not_found(self, stripe: SandboxProcess) -> None:
        cohort, other = cohort_with(), cohort_with()
        family, _ = student_of(cohort.instance.workspace)
        base = f"/api/course-programs/{cohort.instance.program.code}/cohorts"

        answers = [family.post(f"{base}/{number}/enroll") for number in (other.pk, "999999", "9" * 30)]

        assert [problem(answer) for answer in answers] == [(404, "cohort_not_found")] * 3
        assert problem(family.post("/api/course-programs/NOPE/cohorts/1/enroll")) == (404, "course_not_found")
        assert nothing_was_written()


class TestBadInput:
    @pytest.mark.parametrize("field", ["successUrl", "cancelUrl"])
    @pytest.mark.parametrize(
        "address",
        [
            "https://evil.test/",
            "//evil.test/",
            "http:///evil.test/",
            "http://127.0.0.1:8000@evil.test/",
            "http://127.0.0.1:8000.evil.test/",
            "http://127.0.0.1:8000\\@evil.test/",
            "http://127.0.0.1/",
            "http://127.0.0.1:8001/",
            "javascript:alert(1)",
            "javascript://127.0.0.1:8000/%0aalert(1)",
            "data:text/html,x",
            "ftp://127.0.0.1:8000/",
            "/relative",
            "relative",
            "http:/127.0.0.1:8000/",
            "\thttp://evil.test/",
            "http://127.0.0.1:8000:80/",
            "http://[",
            "",
            "http://127.0.0.1:8000/" + "x" * 2000,
            5,
            None,
            ["http://127.0.0.1:8000/"],
        ],
    )
    def test_as_an_address_that_is_not_ours_is_refused(self, field: str, address: Any, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)

        response = family.post(enroll_url(cohort), {field: address})

        assert problem(response) == (422, "invalid")
        assert fields(response) == [field]
        assert nothing_was_written()

    @pytest.mark.parametrize(
        ("body", "named"),
        [
            ({"learnerId": 5}, ["learnerId"]),
            ({"learnerId": "x"}, ["learnerId"]),
            ({"learnerId": "c" * 24, "firstName": "A", "lastName": "B"}, ["learnerId"]),
            ({"firstName": "A"}, ["lastName"]),
            ({"lastName": "A"}, ["firstName"]),
            ({"firstName": "", "lastName": "B"}, ["firstName"]),
            ({"firstName": 1, "lastName": "B"}, ["firstName"]),
            ({"firstName": "x" * 151, "lastName": "B"}, ["firstName"]),
            ({"firstName": "\x00", "lastName": "B"}, ["firstName"]),
        ],
    )
    def test_about_the_learner_is_refused_by_name(
        self, body: dict[str, Any], named: list[str], stripe: SandboxProcess
    ) -> None:
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)

        response = family.post(enroll_url(cohort), body)

        assert problem(response) == (422, "invalid")
        assert fields(response) == named
        assert nothing_was_written()

    @pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"[]", 422), (b"\xff", 400), (b'{"a": NaN}', 422)])
    def test_that_is_no_object_is_refused(self, body: bytes, status: int, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)

        response = family.post(enroll_url(cohort), body)

        assert response.status_code == status
        assert response["Content-Type"] == "application/problem+json"
        assert nothing_was_written()


class TestTheSession:
    def test_names_the_package_once_it_is_fulfilled(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, learner = student_of(cohort.instance.workspace)
        checkout = start(cohort, learner)
        package = pay(stripe, checkout)

        response = family.get(session_url(checkout))

        assert package is not None
        assert (response.status_code, response.json()) == (200, {"packageId": package.pk})

    def test_fulfils_what_is_paid_before_the_notice_came(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, learner = student_of(cohort.instance.workspace)
        checkout = start(cohort, learner)
        stripe.pay(checkout.url)

        response = family.get(session_url(checkout))
        settle_checkout(checkout_id=checkout.pk)  # now the notice is handled

        assert (response.status_code, response.json()) == (200, {"packageId": StudentPackage.objects.get().pk})
        assert Cohort.objects.get().current_enrollment == 1

    @pytest.mark.parametrize("card", [None, "declined", "async"])
    def test_is_processing_while_no_money_is_there(self, stripe: SandboxProcess, card: str | None) -> None:
        cohort = cohort_with()
        family, learner = student_of(cohort.instance.workspace)
        checkout = start(cohort, learner)
        if card:
            stripe.pay(checkout.url, card=card)

        response = family.get(session_url(checkout))

        assert (response.status_code, response.json()) == (202, {"status": "processing"})
        assert not StudentPackage.objects.exists()
        assert Cohort.objects.get().current_enrollment == 0

    def test_is_processing_while_stripe_can_not_be_asked(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, learner = student_of(cohort.instance.workspace)
        checkout = start(cohort, learner)
        stripe.pay(checkout.url)
        stripe.faults(server_error=True)

        response = family.get(session_url(checkout))

        assert (response.status_code, response.json()) == (202, {"status": "processing"})

    @pytest.mark.parametrize(
        ("end", "code"),
        [("expired", "checkout_expired"), ("cancelled", "checkout_cancelled"), ("refused", "payment_failed")],
    )
    def test_that_brought_nothing_says_why(self, stripe: SandboxProcess, end: str, code: str) -> None:
        cohort = cohort_with()
        family, learner = student_of(cohort.instance.workspace)
        checkout = start(cohort, learner)
        if end == "expired":
            stripe.advance_clock(seconds=3600)
        elif end == "cancelled":
            cancel_checkout(checkout_id=checkout.pk)
        else:
            stripe.pay(checkout.url, card="async")
            stripe.settle(checkout.url, outcome="failed")

        response = family.get(session_url(checkout))

        assert problem(response) == (409, code)

    def test_whose_place_was_lost_says_that_the_money_goes_back(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=1)
        family, learner = student_of(cohort.instance.workspace)
        checkout = start(cohort, learner)
        CohortPlace.objects.update(status="released")  # what must never happen while the session can be paid
        Cohort.objects.update(held_places=0)
        buy(stripe, cohort)
        stripe.pay(checkout.url)

        response = family.get(session_url(checkout))

        assert problem(response) == (409, "place_lost")
        assert Refund.objects.get().reason == RefundReason.PLACE_LOST

    def test_that_paid_a_second_time_says_that_the_money_goes_back(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        second = CohortFactory(instance=cohort.instance)
        family, learner = student_of(cohort.instance.workspace)
        first = start(cohort, learner)
        other = start(second, learner)  # gives the first up, but the worker has not told Stripe yet
        stripe.pay(first.url)
        stripe.pay(other.url)

        answers = [family.get(session_url(checkout)) for checkout in (first, other)]

        assert answers[0].json() == {"packageId": StudentPackage.objects.get().pk}
        assert problem(answers[1]) == (409, "already_owned")
        assert Refund.objects.get().reason == RefundReason.DUPLICATE

    def test_of_a_refunded_course_says_so(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, learner = student_of(cohort.instance.workspace)
        checkout = start(cohort, learner)
        package = pay(stripe, checkout)
        assert package is not None and package.payment_id is not None  # noqa: PT018
        refund = request_refund(
            payment_id=package.payment_id, amount_minor=None, reason=RefundReason.REQUESTED, actor=STAFF
        )
        submit_refund(refund_id=refund.pk)

        response = family.get(session_url(checkout))

        assert problem(response) == (409, "refunded")

    def test_still_names_the_package_after_it_was_moved(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, learner = student_of(cohort.instance.workspace)
        checkout = start(cohort, learner)
        package = pay(stripe, checkout)
        assert package is not None
        move_package(package_id=package.pk, cohort_id=CohortFactory(instance=cohort.instance).pk)

        response = family.get(session_url(checkout))

        assert response.json() == {"packageId": package.pk}

    def test_of_another_student_is_forbidden(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        checkout = start(cohort)
        stripe.pay(checkout.url)
        family, _ = student_of(cohort.instance.workspace)

        response = family.get(session_url(checkout))

        assert problem(response) == (403, "not_your_payment")
        assert not StudentPackage.objects.exists()

    @pytest.mark.parametrize("session_id", ["cs_unknown", "%01", "x" * 500])
    def test_that_does_not_exist_is_not_found(self, session_id: str) -> None:
        response = Family("jane@school.test").get(f"/api/enrollment/session/{session_id}")

        assert problem(response) == (404, "not_found")


class TestACaller:
    PATH = "/api/course-programs/X/cohorts/1/enroll"

    def test_without_a_session_is_asked_to_sign_in(self) -> None:
        response = Client().post(self.PATH, {}, content_type="application/json")

        assert problem(response) == (401, "not_authenticated")
        assert response["WWW-Authenticate"] == 'Session realm="api"'

    def test_with_an_api_key_is_a_stranger_here(self) -> None:
        headers = bearer(workspace=WorkspaceFactory())

        response = Client().post(self.PATH, {}, content_type="application/json", headers=headers)

        assert problem(response) == (401, "not_authenticated")

    def test_whose_address_is_unproven_sees_and_changes_nothing(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)
        family.user.emailaddress_set.update(verified=False)

        response = family.post(enroll_url(cohort))

        assert problem(response) == (403, "address_unproven")
        assert nothing_was_written()

    def test_who_was_switched_off_is_a_stranger(self) -> None:
        family = Family("jane@school.test")
        family.user.is_active = False
        family.user.save()

        assert problem(family.post(self.PATH)) == (401, "not_authenticated")

    def test_needs_the_csrf_token_to_change_something(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)
        strict = Family("jane@school.test", enforce_csrf_checks=True)

        without = strict.post(enroll_url(cohort))
        strict.client.get("/accounts/logout/")  # any page with a form gives the token out
        token = strict.client.cookies["csrftoken"].value
        with_token = strict.post(enroll_url(cohort), **{"X-CSRFToken": token})

        assert problem(without) == (403, "csrf_failed")
        assert "X-CSRFToken" in without.json()["detail"]
        assert with_token.status_code == 200
        assert family.user == strict.user
