"""Many families who press their buttons at the same moment: one last place, one application."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import transaction

from accounts.learners import find_or_create_learner
from core.clock import utc_now
from core.ids import new_cuid
from core.rows import insert_unless_present
from enrollments import admission, identification
from enrollments.application import confirm as confirmation
from enrollments.application import receive as receiving
from enrollments.application.confirm import confirm_application
from enrollments.application.opening import require_open
from enrollments.application.receive import FilledForm, discard_application, receive_application
from enrollments.lifecycle import reject_enrollment
from enrollments.models import Application, Enrollment, EnrollmentTransition, ProgramInstance
from enrollments.states import Applicant
from enrollments.tests.applicants import instance_with_form
from enrollments.tests.factories import STAFF
from events.models import OutboxEvent
from operations.doctor import examine
from tests.constraints import without_constraints
from tests.processes import Failure, Meeting, at_once
from tests.races.unguarded import save_enrollments_in_any_state

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

RIVALS = 8


def received(instance: ProgramInstance, number: int, *, submission: str = "") -> str:
    """Create an application that waits for its link; return the link's secret."""
    filled = FilledForm(
        applicant=Applicant.GUARDIAN, email=f"ann{number}@home.test", first_name="Mia", last_name=f"Doe{number}"
    )
    _, token = receive_application(
        instance_id=instance.pk, submission=submission or new_cuid(), filled=filled, now=utc_now()
    )
    return token


def confirm(token: str) -> str:
    application = confirm_application(token=token, now=utc_now())
    return str(Enrollment.objects.get(pk=application.enrollment_id).eligibility_status)


class TestTheLastPlace:
    def test_goes_to_one_of_eight(self) -> None:
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
        monkeypatch.setattr(admission, "_taken", Meeting(admission._taken))

        answers = at_once(*[partial(confirm, token) for token in tokens])

        assert answers == ["submitted", "submitted"]


class TestAFormThatIsSentAgain:
    def test_is_received_anew_if_its_application_is_deleted_meanwhile(self, monkeypatch: pytest.MonkeyPatch) -> None:
        instance = instance_with_form()
        received(instance, 1, submission="one")
        application = Application.objects.get()
        meeting = Meeting(lambda: None)

        def insert_and_meet(row: Application, **more: Any) -> bool:
            is_new = insert_unless_present(row, **more)
            if not is_new:
                meeting()
                meeting()
            return is_new

        def discard() -> None:
            meeting()
            discard_application(application_id=application.pk)
            meeting()

        monkeypatch.setattr(receiving, "insert_unless_present", insert_and_meet)
        token, _ = at_once(partial(received, instance, 2, submission="one"), discard)

        assert (Application.objects.get().email, confirm(token)) == ("ann2@home.test", "submitted")


class TestOneLink:
    def test_that_is_pressed_eight_times_is_one_enrollment(self) -> None:
        token = received(instance_with_form(), 1)

        answers = at_once(*[partial(confirm, token)] * RIVALS)

        assert answers == ["submitted"] * RIVALS
        assert Enrollment.objects.get().transition_count == 2
        assert OutboxEvent.objects.filter(type="enrollment.created").count() == 1
        assert examine() == {}

    def test_without_the_lock_would_refuse_the_second_press(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: both see a waiting application."""
        token = received(instance_with_form(), 1)
        monkeypatch.setattr(Application.objects, "select_for_update", Application.objects.all)
        monkeypatch.setattr(confirmation, "require_open", Meeting(require_open))

        answers = at_once(*[partial(confirm, token)] * 2)

        assert [answer.kind for answer in answers if isinstance(answer, Failure)] == ["AlreadyEnrolled"]


def new() -> ProgramInstance:
    return instance_with_form()


def refused_before() -> ProgramInstance:
    """An instance that has rejected this learner."""
    instance = instance_with_form()
    confirm(received(instance, 1))
    enrollment = Enrollment.objects.get()
    reject_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Too young", now=utc_now())
    return instance


@pytest.mark.parametrize("start", [new, refused_before])
class TestTwoApplicationsOfOneLearner:
    def test_are_one_enrollment_and_the_second_is_told(self, start: Callable[[], ProgramInstance]) -> None:
        instance = start()
        tokens = [received(instance, 1) for _ in range(RIVALS)]

        answers = at_once(*[partial(confirm, token) for token in tokens])

        failures = [answer.kind for answer in answers if isinstance(answer, Failure)]
        assert failures == ["AlreadyEnrolled"] * (RIVALS - 1)
        assert Enrollment.objects.current().get().transition_count == 2
        made = Enrollment.objects.count()
        assert OutboxEvent.objects.filter(type="enrollment.created").count() == made == (1 if start is new else 2)
        assert examine() == {}

    def test_without_the_guards_would_be_two_enrollments(
        self, start: Callable[[], ProgramInstance], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control: no lock on the learner, none on the refused enrollment, and no constraint behind them."""
        instance = start()
        with transaction.atomic():
            learner, _ = find_or_create_learner(
                workspace_id=instance.workspace_id, email="ann1@home.test", first_name="Mia", last_name="Doe1"
            )
        tokens = [received(instance, 1) for _ in range(2)]
        monkeypatch.setattr(confirmation, "_find_learner", lambda application: learner)
        monkeypatch.setattr(identification, "lock_live_learner", lambda pk: learner)
        unlocked = Enrollment.objects.select_related("instance")
        monkeypatch.setattr(identification, "lock_enrollment", Meeting(lambda pk: unlocked.get(pk=pk)))
        monkeypatch.setattr(identification, "_refuse_second", lambda *_: None)
        if start is new:
            monkeypatch.setattr(identification, "_refuse_second", Meeting(lambda *_: None))
        save_enrollments_in_any_state(monkeypatch)
        guards = (
            (Enrollment, "enrollment_one_current"),
            (EnrollmentTransition, "transition_number_unique"),
            (OutboxEvent, "outbox_sequence_unique"),
        )

        with without_constraints(*guards):
            answers = at_once(*[partial(confirm, token) for token in tokens])

            assert answers == ["submitted", "submitted"]
            assert Enrollment.objects.current().count() == 2
