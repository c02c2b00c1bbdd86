"""A learner is erased at the moment when a partner reports on them, or when they are approved."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from accounts import merging
from accounts.merging import merge_learners
from accounts.models import Lead, Learner
from accounts.tests.factories import LeadFactory, LearnerFactory, WorkspaceFactory
from core.actors import SYSTEM, Actor
from core.clock import utc_now
from core.personal import Person, Personal
from core.rows import lock_rows
from enrollments import lifecycle
from enrollments import locks as enrollment_locks
from enrollments.lifecycle import evaluate_enrollment, submit_enrollment, unenroll_enrollment
from enrollments.locks import lock_enrollment_with_seat, lock_enrollments, lock_learner_of, lock_together
from enrollments.models import Enrollment
from enrollments.personal import end_what_waits
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory
from operations.doctor import examine
from partners import locks as partner_locks
from partners.inbox import handle_event
from partners.models import EnrollmentStep, PartnerEvent
from partners.tests.factories import accept, approved, steps_of
from privacy import erasing
from privacy import locks as privacy_locks
from privacy.tests.erasures import erase
from tests.processes import BOTH_COME, KEPT_OUT, Failure, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

DEADLOCK = "deadlock detected"


def erase_and_tell(learner: Learner) -> str:
    return f"erased {erase(learner).learner_cuid}"


def merge(*, keep: Learner, drop: Learner) -> None:
    merge_learners(keep_id=keep.pk, drop_id=drop.pk, actor=SYSTEM, reason="Entered twice", now=utc_now())


def submit(enrollment: Enrollment) -> str:
    submitted = submit_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())
    return str(submitted.eligibility_status)


def eligible(**more: Any) -> Enrollment:
    """An enrollment that the automatic review approves as soon as it is submitted."""
    instance = more.pop("instance", None) or InstanceFactory(price=None)
    candidate = CandidateFactory(instance=instance, workspace=instance.workspace, **more)
    return evaluate_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=utc_now())


def lock_the_learner_alone(find: Callable[[], Person]) -> Person:
    Learner.objects.select_for_update(no_key=True).get(pk=find().learners[0])
    return find()


class TestAnErasureAgainstAPartnersEvent:
    def test_waits_for_the_event_and_erases_what_it_reported(self, monkeypatch: pytest.MonkeyPatch) -> None:
        learner, event = self.somebody_who_left()

        erased, handled = self.meet(monkeypatch, learner, event, patience=KEPT_OUT)

        assert (erased, handled) == (f"erased {learner.cuid}", "")
        assert EnrollmentStep.objects.filter(certificate__isnull=False).count() == 0
        assert examine() == {}

    def test_without_the_locks_deadlocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: the erasure changes the step first, as the event does behind the lock of the enrollment."""
        learner, event = self.somebody_who_left()
        monkeypatch.setattr(erasing, "lock_person", lock_the_learner_alone)

        erased, handled = self.meet(monkeypatch, learner, event, patience=BOTH_COME)

        refused = erased.message if isinstance(erased, Failure) else handled
        assert DEADLOCK in refused

    def somebody_who_left(self) -> tuple[Learner, PartnerEvent]:
        enrollment = approved(steps=1)
        step = accept(steps_of(enrollment)[0])
        unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Moved away", now=utc_now())
        event = PartnerEvent.objects.create(
            provider=step.provider,
            event_id="msg-1",
            type="certificate.issued",
            external_enrollment_id=step.external_enrollment_id,
            payload={"certificateId": "c-1"},
            next_attempt_at=utc_now(),
        )
        assert enrollment.learner is not None
        return enrollment.learner, event

    def meet(
        self, monkeypatch: pytest.MonkeyPatch, learner: Learner, event: PartnerEvent, *, patience: float
    ) -> list[Any]:
        """The event continues once it has locked the enrollment, the erasure once it has changed the step."""
        meeting = Meeting(lambda answer: answer, patience=patience)
        erase_of = Personal.erase_of

        def erase_and_meet(self: Personal, person: Person) -> int:
            rows = erase_of(self, person)
            return meeting(rows) if self.model is EnrollmentStep else rows

        monkeypatch.setattr(Personal, "erase_of", erase_and_meet)
        monkeypatch.setattr(partner_locks, "lock_together", lambda *ids, **how: meeting(lock_together(*ids, **how)))
        return at_once(
            partial(erase_and_tell, learner), lambda: handle_event(event_id=event.pk, now=utc_now()).last_error
        )


