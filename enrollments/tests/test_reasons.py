"""The reasons that the platform gives for an end, where families read them."""

import datetime as dt
from collections.abc import Callable

import pytest
from django.utils import translation

from enrollments.family.standing import FamilyView, Standing
from enrollments.letters import write_end, write_planned_exit, write_rejection
from enrollments.models import Enrollment
from enrollments.reasons import FAMILY_LEFT, tell_reason
from enrollments.tests.factories import CandidateFactory
from notifications.letters import Email

pytestmark = pytest.mark.django_db

LETTERS: dict[str, Callable[[Enrollment, str], Email]] = {
    "end": lambda enrollment, reason: write_end(enrollment, reason=reason),
    "rejection": lambda enrollment, reason: write_rejection(enrollment, reason=reason, was_paid=False),
    "planned exit": lambda enrollment, reason: write_planned_exit(
        enrollment, effective_date=dt.date(2031, 5, 1), reason=reason, is_another_plan=False
    ),
}


class TestOurReason:
    @pytest.mark.parametrize("write", LETTERS.values(), ids=LETTERS)
    def test_is_in_the_language_of_its_mail(self, write: Callable[[Enrollment, str], Email]) -> None:
        enrollment = CandidateFactory()

        with translation.override("es"):
            ours = write(enrollment, FAMILY_LEFT).text
            theirs = write(enrollment, "Moved away").text

        assert ("La familia pidió salir" in ours, FAMILY_LEFT in ours) == (True, False)
        assert "Moved away" in theirs

    def test_is_in_the_language_of_the_page_of_an_application(self) -> None:
        enrollment = CandidateFactory(eligibility_reason=FAMILY_LEFT)

        with translation.override("pl"):
            told = FamilyView(enrollment, None, Standing.NOT_ACCEPTED, None).reason

        assert told == "Rodzina poprosiła o wypisanie"

    def test_stays_as_it_is_without_a_language_and_if_there_is_none(self) -> None:
        with translation.override("es"):
            assert tell_reason("") == ""
        assert tell_reason(FAMILY_LEFT) == "The family asked to leave"
