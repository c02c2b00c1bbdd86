"""Polling partners: news that no webhook reported arrives anyway, once."""

import datetime as dt
import json
from typing import Any

import pytest
from django.core.management import call_command

from core import vendors
from core.breaker import Breaker
from core.outbound import Answer
from partners import polling, rounds
from partners.gateways.contract import PartnerDown, PartnerNews, PartnerRefuses
from partners.gateways.rest import RestGateway
from partners.interventions import reopen_step, skip_step
from partners.models import EnrollmentStep, PartnerEvent
from partners.polling import poll_provider, poll_step, ring_for_due_polls
from partners.providers import pause_provider

from .breaches import breaches
from .factories import NOON, STAFF, ProviderFactory, accept, approved, statuses, steps_of

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

DUE = NOON + dt.timedelta(hours=6)
CERTIFICATE = {"certificateId": "c-1", "certificateNumber": "77"}


class Partner:
    """A partner's system that answers each poll with `news`, or raises it."""

    def __init__(self) -> None:
        self.news: PartnerNews | Exception | None = said(progress=0)
        self.asked: list[str] = []

    def read(self, external_id: str) -> PartnerNews | None:
        self.asked.append(external_id)
        if isinstance(self.news, Exception):
            raise self.news
        return self.news


def said(status: str = "active", *, progress: int = 100, certificate: dict[str, str] | None = None) -> PartnerNews:
    return PartnerNews(status, progress, "2026-03-02T16:59:00Z", certificate or {})


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> Partner:
    made = Partner()
    monkeypatch.setattr(polling, "get_gateway", lambda provider: made)
    return made


@pytest.fixture
def step() -> EnrollmentStep:
    return accept(steps_of(approved(now=NOON))[0], now=NOON)


def poll(step: EnrollmentStep, now: dt.datetime = DUE) -> EnrollmentStep:
    poll_step(step_cuid=step.cuid, now=now)
    return EnrollmentStep.objects.get(pk=step.pk)


class TestAStepInProgress:
    def test_is_asked_about_once_nothing_was_told_for_the_partners_hours(
        self, partner: Partner, step: EnrollmentStep
    ) -> None:
        poll(step, DUE - dt.timedelta(seconds=1))
        assert partner.asked == []

        kept = poll(step)
        poll(step)

        assert partner.asked == [f"their-{step.pk}"]
        assert (kept.next_attempt_at, PartnerEvent.objects.count()) == (DUE + dt.timedelta(hours=6), 0)

    def test_that_is_completed_there_advances_once(self, partner: Partner, step: EnrollmentStep) -> None:
        partner.news = said("completed", certificate=CERTIFICATE)

        kept = poll(step)
        poll(step, DUE + dt.timedelta(days=1))

        assert statuses(step.enrollment) == ["completed", "queued"]
        assert kept.certificate == {"id": "c-1", "number": "77", "url": ""}
        told = PartnerEvent.objects.order_by("pk").values_list("type", "outcome")
        assert [kind for kind, _ in told] == ["certificate.issued", "progress.updated", "course.completed"]
        assert partner.asked == [f"their-{step.pk}"]
        assert breaches(now=DUE) == set()

    @pytest.mark.parametrize(
        ("finished", "becomes"),
        [
            ("2026-03-02T16:59:00Z", "in_progress"),  # it is the completion that staff took back
            ("", "in_progress"),  # it may be
            ("2026-03-03T09:00:00Z", "completed"),
        ],
    )
    def test_that_staff_had_done_again_is_completed_by_a_later_completion_only(
        self, partner: Partner, step: EnrollmentStep, finished: str, becomes: str
    ) -> None:
        partner.news = said("completed")
        poll(step)
        reopen_step(step_id=step.pk, reason="By mistake", actor=STAFF, now=DUE)
        partner.news = PartnerNews("completed", 100, finished, {})

        kept = poll(step, DUE + dt.timedelta(days=1))

        assert statuses(step.enrollment)[0] == becomes
        assert kept.progress == (100 if becomes == "completed" else 0)

    def test_that_staff_had_done_again_is_told_of_what_comes_after_even_if_it_was_told_before(
        self, partner: Partner, step: EnrollmentStep
    ) -> None:
        partner.news = said(progress=60)
        poll(step)
        partner.news = said("completed", certificate=CERTIFICATE)
        poll(step, DUE + dt.timedelta(days=1))
        again = DUE + dt.timedelta(days=2)
        reopen_step(step_id=step.pk, reason="By mistake", actor=STAFF, now=again)

        partner.news = said(progress=60)
        begun = poll(step, again + dt.timedelta(days=1))
        partner.news = PartnerNews("completed", 100, "2026-03-09T09:00:00Z", {"certificateNumber": "78"})
        done = poll(step, again + dt.timedelta(days=2))

        assert (begun.status, begun.progress, begun.certificate) == ("in_progress", 60, None)
        assert (done.status, done.progress) == ("completed", 100)
        assert done.certificate == {"id": "", "number": "78", "url": ""}

    def test_never_goes_back(self, partner: Partner, step: EnrollmentStep) -> None:
        partner.news = said(progress=60)
        assert poll(step).progress == 60

        partner.news = said(progress=40)

        assert poll(step, DUE + dt.timedelta(days=1)).progress == 60

    @pytest.mark.parametrize(
        ("news", "error"),
        [
            (None, "knows nobody"),
            (said("withdrawn", progress=0), "has left"),
            (PartnerRefuses("The partner answered 400."), "400"),
        ],
    )
    def test_that_the_partner_does_not_teach_says_so_to_staff(
        self, partner: Partner, step: EnrollmentStep, news: Any, error: str
    ) -> None:
        partner.news = news

        kept = poll(step)

        assert (kept.status, error in kept.last_error) == ("in_progress", True)
        assert PartnerEvent.objects.count() == 0

    def test_is_asked_about_again_when_the_partner_is_down(self, partner: Partner, step: EnrollmentStep) -> None:
        partner.news = PartnerDown("It answered 503.", wait_seconds=1000)

        kept = poll(step)

        assert (kept.status, kept.attempts, kept.last_error) == ("in_progress", 1, "It answered 503.")
        assert kept.next_attempt_at is not None
        assert kept.next_attempt_at >= DUE + dt.timedelta(seconds=1000)
        partner.news = said("completed")
        assert poll(step, DUE + dt.timedelta(hours=2)).status == "completed"

    def test_that_staff_skip_meanwhile_stays_skipped(self, partner: Partner, step: EnrollmentStep) -> None:
        class Slow(Partner):
            def read(self, external_id: str) -> PartnerNews | None:
                skip_step(step_id=step.pk, reason="Knows it", actor=STAFF, now=DUE)
                return said("completed")

        partner.read = Slow().read  # type: ignore[method-assign]

        assert poll(step).status == "skipped"
        assert PartnerEvent.objects.get(type="course.completed").outcome == "the step was skipped before"


