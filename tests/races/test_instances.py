"""Instances of programs: several people change them, or which one is the default, while learners enroll."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from accounts.models import Workspace
from core.clock import utc_now
from enrollments import admission, programs
from enrollments.lifecycle import evaluate_enrollment, submit_enrollment
from enrollments.models import Program, ProgramInstance
from enrollments.programs import change_instance, change_program, make_default
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory
from operations.doctor import examine
from tests.processes import BOTH_COME, KEPT_OUT, Failure, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def two_instances() -> tuple[ProgramInstance, ProgramInstance]:
    """Return the default instance of a workspace, and another one."""
    first = InstanceFactory(price=None)
    return first, InstanceFactory(workspace=first.workspace, price=None, is_default=False)


def change(instance: ProgramInstance, **changes: Any) -> None:
    change_instance(workspace_id=instance.workspace_id, cuid=instance.cuid, changes=changes, actor=STAFF, now=utc_now())


def make(instance: ProgramInstance) -> None:
    make_default(instance_id=instance.pk)


def kinds_of(answers: list[Any]) -> list[str]:
    """Return how the calls failed."""
    return sorted(answer.kind for answer in answers if isinstance(answer, Failure))


class TestTwoWhoMakeTheSameInstanceTheDefault:
    """One has locked the instance, which it changes too, and the other has locked the workspace."""

    def test_wait_for_each_other(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answers = change_and_make_default(monkeypatch, patience=KEPT_OUT)

        assert answers == [None, None]
        assert ProgramInstance.objects.get(is_default=True).name == "Changed"

    def test_without_locking_the_workspace_before_the_instance_would_deadlock(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control."""
        answers = change_and_make_default(monkeypatch, patience=BOTH_COME, is_locked_late=True)

        assert kinds_of(answers) == ["OperationalError"]


def change_and_make_default(
    monkeypatch: pytest.MonkeyPatch, *, patience: float, is_locked_late: bool = False
) -> list[Any]:
    _, second = two_instances()
    meeting = Meeting(lambda: None, patience=patience)
    lock = programs.lock_default
    tell = programs._tell

    def tell_and_meet(instance: ProgramInstance, facts: dict[str, Any]) -> None:
        tell(instance, facts)
        meeting()

    def lock_and_meet(workspace_id: int) -> None:
        lock(workspace_id)
        meeting()

    def change_it() -> None:
        monkeypatch.setattr(programs, "_tell", tell_and_meet)
        if is_locked_late:
            monkeypatch.setattr(programs, "lock_default", from_the_second_call(lock))
        change(second, name="Changed", is_default=True)

    def make_it() -> None:
        monkeypatch.setattr(programs, "lock_default", lock_and_meet)
        make(second)

    return at_once(change_it, make_it)


def from_the_second_call(lock: Callable[[int], None]) -> Callable[[int], None]:
    """Lock only when the default is taken from the other instance, and not before."""
    calls: list[int] = []

    def lock_late(workspace_id: int) -> None:
        calls.append(workspace_id)
        if len(calls) > 1:
            lock(workspace_id)

    return lock_late


class TestTwoInstancesThatGetOneExternalId:
    """Both have looked whether it is free."""

    def test_are_one_with_it_and_one_that_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        instances = two_instances()
        monkeypatch.setattr(programs, "_tell", Meeting(programs._tell))

        answers = at_once(*(partial(change, instance, external_id="class-1") for instance in instances))

        assert kinds_of(answers) == ["Invalid"]
        assert ProgramInstance.objects.filter(external_id="class-1").count() == 1


class TestALearnerWhoTakesAPlaceWhileAnotherDefaultIsMade:
    """The learner's transaction has locked the instance, and refers to the workspace when it commits."""

    @pytest.fixture
    def enroll_and_make_default(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], list[Any]]:
        def do(patience: float) -> list[Any]:
            first, second = two_instances()
            ProgramInstance.objects.filter(pk=first.pk).update(capacity=5)
            enrollment = CandidateFactory(workspace=first.workspace, instance=first)
            evaluate_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())
            meeting = Meeting(lambda: None, patience=patience)
            lock = programs.lock_default
            has_room = admission.has_room

            def lock_and_meet(workspace_id: int) -> None:
                lock(workspace_id)
                meeting()

            def look_and_meet(instance: ProgramInstance) -> bool:
                meeting()
                return has_room(instance)

            monkeypatch.setattr(programs, "lock_default", lock_and_meet)
            monkeypatch.setattr(admission, "has_room", look_and_meet)
            return at_once(partial(_submit, enrollment.pk), partial(make, second))

        return do

    def test_is_not_kept_from_it(self, enroll_and_make_default: Callable[[float], list[Any]]) -> None:
        answers = enroll_and_make_default(30)

        assert answers == ["approved", None]
        assert examine() == {}

    def test_would_deadlock_with_a_lock_that_keeps_others_from_referring_to_the_workspace(
        self, enroll_and_make_default: Callable[[float], list[Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control."""

        def lock_against_references(workspace_id: int) -> None:
            Workspace.objects.select_for_update().get(pk=workspace_id)

        monkeypatch.setattr(programs, "lock_default", lock_against_references)

        assert kinds_of(enroll_and_make_default(30)) == ["OperationalError"]


def _submit(enrollment_id: int) -> str:
    return str(submit_enrollment(enrollment_id=enrollment_id, actor=STAFF, now=utc_now()).eligibility_status)


class TestTheDefault:
    """One switches something off, and the other makes it the default, which each alone refuses."""

    @pytest.mark.parametrize("what", ["program", "instance"])
    def test_is_never_switched_off(self, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
        answers = switch_off_and_make_default(monkeypatch, what, patience=KEPT_OUT)

        assert kinds_of(answers) == ["Invalid"]
        assert is_default_active()

    @pytest.mark.parametrize("what", ["program", "instance"])
    def test_would_be_switched_off_without_the_lock(self, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
        """Control."""
        monkeypatch.setattr(programs, "lock_default", lambda workspace_id: None)

        answers = switch_off_and_make_default(monkeypatch, what, patience=BOTH_COME)

        assert kinds_of(answers) == []
        assert not is_default_active()


def switch_off_and_make_default(monkeypatch: pytest.MonkeyPatch, what: str, *, patience: float) -> list[Any]:
    """Let them meet after one has written and the other has looked."""
    _, second = two_instances()
    meeting = Meeting(lambda: None, patience=patience)
    save = ProgramInstance.save
    save_program = Program.save

    def save_and_meet(row: ProgramInstance, **fields: Any) -> None:
        if "update_fields" in fields:  # it is about to be the default
            meeting()
            save(row, **fields)
        else:
            save(row, **fields)
            meeting()

    def save_program_and_meet(row: Program, **fields: Any) -> None:
        save_program(row, **fields)
        meeting()

    monkeypatch.setattr(ProgramInstance, "save", save_and_meet)
    monkeypatch.setattr(Program, "save", save_program_and_meet)
    switches = {"program": _switch_program_off, "instance": _switch_instance_off}
    return at_once(partial(switches[what], second), partial(make, second))


def _switch_program_off(instance: ProgramInstance) -> None:
    program = instance.program
    change_program(workspace_id=program.workspace_id, code=program.code, changes={"active": False})


def _switch_instance_off(instance: ProgramInstance) -> None:
    change(instance, active=False)


def is_default_active() -> bool:
    default = ProgramInstance.objects.select_related("program").get(is_default=True)
    return default.active and default.program.active
