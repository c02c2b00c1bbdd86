"""Staff send a learner to another partner, or to another course, for one step."""

import pytest

from core.actors import SYSTEM
from core.clock import utc_now
from core.errors import Invalid, TransitionNotAllowed
from enrollments.models import Enrollment
from enrollments.tests.factories import STAFF
from events.models import OutboxEvent
from partners.acceptance import record_acceptance
from partners.interventions import reassign_step
from partners.models import EnrollmentStep, Provider
from partners.progression import mark_step_complete

from .breaches import breaches
from .factories import ProviderFactory, accept, approved, complete, statuses, steps_of

pytestmark = pytest.mark.django_db


def elsewhere(step: EnrollmentStep) -> Provider:
    return ProviderFactory(workspace=step.enrollment.workspace)


def reassign(step: EnrollmentStep, partner: Provider | None = None, course_id: str = "") -> EnrollmentStep:
    slug = (partner or elsewhere(step)).slug
    return reassign_step(
        step_id=step.pk, partner=slug, course_id=course_id, reason="Closed until summer", actor=STAFF, now=utc_now()
    )


class TestReassigning:
    def test_puts_another_step_in_its_place_and_withdraws_the_old_one(self) -> None:
        enrollment = approved(steps=2)
        old = accept(steps_of(enrollment)[0])
        other = elsewhere(old)

        placed = reassign(old, other)

        assert statuses(enrollment) == ["queued", "pending"]
        assert (placed.sequence_order, placed.provider, placed.course, placed.item) == (1, other, "course-1", old.item)
        old = EnrollmentStep.objects.get(pk=old.pk)
        assert (old.status, old.retired_at is not None, old.external_enrollment_id) == (
            "withdrawn",
            True,
            f"their-{old.pk}",
        )
        transition = old.transitions.get(to_status="withdrawn")
        assert (transition.reason, transition.actor) == ("Closed until summer", "user:1")
        assert breaches() == set()

    def test_to_another_course_of_the_same_partner_keeps_the_partner(self) -> None:
        step = steps_of(approved())[0]

        placed = reassign(step, step.provider, "course-9")

        assert (placed.provider, placed.course, placed.course_id) == (step.provider, "course-9", "course-9")

    def test_before_its_turn_asks_nobody(self) -> None:
        enrollment = approved(steps=2)

        reassign(steps_of(enrollment)[1])

        assert statuses(enrollment) == ["queued", "pending"]
        assert OutboxEvent.objects.filter(type="partner.step_queued").count() == 1
        assert breaches() == set()

    def test_goes_on_to_the_end_at_the_new_partner(self) -> None:
        enrollment = approved(steps=1)
        placed = reassign(accept(steps_of(enrollment)[0]))

        complete(accept(placed))

        assert Enrollment.objects.get(pk=enrollment.pk).participation_status == "completed"
        assert enrollment.certificates.filter(revoked_at=None).count() == 1
        assert breaches() == set()

    def test_makes_deaf_for_what_the_old_partner_says(self) -> None:
        enrollment = approved(steps=2)
        old = accept(steps_of(enrollment)[0])
        reassign(old)

        with pytest.raises(TransitionNotAllowed):
            mark_step_complete(step_id=old.pk, actor=SYSTEM, now=utc_now())

        assert statuses(enrollment) == ["queued", "pending"]

    def test_remembers_the_id_of_a_partner_that_answers_late(self) -> None:
        old = steps_of(approved())[0]
        reassign(old)

        record_acceptance(step_id=old.pk, external_enrollment_id="late", actor=SYSTEM, now=utc_now())

        old = EnrollmentStep.objects.get(pk=old.pk)
        assert (old.status, old.external_enrollment_id) == ("withdrawn", "late")


class TestReassigningThatIsRefused:
    @pytest.mark.parametrize("kind", ["unknown partner", "of another workspace", "the same course", "another step's"])
    def test_names_the_field_and_changes_nothing(self, kind: str) -> None:
        enrollment = approved(steps=2)
        step, later = steps_of(enrollment)
        stranger = ProviderFactory()
        partner, course = {
            "unknown partner": ("nobody", ""),
            "of another workspace": (stranger.slug, ""),
            "the same course": (step.provider.slug, ""),
            "another step's": (later.provider.slug, later.course),
        }[kind]

        with pytest.raises(Invalid) as refused:
            reassign_step(
                step_id=step.pk, partner=partner, course_id=course, reason="Closed", actor=STAFF, now=utc_now()
            )

        field = "partner" if "partner" in kind or "workspace" in kind else "courseId"
        assert [fault.field for fault in refused.value.errors] == [field]
        assert statuses(enrollment) == ["queued", "pending"]

    def test_is_that_of_a_step_that_is_over(self) -> None:
        enrollment = approved(steps=2)
        done = complete(accept(steps_of(enrollment)[0]))

        with pytest.raises(TransitionNotAllowed):
            reassign(done)

        assert statuses(enrollment) == ["completed", "queued"]

    @pytest.mark.sqlite
    def test_is_that_of_a_step_that_was_reassigned(self) -> None:
        enrollment = approved(steps=2)
        old = steps_of(enrollment)[0]
        reassign(old)

        with pytest.raises(TransitionNotAllowed):
            reassign(old)

        assert statuses(enrollment) == ["queued", "pending"]
        assert EnrollmentStep.objects.count() == 3