class TestAnErasureAgainstAnApproval:
    def test_has_one_winner(self) -> None:
        enrollment = eligible()
        assert enrollment.learner is not None

        erased, submitted = at_once(partial(erase_and_tell, enrollment.learner), partial(submit, enrollment))

        enrollment.refresh_from_db()
        if isinstance(erased, Failure):
            assert (erased.kind, submitted) == ("ErasureRefused", "approved")
            assert enrollment.deleted_at is None
        else:
            assert submitted.kind == "NotFound"
            assert enrollment.deleted_at is not None
        assert examine() == {}

    def test_without_the_locks_leaves_an_enrollment_that_goes_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: the erasure looks for obstacles before the approval, and erases after it."""
        enrollment = eligible()
        assert enrollment.learner is not None
        begin, end = Meeting(lambda: None), Meeting(lambda: None)

        def end_after_the_approval(person: Person, *, actor: Actor) -> None:
            begin()
            end()
            end_what_waits(person, actor=actor)

        def submit_in_between() -> str:
            begin()
            answer = submit(enrollment)
            end()
            return answer

        monkeypatch.setattr(erasing, "lock_person", lock_the_learner_alone)
        monkeypatch.setattr(erasing, "end_what_waits", end_after_the_approval)

        answers = at_once(partial(erase_and_tell, enrollment.learner), submit_in_between)

        assert answers == [f"erased {enrollment.learner.cuid}", "approved"]
        assert Enrollment.objects.current().filter(pk=enrollment.pk, learner__erased_at__isnull=False).exists()


class TestAnErasureAgainstTheApprovalOfALead:
    """The learner was once a prospect, and an enrollment still refers to the lead."""

    def test_does_not_wait(self, monkeypatch: pytest.MonkeyPatch) -> None:
        learner, enrollment = self.somebody_who_was_a_lead()

        erased, submitted = self.meet(monkeypatch, learner, enrollment)

        assert (erased.kind, submitted) == ("Unavailable", "approved")
        assert Learner.objects.get(pk=learner.pk).erased_at is None
        assert examine() == {}

    def test_that_waited_would_deadlock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: the approval has locked the enrollment and waits for the learner, and the erasure vice versa."""
        learner, enrollment = self.somebody_who_was_a_lead()
        monkeypatch.setattr(enrollment_locks, "lock_unlocked", lambda ids: [each.pk for each in lock_enrollments(ids)])

        answers = self.meet(monkeypatch, learner, enrollment)

        assert [DEADLOCK in answer.message for answer in answers if isinstance(answer, Failure)] == [True]

    def somebody_who_was_a_lead(self) -> tuple[Learner, Enrollment]:
        instance = InstanceFactory(price=None)
        lead = LeadFactory(workspace=instance.workspace)
        first = eligible(instance=instance, learner=None, lead=lead)
        submit(first)
        learner = Lead.objects.get(pk=lead.pk).converted_to
        assert learner is not None
        unenroll_enrollment(enrollment_id=first.pk, actor=STAFF, reason="Moved away", now=utc_now())
        other = InstanceFactory(workspace=instance.workspace, price=None, is_default=False)
        return learner, eligible(instance=other, learner=None, lead=lead)

    def meet(self, monkeypatch: pytest.MonkeyPatch, learner: Learner, enrollment: Enrollment) -> list[Any]:
        """The approval continues once it has locked the enrollment, the erasure once it has locked the learner."""
        meeting = Meeting(lambda answer: answer)
        monkeypatch.setattr(privacy_locks, "lock_learner_of", lambda *ids: meeting(lock_learner_of(*ids)))
        monkeypatch.setattr(lifecycle, "lock_enrollment_with_seat", lambda pk: meeting(lock_enrollment_with_seat(pk)))
        return at_once(partial(erase_and_tell, learner), partial(submit, enrollment))


class TestAnErasureAgainstAMerge:
    """The erasure concerns all who were merged into the learner, and the merge takes them along."""

    def test_waits_for_the_merge(self, monkeypatch: pytest.MonkeyPatch) -> None:
        merged, erased = self.meet(monkeypatch, merging._lock_both)

        assert merged is None
        assert erased == Failure(
            "Unavailable", "Something about this person is being changed right now; repeat the request."
        )
        assert examine() == {}

    def test_without_locking_those_who_follow_would_deadlock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: the merge locks the first learner when it changes them, after the third."""

        def lock_two(keep_id: int, drop_id: int) -> tuple[Learner, Learner]:
            lock_rows(Learner, keep_id, drop_id)
            return merging._get_both(keep_id, drop_id)

        failures = [answer for answer in self.meet(monkeypatch, lock_two) if isinstance(answer, Failure)]

        assert any(DEADLOCK in failure.message for failure in failures)

    def meet(self, monkeypatch: pytest.MonkeyPatch, lock_both: Callable[..., Any]) -> list[Any]:
        """The first learner was merged into the third, who is merged into the second while being erased."""
        first, second, third = LearnerFactory.create_batch(3, workspace=WorkspaceFactory())
        merge(keep=third, drop=first)
        locked = Meeting(lambda: None)
        waits = Meeting(lambda: None, patience=KEPT_OUT)  # nobody comes: the erasure waits for a row

        def lock_and_wait(keep_id: int, drop_id: int) -> Any:
            both = lock_both(keep_id, drop_id)
            locked()
            waits()
            return both

        def erase_meanwhile() -> str:
            locked()
            return erase_and_tell(third)

        monkeypatch.setattr(merging, "_lock_both", lock_and_wait)
        return at_once(lambda: merge(keep=second, drop=third), erase_meanwhile)
