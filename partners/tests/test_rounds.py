"""Rounds at partners: one worker at each, and none that waits long for a silent one."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from partners import rounds
from partners.enrolling import enroll_at_provider, ring_for_due_steps
from partners.gateways.contract import EnrollmentRequest, PartnerDown, PartnerEnrollment
from partners.models import EnrollmentStep, Provider
from partners.outages import note_silence
from partners.states import GroupRule

from .factories import NOON, approved, instance_with, statuses
from .test_enrolling import LATER, Partner, first_step, partner

__all__ = ["partner"]  # the fixture is found by its name

pytestmark = pytest.mark.django_db


class TestTheSweep:
    @pytest.mark.sqlite
    def test_rings_once_for_each_partner_with_somebody_due(
        self, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Callable[..., Any]
    ) -> None:
        instance = instance_with((2, GroupRule.ALL_ANY_ORDER))
        for _ in range(2):
            approved(instance, now=NOON)
        rung: list[Any] = []
        monkeypatch.setattr(rounds, "nudge", lambda task, *ids: rung.append((task.task, *ids)))

        assert ring_for_due_steps(now=NOON) == 2

        providers = Provider.objects.order_by("pk").values_list("pk", flat=True)
        assert rung == [("partners.tasks.enroll_at_provider", pk) for pk in providers]
        assert ring_for_due_steps(now=NOON - LATER) == 0

    def test_enrolls_everybody_who_is_due_at_a_partner(self, partner: Partner) -> None:
        instance = instance_with((1, GroupRule.ALL_IN_ORDER))
        enrollments = [approved(instance, now=NOON) for _ in range(3)]

        tried = enroll_at_provider(provider_id=Provider.objects.get().pk, now=NOON)

        assert tried == 3
        assert [statuses(each) for each in enrollments] == [["in_progress"]] * 3

    def test_stops_at_a_partner_that_does_not_answer_three_times_in_a_row(self, partner: Partner) -> None:
        instance = instance_with((1, GroupRule.ALL_IN_ORDER))
        for _ in range(5):
            approved(instance, now=NOON)
        partner.trouble = [PartnerDown("No answer")] * 5

        tried = enroll_at_provider(provider_id=Provider.objects.get().pk, now=NOON)

        assert (tried, partner.calls) == (3, 3)

    def test_asks_a_partner_that_was_silent_about_one_learner(self, partner: Partner) -> None:
        instance = instance_with((1, GroupRule.ALL_IN_ORDER))
        for _ in range(5):
            approved(instance, now=NOON)
        provider_id = Provider.objects.get().pk
        note_silence(provider_id=provider_id, now=NOON - dt.timedelta(seconds=1))
        partner.trouble = [PartnerDown("No answer")]

        tried = [enroll_at_provider(provider_id=provider_id, now=NOON + n * dt.timedelta(minutes=1)) for n in range(2)]

        assert tried == [1, 5]  # the second round finds it working again, and continues

    def test_asks_a_silent_partner_about_somebody_else_than_it_was_silent_about(self, partner: Partner) -> None:
        instance = instance_with((1, GroupRule.ALL_IN_ORDER))
        first, second, third = (approved(instance, now=NOON) for _ in range(3))
        provider_id = Provider.objects.get().pk
        note_silence(provider_id=provider_id, now=NOON - dt.timedelta(minutes=1))
        EnrollmentStep.objects.filter(enrollment=first).update(attempts=1, next_attempt_at=NOON - LATER)

        enroll = partner.enroll

        def enroll_others(request: EnrollmentRequest) -> PartnerEnrollment:
            if request.reference == first_step(first).cuid:
                raise PartnerDown("It chokes on this one")
            return enroll(request)

        partner.enroll = enroll_others  # type: ignore[method-assign]
        tried = enroll_at_provider(provider_id=provider_id, now=NOON)

        assert tried == 3
        assert [statuses(each) for each in (first, second, third)] == [["queued"], ["in_progress"], ["in_progress"]]

    def test_leaves_a_silent_partner_alone_for_longer_and_longer(self, partner: Partner) -> None:
        instance = instance_with((1, GroupRule.ALL_IN_ORDER))
        approved(instance, now=NOON)
        provider_id = Provider.objects.get().pk
        partner.trouble = [PartnerDown("No answer")] * 20
        asked = []

        for second in range(0, 1_000, 5):
            EnrollmentStep.objects.update(next_attempt_at=NOON)
            now = NOON + dt.timedelta(seconds=second)
            asked += [second] * enroll_at_provider(provider_id=provider_id, now=now)

        # The first silence says little. After that, the pause is as long as the silence, up to five minutes.
        assert asked == [0, 5, 20, 45, 95, 195, 395, 700]

    def test_leaves_a_partner_alone_after_one_call_that_cost_a_worker_its_time(
        self, partner: Partner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        instance = instance_with((1, GroupRule.ALL_IN_ORDER))
        for _ in range(3):
            approved(instance, now=NOON)
        provider_id = Provider.objects.get().pk
        partner.trouble = [PartnerDown("No answer")]
        monkeypatch.setattr(rounds, "SLOW_SECONDS", 0.0)

        tried = [enroll_at_provider(provider_id=provider_id, now=NOON) for _ in range(2)]

        assert tried == [1, 0]

    def test_has_one_worker_at_a_partner(self, partner: Partner) -> None:
        approved(instance_with((1, GroupRule.ALL_IN_ORDER)), now=NOON)
        provider_id = Provider.objects.get().pk
        meanwhile = []
        enroll = partner.enroll

        def enroll_while_another_comes(request: EnrollmentRequest) -> PartnerEnrollment:
            meanwhile.append(enroll_at_provider(provider_id=provider_id, now=NOON))
            return enroll(request)

        partner.enroll = enroll_while_another_comes  # type: ignore[method-assign]
        assert enroll_at_provider(provider_id=provider_id, now=NOON) == 1

        assert meanwhile == [0]
        assert Provider.objects.get().next_round_at is None

    def test_goes_on_after_a_worker_that_died_while_it_asked_whether_a_silent_partner_is_back(
        self, partner: Partner
    ) -> None:
        approved(instance_with((1, GroupRule.ALL_IN_ORDER)), now=NOON)
        provider_id = Provider.objects.get().pk
        note_silence(provider_id=provider_id, now=NOON)
        assert rounds._begin(provider_id, NOON)  # and nothing more from that worker

        tried = [enroll_at_provider(provider_id=provider_id, now=NOON + n * rounds.LEASE / 2) for n in range(3)]

        assert tried == [0, 0, 1]

    def test_is_rung_again_where_there_is_more_to_do(self, partner: Partner, monkeypatch: pytest.MonkeyPatch) -> None:
        instance = instance_with((1, GroupRule.ALL_IN_ORDER))
        for _ in range(3):
            approved(instance, now=NOON)
        rung: list[Any] = []
        monkeypatch.setattr(rounds, "nudge", lambda task, *ids: rung.append((task.task, *ids)))
        provider_id = Provider.objects.get().pk

        tried = [enroll_at_provider(provider_id=provider_id, limit=2, now=NOON) for _ in range(2)]

        assert tried == [2, 1]
        assert rung == [("partners.tasks.enroll_at_provider", provider_id)]

    def test_goes_on_at_a_partner_that_fails_now_and_then(self, partner: Partner) -> None:
        instance = instance_with((1, GroupRule.ALL_IN_ORDER))
        first, second = (approved(instance, now=NOON) for _ in range(2))
        partner.trouble = [PartnerDown("No answer")]

        tried = enroll_at_provider(provider_id=Provider.objects.get().pk, now=NOON)

        assert tried == 2
        assert (statuses(first), statuses(second)) == (["queued"], ["in_progress"])

    def test_goes_on_after_trouble_that_is_one_step_s_own(self, partner: Partner) -> None:
        instance = instance_with((1, GroupRule.ALL_IN_ORDER))
        first, second = (approved(instance, now=NOON) for _ in range(2))
        partner.trouble = [RuntimeError("a mistake of ours")]

        enroll_at_provider(provider_id=Provider.objects.get().pk, now=NOON)

        assert (statuses(first), statuses(second)) == (["queued"], ["in_progress"])
