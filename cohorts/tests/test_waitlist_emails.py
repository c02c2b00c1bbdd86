"""The mails about a waiting list: a place is offered, and the waiting ends without one."""

import datetime as dt
import re

import pytest

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory
from cohorts.models import Cohort, CohortPlace, StudentPackage, WaitlistEntry
from cohorts.sale.waitlist import end_lines_of_past_cohorts, expire_due_offers, join_waitlist, leave_waitlist
from cohorts.tests.factories import buy, buy_on_rows, cohort_with
from cohorts.tests.test_emails import read, refund, told
from core.clock import utc_now
from enrollments.models import Program
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db


def someone_waits(stripe: SandboxProcess) -> tuple[StudentPackage, Learner]:
    """Return the package that takes the only place of a cohort, and Wanda, who waits for it."""
    cohort = cohort_with(options=(1,), max_enrollment=1, name="Spring cohort")
    cohort.instance.program.title = "Algebra"
    cohort.instance.program.save()
    package = buy(stripe, cohort)
    waiting = LearnerFactory(workspace=cohort.instance.workspace, first_name="Wanda", email="waiting@example.test")
    join_waitlist(learner_id=waiting.pk, cohort_id=cohort.pk, now=utc_now())
    read()
    return package, waiting


class TestAnOffer:
    def test_says_until_when_and_where(self, stripe: SandboxProcess) -> None:
        package, waiting = someone_waits(stripe)
        refund(package)

        (message,) = [message for message in read() if "free" in message.subject]

        entry = waiting.waitlist_entries.get()
        assert message.to == ["waiting@example.test"]
        assert message.subject == "A place in Algebra is free for Wanda"
        assert entry.offer_expires_at is not None
        assert "We are holding it for you until " in message.body
        assert " (America/Chicago). After that it goes to the next in line." in message.body
        assert "Take or decline the place: http://127.0.0.1:8000/my/enrollments\n" in message.body

    def test_that_was_declined_is_not_told(self, stripe: SandboxProcess) -> None:
        package, waiting = someone_waits(stripe)
        refund(package)

        leave_waitlist(learner_id=waiting.pk, cohort_id=package.cohort_id, now=utc_now())

        assert [message for message in read() if "free" in message.subject] == []
        assert told("waitlist_offer") == ["skipped"]


class TestTheEndOfTheWaiting:
    def lapsed(self, stripe: SandboxProcess) -> tuple[StudentPackage, Learner]:
        """Let the offer of a place lapse, whose mail is not sent yet."""
        package, waiting = someone_waits(stripe)
        refund(package)
        read()
        past = utc_now() - dt.timedelta(minutes=1)
        CohortPlace.objects.filter(status="held").update(held_until=past)
        WaitlistEntry.objects.update(offer_expires_at=past)
        assert expire_due_offers(now=utc_now()) == 1
        return package, waiting

    def test_of_an_offer_says_that_the_place_is_no_longer_held(self, stripe: SandboxProcess) -> None:
        package, _ = self.lapsed(stripe)

        (message,) = read()

        assert message.to == ["waiting@example.test"]
        assert message.subject == "The place in Algebra is no longer held for Wanda"
        said = " ".join(message.body.split())
        assert re.search(
            r"We held a place in Algebra, Spring cohort, for Wanda until .+ \(.+\)\. It was not taken", said
        )
        assert f"See the course: http://127.0.0.1:8000/courses/{package.program.code} " in said

    def test_names_no_page_of_a_course_that_is_not_listed(self, stripe: SandboxProcess) -> None:
        self.lapsed(stripe)
        Program.objects.update(listed=False)

        (message,) = read()

        assert "http" not in message.body

    def test_of_a_cohort_that_is_over_says_that_no_place_became_free(self, stripe: SandboxProcess) -> None:
        someone_waits(stripe)
        last_day = utc_now().date() - dt.timedelta(days=2)
        Cohort.objects.update(start_date=last_day - dt.timedelta(weeks=1), end_date=last_day)

        end_lines_of_past_cohorts(now=utc_now())

        (message,) = read()
        assert message.subject == "The waiting list for Algebra has ended"
        assert message.body.startswith("Algebra, Spring cohort, is over, and no place became free for Wanda.\n")

    def test_is_not_told_to_who_waits_again(self, stripe: SandboxProcess) -> None:
        package, waiting = self.lapsed(stripe)
        WaitlistEntry.objects.create(cohort=package.cohort, learner=waiting, rank=2.0)

        assert read() == []
        assert told("waitlist_lapsed") == ["skipped"]

    def test_is_not_told_to_who_has_the_course_by_now(self, stripe: SandboxProcess) -> None:
        package, waiting = self.lapsed(stripe)
        buy_on_rows(package.cohort, waiting)

        assert "waiting@example.test" in [address for message in read() for address in message.to]
        assert told("waitlist_lapsed") == ["skipped"]

    def test_is_told_to_nobody_outside_of_the_family(self, stripe: SandboxProcess) -> None:
        _, waiting = self.lapsed(stripe)
        Learner.objects.filter(pk=waiting.pk).update(email="new@example.test")

        assert read() == []
        assert told("waitlist_lapsed") == ["skipped"]
