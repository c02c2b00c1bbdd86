"""What a family sees of its learners' progress with partners."""

import datetime as dt
import re
from html import unescape

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import Learner
from accounts.tests.factories import GuardianFactory, GuardianshipFactory, proven_user
from core.actors import SYSTEM
from core.clock import utc_now
from enrollments.deletion import delete_enrollment
from enrollments.lifecycle import finish_participation, unenroll_enrollment
from enrollments.models import Enrollment
from enrollments.tests.factories import STAFF
from partners.acceptance import record_refusal
from partners.certificates import revoke_certificate
from partners.interventions import skip_step
from partners.models import Certificate, EnrollmentStep, Provider
from partners.progress import list_progress
from partners.providers import pause_provider
from partners.states import Adapter, GroupRule

from .factories import accept, approved, complete, instance_with, steps_of
from .test_certificates import completed, go_through, on_account

pytestmark = pytest.mark.django_db

LATER = dt.timedelta(days=20)


def page_of(email: str) -> str:
    client = Client()
    client.force_login(proven_user(email), backend="django.contrib.auth.backends.ModelBackend")
    return " ".join(unescape(client.get("/student/progress").content.decode()).split())


def seen(enrollment: Enrollment) -> str:
    """Return the page as the learner sees it."""
    learner = enrollment.learner
    assert learner is not None
    Learner.objects.filter(pk=learner.pk).update(first_name="Mia", email="mia@school.test")
    return page_of("mia@school.test")


def partner(enrollment: Enrollment, number: int) -> str:
    return steps_of(enrollment)[number - 1].provider.name


