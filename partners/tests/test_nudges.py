"""Who is nudged about what waits for them, how often, and how they stop it."""

import datetime as dt
import json
from io import StringIO
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts.models import StaffTask, User
from accounts.states import Role
from accounts.tests.factories import GuardianFactory
from backoffice.tests.staff_client import StaffClient
from core.actors import SYSTEM
from enrollments.lifecycle import unenroll_enrollment
from notifications.models import Notification, WorkspaceLetter
from notifications.sending import notify, send_due_notifications
from partners.acceptance import record_refusal
from partners.management.commands import send_nudges as command
from partners.models import EnrollmentStep, Nudge
from partners.nudges import sending
from partners.nudges.links import stop_url
from partners.nudges.sending import Report, send_nudges
from partners.nudges.stopping import resume_nudges, stop_nudges
from partners.outages import note_silence
from partners.providers import change_provider, pause_provider

from .factories import NOON, STAFF, accept, approved, complete, steps_of

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)
WEEK = 7 * DAY
SECOND = dt.timedelta(seconds=1)
STUCK = NOON + 8 * DAY  # the learner was accepted at noon, and counts as stuck after 7 days


@pytest.fixture
def step() -> EnrollmentStep:
    """Return a step in progress since noon."""
    return accept(steps_of(approved(now=NOON))[0], now=NOON)


@pytest.fixture
def waiting() -> EnrollmentStep:
    """Return a step queued since noon at a partner whose contact we know."""
    found = steps_of(approved(now=NOON))[0]
    change_provider(provider_id=found.provider_id, contact_email="desk@partner.test", now=NOON)
    return found


def family_of(step: EnrollmentStep) -> str:
    assert step.enrollment.learner is not None
    return step.enrollment.learner.email


def nudged() -> list[str]:
    rows = Notification.objects.filter(kind__startswith="partner_nudge").order_by("pk")
    return list(rows.values_list("recipient", flat=True))


def sent_mails(now: dt.datetime) -> list[Any]:
    """Return the nudges that reach the mail server."""
    Notification.objects.exclude(kind__startswith="partner_nudge").delete()
    mail.outbox.clear()
    send_due_notifications(now=now)
    return mail.outbox


