"""Many families who press their buttons in the same moment: one last place, one application."""

from functools import partial

import pytest

from core.clock import utc_now
from core.ids import new_cuid
from enrollment_project.doctor import examine
from enrollments import admission
from enrollments.application.confirm import confirm_application
from enrollments.application.receive import FilledForm, receive_application
from enrollments.models import Enrollment, ProgramInstance
from enrollments.states import Applicant
from enrollments.tests.applicants import instance_with_form
from tests.processes import Failure, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True), pytest.mark.ordered_locks]

RIVALS = 16


def received(instance: ProgramInstance, number: int) -> str:
    """An application that waits for its link; the link's secret."""
    filled = FilledForm(
        applicant=Applicant.GUARDIAN, email=f"ann{number}@home.test", first_name="Mia", last_name=f"Doe{number}"
    )
    _, token = receive_application(instance_id=instance.pk, submission=new_cuid(), filled=filled, now=utc_now())
    return token


def confirm(token: str) -> str:
    application = confirm_application(token=token, now=utc_now())
    return str(Enrollment.objects.get(pk=application.enrollment_id).eligibility_status)


class TestTheLastPlace:
    def test_goes_to_one_of_sixteen(self) -> None:
        instance = instance_with_form(capacity=1)
        tokens = [received(instance, number) for number in range(RIVALS)]

        answers = at_once(*[partial(confirm, token) for token in tokens])

        failures = [answer.kind for answer in answers if isinstance(answer, Failure)]
        assert failures == ["InstanceFull"] * (RIVALS - 1)
        assert [enrollment.eligibility_status for enrollment in Enrollment.objects.all()] == ["submitted"]
        assert examine() == {}

    def test_without_the_lock_would_be_given_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: both count the places before either takes one."""
        instance = instance_with_form(capacity=1)
        tokens = [received(instance, number) for number in range(2)]
        monkeypatch.setattr(admission, "lock_instance", lambda pk: ProgramInstance.objects.get(pk=pk))
        monkeypatch.setattr(admission, "_taken", Meeting(admission._taken, patience=5))

        answers = at_once(*[partial(confirm, token) for token in tokens])

        assert answers == ["submitted", "submitted"]


class TestOneLink:
    def test_that_is_pressed_sixteen_times_is_one_enrollment(self) -> None:
        token = received(instance_with_form(), 1)

        answers = at_once(*[partial(confirm, token)] * RIVALS)

        assert answers == ["submitted"] * RIVALS
        assert Enrollment.objects.get().transition_count == 2
        assert examine() == {}


class TestTwoApplicationsOfOneLearner:
    def test_are_one_enrollment_and_the_second_is_told(self) -> None:
        instance = instance_with_form()
        tokens = [received(instance, 1) for _ in range(RIVALS)]

        answers = at_once(*[partial(confirm, token) for token in tokens])

        failures = [answer.kind for answer in answers if isinstance(answer, Failure)]
        assert failures == ["AlreadyEnrolled"] * (RIVALS - 1)
        assert Enrollment.objects.get().transition_count == 2
        assert examine() == {}