class TestAWayThroughPartners:
    def test_marks_what_is_done_what_is_current_and_what_comes_later(self) -> None:
        enrollment = approved(steps=3)
        complete(accept(steps_of(enrollment)[0]))
        current = accept(steps_of(enrollment)[1])

        page = seen(enrollment)

        assert "1 of 3 steps done" in page
        assert '<progress value="1" max="3"' in page
        marks = re.findall(r'class="way-(done|current|ahead)"( aria-current="step")?', page)
        assert marks == [("done", ""), ("current", ' aria-current="step"'), ("ahead", "")]
        assert f'href="{current.launch_url}"' in page
        assert "It is Mia's turn: start the course." in page
        assert "It is expected to be finished by" in page
        assert "Its turn comes after the steps before it." in page

    def test_gives_no_way_to_a_course_that_is_over(self) -> None:
        enrollment = approved(steps=1)
        step = complete(accept(steps_of(enrollment)[0]))

        page = seen(enrollment)

        assert step.launch_url
        assert step.launch_url not in page

    def test_says_that_a_course_has_begun_and_is_late(self) -> None:
        enrollment = approved(steps=1)
        accept(steps_of(enrollment)[0], now=utc_now() - LATER)
        EnrollmentStep.objects.update(progress=40)

        page = seen(enrollment)

        assert "continue the course. 40% of it is done." in page
        assert "Continue the course" in page
        assert "It was expected to be finished by" in page

    def test_says_that_the_partner_tells_how_to_begin_where_it_gave_no_address(self) -> None:
        enrollment = approved(steps=1)
        accept(steps_of(enrollment)[0])
        EnrollmentStep.objects.update(launch_url="")

        page = seen(enrollment)

        assert f"{partner(enrollment, 1)} will tell how to get to the course." in page

    def test_says_that_the_partner_has_to_act(self) -> None:
        enrollment = approved(steps=1)

        page = seen(enrollment)

        assert f"It is {partner(enrollment, 1)}'s turn: it is enrolling Mia." in page

    def test_says_that_we_have_to_act(self) -> None:
        enrollment = approved(steps=1)
        Provider.objects.update(adapter=Adapter.MANUAL)

        page = seen(enrollment)

        assert f"It is our turn: we are enrolling Mia at {partner(enrollment, 1)}." in page

    @pytest.mark.sqlite
    def test_says_that_a_partner_takes_a_break(self) -> None:
        enrollment = approved(steps=1)
        pause_provider(provider_id=steps_of(enrollment)[0].provider_id, now=utc_now())

        page = seen(enrollment)

        assert f"{partner(enrollment, 1)} is taking a break. We will enroll Mia as soon as it is back" in page

    def test_says_kindly_that_something_went_wrong_and_not_what(self) -> None:
        enrollment = approved(steps=1)
        record_refusal(step_id=steps_of(enrollment)[0].pk, reason="HTTP 422: bad seat", actor=SYSTEM, now=utc_now())

        page = seen(enrollment)

        assert f"It is our turn: something went wrong between {partner(enrollment, 1)} and us" in page
        assert "HTTP 422" not in page
        assert "bad seat" not in page

    def test_counts_a_step_that_staff_skipped_and_does_not_tell_why(self) -> None:
        enrollment = approved(steps=2)
        skip_step(step_id=steps_of(enrollment)[0].pk, reason="Knows it all", actor=STAFF, now=utc_now())

        page = seen(enrollment)

        assert "1 of 2 steps done" in page
        assert "The program counts this step as done." in page
        assert "Knows it all" not in page

    def test_says_that_the_learner_has_left(self) -> None:
        enrollment = approved(steps=1)
        unenroll_enrollment(enrollment_id=enrollment.pk, reason="Moved", actor=STAFF, now=utc_now())

        page = seen(enrollment)

        assert "Mia has left this program." in page
        assert "It is no longer part of the way." in page
        assert 'aria-current="step"' not in page

    def test_says_of_a_program_that_ran_out_that_it_is_over(self) -> None:
        enrollment = approved(steps=1)
        finish_participation(enrollment_id=enrollment.pk, actor=SYSTEM, reason="expired", now=utc_now())

        assert "The program is over." in seen(enrollment)

    @pytest.mark.parametrize(
        ("group", "words"),
        [
            ((3, GroupRule.AT_LEAST, 2), "Any two of these three"),
            ((2, GroupRule.ALL_ANY_ORDER), "Both, in any order"),
            ((12, GroupRule.ALL_IN_ORDER), "All 12, one after another"),
            ((1, GroupRule.ALL_IN_ORDER), ""),
        ],
    )
    def test_says_the_rule_of_a_group_in_words(self, group: tuple[int, str], words: str) -> None:
        page = seen(approved(instance_with(group)))

        assert re.findall(r'class="way-rule">([^<]+)', page) == ([words] if words else [])

    def test_counts_no_more_of_a_group_than_it_needs(self) -> None:
        enrollment = approved(instance_with((3, GroupRule.AT_LEAST, 2), (1, GroupRule.ALL_IN_ORDER)))
        steps = [accept(step) for step in steps_of(enrollment)[:3]]
        complete(steps[0])
        complete(steps[1])

        page = seen(enrollment)

        assert "2 of 3 steps done" in page
        assert "Enough other courses of this group are done. Mia may still finish this one." in page

    def test_leads_to_the_certificate(self) -> None:
        enrollment = completed()
        serial = Certificate.objects.get().serial

        page = seen(enrollment)

        assert "Well done! Mia has completed the program, and the certificate is ready." in page
        assert f'href="/certificates/{serial}.pdf"' in page

    def test_does_not_lead_to_one_that_staff_withdrew(self) -> None:
        enrollment = completed()
        revoke_certificate(certificate_id=Certificate.objects.get().pk, reason="Cheated", actor=STAFF, now=utc_now())

        page = seen(enrollment)

        assert "has withdrawn the certificate. Ask there why." in page
        assert "/certificates/" not in page
        assert "Cheated" not in page

    def test_says_that_the_certificate_waits_for_the_payment(self) -> None:
        enrollment = on_account()
        go_through(enrollment)

        assert "The certificate comes as soon as it is paid for." in seen(enrollment)


class TestThePage:
    def test_shows_guardians_their_childrens_and_nobody_elses(self) -> None:
        mine, other = approved(steps=1), approved(steps=1)
        guardian = GuardianFactory(workspace=mine.workspace, email="parent@home.test")
        GuardianshipFactory(guardian=guardian, learner=mine.learner)

        page = page_of("parent@home.test")

        assert partner(mine, 1) in page
        assert partner(other, 1) not in page

    def test_shows_no_enrollment_that_was_deleted(self) -> None:
        enrollment = approved(steps=1)
        unenroll_enrollment(enrollment_id=enrollment.pk, reason="Mistake", actor=STAFF, now=utc_now())
        delete_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())

        assert "No partner courses yet" in seen(enrollment)

    def test_says_where_steps_will_appear_to_whom_has_none(self) -> None:
        page = page_of("parent@home.test")

        assert "No partner courses yet" in page
        assert "parent@home.test" in page

    def test_takes_as_many_queries_for_many_steps_as_for_one(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        user = proven_user("parent@home.test")

        for steps in (1, 5):
            enrollment = approved(steps=steps)
            Learner.objects.filter(pk=enrollment.learner_id).update(email="parent@home.test")
            with django_assert_num_queries(3):
                assert len(list_progress(user=user)) == (1 if steps == 1 else 2)
