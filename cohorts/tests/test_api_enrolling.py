"""Enrolling over the API, against the running Stripe stand-in: for whom, and where to pay."""

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory, UserFactory, WorkspaceFactory, bearer, forget_proof
from billing.checkout import cancel_checkout, request_cancellation
from billing.models import Checkout
from cohorts.models import Cohort, CohortPlace
from cohorts.tests.callers import Family, fields, parent_of, problem, student_of
from cohorts.tests.factories import cohort_with
from cohorts.tests.purchases import enroll_url, nothing_was_written
from core.clock import utc_now
from enrollments.models import Enrollment
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db


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
        assert (
            Enrollment.objects.get().transitions.order_by("number").values_list("actor", flat=True)[0]
            == f"user:{family.user.pk}"
        )

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
        request_cancellation(checkout_id=Checkout.objects.get().pk, now=utc_now())  # the worker has not told Stripe yet

        second = family.post(enroll_url(cohort)).json()

        assert second["sessionId"] != first["sessionId"]
        assert Checkout.objects.get(stripe_session_id=first["sessionId"]).status == "cancelled"
        assert Cohort.objects.get().held_places == 1

    def test_with_the_same_key_answers_the_same_whatever_happened_since(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with()
        family, _ = student_of(cohort.instance.workspace)
        first = family.post(enroll_url(cohort), **{"Idempotency-Key": "k1"})
        cancel_checkout(checkout_id=Checkout.objects.get().pk, now=utc_now())

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
        request_cancellation(checkout_id=Checkout.objects.get().pk, now=utc_now())

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
        forget_proof(family.user)

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
        strict.client.get("/accounts/logout/")  # any page with a form provides the token
        token = strict.client.cookies["csrftoken"].value
        with_token = strict.post(enroll_url(cohort), **{"X-CSRFToken": token})

        assert problem(without) == (403, "csrf_failed")
        assert "X-CSRFToken" in without.json()["detail"]
        assert with_token.status_code == 200
        assert family.user == strict.user