class TestARound:
    def test_stops_at_a_partner_that_is_down(
        self, partner: Partner, step: EnrollmentStep, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rounds, "SILENCES_IN_A_ROW", 1)
        other = accept(steps_of(approved(step.enrollment.instance, now=NOON))[0], now=NOON)
        partner.news = PartnerDown("It is down.")

        assert poll_provider(provider_id=step.provider_id, now=DUE) == 1
        assert partner.asked == [f"their-{step.pk}"]
        assert EnrollmentStep.objects.get(pk=other.pk).attempts == 0

    def test_leaves_paused_partners_alone(self, step: EnrollmentStep) -> None:
        assert ring_for_due_polls(now=DUE) == 1

        pause_provider(provider_id=step.provider_id, now=NOON)

        assert ring_for_due_polls(now=DUE) == 0


class TestTheCommand:
    def test_counts_first_and_asks_of_all_when_told_to(
        self, step: EnrollmentStep, capsys: pytest.CaptureFixture[str]
    ) -> None:
        soon = EnrollmentStep.objects.filter(pk=step.pk)
        soon.update(next_attempt_at=dt.datetime(2999, 1, 1, tzinfo=dt.UTC))

        call_command("poll_partners", "--all", "--dry-run", "--json")
        assert json.loads(capsys.readouterr().out) == {"steps_due": 1, "partners_asked": 0}
        call_command("poll_partners", "--json")
        assert json.loads(capsys.readouterr().out) == {"steps_due": 0, "partners_asked": 0}
        call_command("poll_partners", "--all", "--json")
        assert json.loads(capsys.readouterr().out) == {"steps_due": 1, "partners_asked": 1}


class TestTheGateway:
    @pytest.mark.parametrize(
        ("status", "body", "news"),
        [
            (200, {"id": "a/b", "status": "active", "progress": 40.5}, PartnerNews("active", 40, "", {})),
            (404, {}, None),
            (200, {"id": "other", "status": "completed"}, PartnerDown),
            (200, {"id": "a/b", "status": "active", "progress": 101}, PartnerDown),
            (200, [], PartnerDown),
            (200, "hello", PartnerDown),
            (503, {}, PartnerDown),
            (400, {}, PartnerRefuses),
        ],
    )
    def test_reads_one_enrollment(self, monkeypatch: pytest.MonkeyPatch, status: int, body: Any, news: Any) -> None:
        asked: list[str] = []

        def answer(method: str, url: str, **more: Any) -> Answer:
            asked.append(f"{method} {url}")
            return Answer(status, {}, json.dumps(body).encode())

        monkeypatch.setattr(vendors, "ask", answer)
        gateway = RestGateway(ProviderFactory.build(slug="acme", workspace=None), Breaker(failures=9, seconds=60))

        if isinstance(news, type):
            with pytest.raises(news):
                gateway.read("a/b")
        else:
            assert gateway.read("a/b") == news
        assert asked == ["GET https://acme.example.test/api/enrollments/a%2Fb"]

    @pytest.mark.parametrize("external_id", [".", ".."])
    def test_asks_for_no_other_address(self, monkeypatch: pytest.MonkeyPatch, external_id: str) -> None:
        monkeypatch.setattr(vendors, "ask", lambda *args, **more: pytest.fail("asked"))
        gateway = RestGateway(ProviderFactory.build(slug="acme", workspace=None), Breaker(failures=9, seconds=60))

        with pytest.raises(PartnerRefuses):
            gateway.read(external_id)