class TestAFamilyWhoseTurnItIs:
    @pytest.mark.sqlite
    def test_is_nudged_once_the_learner_is_stuck_and_once_a_week(self, step: EnrollmentStep) -> None:
        assert send_nudges(now=NOON + WEEK) == Report()
        assert send_nudges(now=STUCK) == Report(families=1)
        assert send_nudges(now=STUCK + WEEK - SECOND) == Report()
        assert send_nudges(now=STUCK + WEEK) == Report(families=1)

        assert nudged() == [family_of(step)] * 2
        nudge = Nudge.objects.get()
        assert (nudge.enrollment_id, nudge.sent_count, nudge.last_sent_at) == (step.enrollment_id, 2, STUCK + WEEK)

    def test_reads_what_waits_and_how_to_stop_it(self, step: EnrollmentStep) -> None:
        send_nudges(now=STUCK)

        [message] = sent_mails(STUCK)

        link = stop_url(Nudge.objects.get())
        learner = step.enrollment.person.first_name
        assert message.subject == f"{learner} has not finished at {step.provider} yet"
        assert "It has been under way for 8 days" in message.body
        assert message.body.endswith(f"\nStop these emails: {link}\n")
        assert message.extra_headers["List-Unsubscribe"] == f"<{link}>"
        assert message.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    def test_reads_its_language(self, step: EnrollmentStep) -> None:
        User.objects.create(email=family_of(step), language="es")
        send_nudges(now=STUCK)

        [message] = sent_mails(STUCK)

        assert "8 días" in message.body

    def test_is_its_guardians(self, step: EnrollmentStep) -> None:
        learner = step.enrollment.learner
        assert learner is not None
        for address in ("one@home.test", "two@home.test"):
            learner.guardianships.create(guardian=GuardianFactory(workspace=learner.workspace, email=address))

        send_nudges(now=STUCK)

        assert sorted(nudged()) == ["one@home.test", "two@home.test"]

    @pytest.mark.parametrize(
        ("clock", "families"), [((8, 59, 59), 0), ((9, 0, 0), 1), ((17, 59, 59), 1), ((18, 0, 0), 0)]
    )
    def test_is_left_alone_at_night(self, step: EnrollmentStep, clock: tuple[int, int, int], families: int) -> None:
        assert send_nudges(now=dt.datetime.combine(STUCK, dt.time(*clock, tzinfo=dt.UTC))) == Report(families=families)

    @pytest.mark.parametrize("out", [pause_provider, note_silence])
    def test_is_left_alone_while_the_partner_is_out(self, step: EnrollmentStep, out: Any) -> None:
        out(provider_id=step.provider_id, now=STUCK)

        assert send_nudges(now=STUCK + SECOND) == Report()

    def test_is_left_alone_where_the_workspace_switched_them_off(self, step: EnrollmentStep) -> None:
        WorkspaceLetter.objects.create(
            workspace=step.enrollment.workspace, kind="partner_nudge_family", subject="a", body="b", is_on=False
        )

        assert send_nudges(now=STUCK) == Report()
        assert not Nudge.objects.exists()

    def test_is_left_alone_after_the_learner_left(self, step: EnrollmentStep) -> None:
        unenroll_enrollment(enrollment_id=step.enrollment_id, actor=STAFF, reason="Moved", now=NOON + DAY)

        assert send_nudges(now=STUCK) == Report()

    def test_gets_no_mail_about_what_is_finished_before_it_goes_out(self, step: EnrollmentStep) -> None:
        send_nudges(now=STUCK)
        complete(step, now=STUCK + SECOND)

        assert sent_mails(STUCK + SECOND) == []
        assert Notification.objects.filter(kind="partner_nudge_family").get().status == "skipped"

    def test_holds_up_no_other_if_it_can_not_be_nudged(
        self, step: EnrollmentStep, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = accept(steps_of(approved(now=NOON))[0], now=NOON)

        def fail_for_the_first(**told: Any) -> bool:
            if told["recipient"] == family_of(step):
                raise RuntimeError("broken")
            return notify(**told)

        monkeypatch.setattr(sending, "notify", fail_for_the_first)

        send_nudges(now=STUCK)

        assert nudged() == [family_of(other)]
        assert Nudge.objects.get().enrollment_id == other.enrollment_id


class TestAfterFourInARow:
    def test_staff_are_asked_once_and_nobody_is_written_to(self, step: EnrollmentStep) -> None:
        for week in range(4):
            send_nudges(now=STUCK + week * WEEK)

        assert send_nudges(now=STUCK + 4 * WEEK) == Report(given_up=1)
        assert send_nudges(now=STUCK + 5 * WEEK) == Report()

        assert len(nudged()) == 4
        task = StaffTask.objects.get(kind="partner_nudges_unanswered")
        assert (task.subject, task.status) == (f"enrollment:{step.enrollment_id}", "open")

    def test_it_begins_anew_once_things_have_moved_on(self, step: EnrollmentStep) -> None:
        for week in range(5):
            send_nudges(now=STUCK + week * WEEK)
        moved = STUCK + 4 * WEEK + DAY
        complete(step, now=moved)
        send_nudges(now=moved)

        assert StaffTask.objects.get(kind="partner_nudges_unanswered").status == "done"
        accept(steps_of(step.enrollment)[1], now=moved)
        assert send_nudges(now=moved + 8 * DAY) == Report(families=1)
        assert len(nudged()) == 5


class TestAPartnerThatLearnersWaitFor:
    @pytest.mark.sqlite
    def test_is_nudged_with_references_and_no_names(self, waiting: EnrollmentStep) -> None:
        assert send_nudges(now=NOON + DAY) == Report(contacts=1)
        assert send_nudges(now=NOON + 2 * DAY) == Report()

        [message] = sent_mails(NOON + DAY)
        learner = waiting.enrollment.learner
        assert learner is not None
        assert message.to == ["desk@partner.test"]
        assert message.subject == f"Waiting for {waiting.provider}: 1 learner"
        assert f"{waiting.cuid} (course course-1)" in message.body
        assert learner.first_name not in message.body
        assert learner.email not in message.body

    def test_is_not_nudged_without_an_address(self) -> None:
        approved(now=NOON)

        assert send_nudges(now=NOON + DAY) == Report()

    def test_is_not_nudged_about_what_is_our_turn(self, waiting: EnrollmentStep) -> None:
        record_refusal(step_id=waiting.pk, reason="No such course", actor=SYSTEM, now=NOON)

        assert send_nudges(now=NOON + DAY) == Report()

    def test_gets_no_mail_at_an_address_that_was_changed_meanwhile(self, waiting: EnrollmentStep) -> None:
        send_nudges(now=NOON + DAY)
        change_provider(provider_id=waiting.provider_id, contact_email="other@partner.test", now=NOON)

        assert sent_mails(NOON + DAY) == []


class TestWhoeverStopsThem:
    def test_gets_none_although_one_was_on_its_way(self, step: EnrollmentStep) -> None:
        send_nudges(now=STUCK)
        stop_nudges(nudge_id=Nudge.objects.get().pk, actor=STAFF, now=STUCK)

        assert sent_mails(STUCK) == []
        assert send_nudges(now=STUCK + WEEK) == Report()

    def test_may_have_them_again_and_not_within_the_week(self, step: EnrollmentStep) -> None:
        send_nudges(now=STUCK)
        nudge = Nudge.objects.get()
        stop_nudges(nudge_id=nudge.pk, actor=STAFF, now=STUCK)
        resume_nudges(nudge_id=nudge.pk, actor=STAFF, now=STUCK + DAY)

        assert send_nudges(now=STUCK + 2 * DAY) == Report()
        assert send_nudges(now=STUCK + WEEK) == Report(families=1)


class TestTheLinkInTheMail:
    @pytest.fixture
    def address(self, step: EnrollmentStep) -> str:
        send_nudges(now=STUCK)
        return "/nudges/" + stop_url(Nudge.objects.get()).rpartition("/")[2]

    def test_shows_a_button_and_changes_nothing(self, client: Client, address: str, step: EnrollmentStep) -> None:
        answer = client.get(address, follow=True)

        shown = answer.content.decode()
        assert "Stop these emails?" in shown
        assert family_of(step) not in shown
        assert step.enrollment.person.first_name not in shown
        assert (answer["X-Robots-Tag"], answer["Referrer-Policy"]) == ("noindex", "no-referrer")
        assert Nudge.objects.get().stopped_at is None

    @pytest.mark.parametrize("press", [{"do": "stop"}, {"List-Unsubscribe": "One-Click"}])
    def test_stops_them_by_a_post_without_signing_in(self, address: str, press: dict[str, str]) -> None:
        strict = Client(enforce_csrf_checks=True)

        answer = strict.post(address, press)

        assert answer.status_code == 200
        assert "You get no more of these emails" in answer.content.decode()
        assert Nudge.objects.get().stopped_by == "receiver"

    def test_resumes_them(self, client: Client, address: str) -> None:
        client.post(address, {"do": "stop"})

        client.post(address, {"do": "resume"})

        assert Nudge.objects.get().stopped_at is None

    @pytest.mark.parametrize("token", ["1", "1.forged", "x" * 300, "9999.a.b"])
    def test_that_is_forged_is_a_page_that_helps(self, client: Client, address: str, token: str) -> None:
        answer = client.post(f"/nudges/{token}")

        assert answer.status_code == 404
        assert "This link does not work" in answer.content.decode()
        assert Nudge.objects.get().stopped_at is None


class TestTheCommand:
    def test_counts_and_writes_to_nobody_in_a_rehearsal(
        self, step: EnrollmentStep, waiting: EnrollmentStep, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(command, "utc_now", lambda: STUCK)

        assert self.run("--dry-run") == self.report(families_due=1, contacts_due=1)
        assert not Nudge.objects.exists()
        assert self.run() == self.report(families_due=1, contacts_due=1, families_nudged=1, contacts_nudged=1)
        assert self.run() == self.report()

    def run(self, *options: str) -> Any:
        out = StringIO()
        call_command("send_nudges", "--json", *options, stdout=out)
        return json.loads(out.getvalue())

    def report(self, **more: int) -> dict[str, int]:
        names = ("families_due", "contacts_due", "families_nudged", "contacts_nudged", "given_up")
        return {**dict.fromkeys(names, 0), **more}


class TestInTheBackOffice:
    def test_staff_see_and_stop_and_resume_them(self, step: EnrollmentStep) -> None:
        send_nudges(now=STUCK)
        nudge = Nudge.objects.get()
        staff = StaffClient(workspace=step.enrollment.workspace, role=Role.REVIEWER)

        listed = staff.get(reverse("admin:partners_nudge_changelist")).content.decode()
        assert "The family" in listed
        assert str(step.enrollment.person) in listed
        assert family_of(step) not in listed

        staff.post(reverse("admin:partners_nudge_stop", args=[nudge.pk]))
        assert Nudge.objects.get().stopped_by.startswith("user:")
        staff.post(reverse("admin:partners_nudge_resume", args=[nudge.pk]))
        assert Nudge.objects.get().stopped_at is None
