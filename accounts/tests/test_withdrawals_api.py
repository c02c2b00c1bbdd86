"""Withdrawals of consents over HTTP, reported with the moment and the evidence."""

import datetime as dt
from typing import Any

import pytest

from accounts.consents import give_consents, withdraw_consent
from accounts.merging import merge_learners
from accounts.models import Consent, Learner, StaffTask
from accounts.states import ConsentWay
from core.actors import SYSTEM, Actor
from core.clock import utc_now

from .factories import ConsentTextFactory, LearnerFactory, bearer

pytestmark = pytest.mark.django_db

TODAY = utc_now().replace(microsecond=0)
IN_FORCE = TODAY - dt.timedelta(days=30)
GIVEN = TODAY - dt.timedelta(days=10)
WITHDRAWN = TODAY - dt.timedelta(days=2)
PARENT = "gail@home.test"


def agree(learner: Learner, *, version: int = 1, is_required: bool = False, at: dt.datetime = GIVEN) -> Consent:
    text = ConsentTextFactory(
        workspace=learner.workspace, purpose="photos", version=version, is_required=is_required, from_at=IN_FORCE
    )
    [given] = give_consents(
        learner_id=learner.pk, address=PARENT, text_ids=[text.pk], way=ConsentWay.FORM, actor=SYSTEM, now=at
    )
    return given


def stated(moment: dt.datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def told(**more: Any) -> dict[str, Any]:
    return {"withdrawnAt": stated(WITHDRAWN), "evidence": "Letter 22", **more}


def as_it_is() -> list[dict[str, Any]]:
    return [dict(row) for row in Consent.objects.order_by("pk").values()]


@pytest.fixture
def learner() -> Learner:
    made: Learner = LearnerFactory()
    return made


@pytest.fixture
def withdraw(client: Any, learner: Learner) -> Any:
    headers = bearer(workspace=learner.workspace)

    def send(consent: Consent, body: Any, *, of: Learner = learner, key: str = "") -> Any:
        return client.post(
            f"/api/learners/{of.cuid}/consents/{consent.pk}/withdraw",
            body,
            content_type="application/json",
            headers={**headers, **({"Idempotency-Key": key} if key else {})},
        )

    return send


class TestAReportedWithdrawal:
    @pytest.mark.sqlite
    def test_ends_the_consent_at_its_moment_on_the_reporters_word(self, withdraw: Any, learner: Learner) -> None:
        consent = agree(learner)

        response = withdraw(consent, told())

        assert response.status_code == 200
        stored = Consent.objects.get()
        assert (stored.ended_at, stored.end, stored.end_evidence) == (WITHDRAWN, "withdrawn", "Letter 22")
        assert stored.end_reported_at is not None
        assert stored.ended_by.startswith("key:")
        shown = {name: response.json()[name] for name in ("id", "way", "endedAt", "end", "endedBy", "endEvidence")}
        assert shown == {
            "id": consent.pk,
            "way": "form",
            "endedAt": stated(WITHDRAWN),
            "end": "withdrawn",
            "endedBy": stored.ended_by,
            "endEvidence": "Letter 22",
        }
        assert not StaffTask.objects.exists()

    def test_of_a_required_consent_asks_staff_what_follows_once(self, withdraw: Any, learner: Learner) -> None:
        """As a withdrawal on the family's page does."""
        reported = agree(learner, is_required=True)
        on_the_page = agree(LearnerFactory(workspace=learner.workspace), version=2, is_required=True)

        answers = [withdraw(reported, told()), withdraw(reported, told())]
        withdraw_consent(consent_id=on_the_page.pk, actor=Actor("user", 7), now=utc_now())

        assert [answer.status_code for answer in answers] == [200, 200]
        tasks = StaffTask.objects.order_by("pk").values_list("kind", "subject")
        assert list(tasks) == [("consent_withdrawn", f"consent:{each.pk}") for each in (reported, on_the_page)]

    def test_that_is_known_is_shown_again(self, withdraw: Any, learner: Learner) -> None:
        consent = agree(learner)
        first = withdraw(consent, told(), key="one")

        replayed, again = withdraw(consent, told(), key="one"), withdraw(consent, told(evidence="Letter 23"))

        assert [each.status_code for each in (first, replayed, again)] == [200, 200, 200]
        assert first.json() == replayed.json() == again.json()

    def test_leaves_one_that_the_family_made_as_it_is(self, withdraw: Any, learner: Learner) -> None:
        consent = agree(learner)
        withdraw_consent(consent_id=consent.pk, actor=Actor("user", 7), now=TODAY)
        before = as_it_is()

        response = withdraw(consent, told())

        assert (response.status_code, response.json()["endedBy"], response.json()["endEvidence"]) == (200, "user:7", "")
        assert as_it_is() == before

    def test_of_a_merged_learner_is_about_the_one_who_stayed(self, withdraw: Any, learner: Learner) -> None:
        twin = LearnerFactory(workspace=learner.workspace)
        consent = agree(twin)
        merge_learners(keep_id=learner.pk, drop_id=twin.pk, reason="One", actor=SYSTEM, now=utc_now())

        assert withdraw(consent, told(), of=twin).status_code == 200
        assert Consent.objects.get().end == "withdrawn"


class TestAWithdrawalThatDoesNotFit:
    @pytest.mark.parametrize(
        ("wrong", "field", "code"),
        [
            ({"withdrawnAt": stated(TODAY + dt.timedelta(days=1))}, "withdrawnAt", "in_future"),
            ({"withdrawnAt": stated(GIVEN - dt.timedelta(seconds=1))}, "withdrawnAt", "too_early"),
            ({"withdrawnAt": "yesterday"}, "withdrawnAt", "invalid"),
            ({"evidence": ""}, "evidence", "blank"),
        ],
    )
    def test_is_refused_by_field(
        self, withdraw: Any, learner: Learner, wrong: dict[str, Any], field: str, code: str
    ) -> None:
        consent = agree(learner, is_required=True)
        before = as_it_is()

        response = withdraw(consent, told(**wrong))

        assert response.status_code == 422
        assert [(each["field"], each["code"]) for each in response.json()["errors"]] == [(field, code)]
        assert (as_it_is(), StaffTask.objects.count()) == (before, 0)

    def test_to_the_moment_of_the_consent_counts(self, withdraw: Any, learner: Learner) -> None:
        """Control: only a withdrawal from before the consent says nothing about it."""
        assert withdraw(agree(learner), told(withdrawnAt=stated(GIVEN))).status_code == 200

    def test_of_a_consent_that_was_replaced_is_refused(self, withdraw: Any, learner: Learner) -> None:
        before = agree(learner)
        newer = agree(learner, version=2, at=GIVEN + dt.timedelta(days=1))

        refused, withdrawn = withdraw(before, told()), withdraw(newer, told())

        assert (refused.status_code, refused.json()["code"]) == (409, "consent_over")
        assert withdrawn.status_code == 200
        assert list(Consent.objects.order_by("pk").values_list("end", flat=True)) == ["replaced", "withdrawn"]

    def test_about_another_learner_is_not_found(self, withdraw: Any, learner: Learner) -> None:
        consent = agree(LearnerFactory(workspace=learner.workspace))

        assert withdraw(consent, told()).status_code == 404
        assert Consent.objects.get().ended_at is None


class TestASignature:
    def test_from_before_a_reported_withdrawal_does_not_count_and_a_later_one_does(
        self, withdraw: Any, client: Any, learner: Learner
    ) -> None:
        withdraw(agree(learner), told())
        known = {"purpose": "photos", "version": 1, "email": PARENT, "evidence": "Envelope 7"}

        answers = [
            client.post(
                f"/api/learners/{learner.cuid}/consents",
                {**known, "signedAt": stated(WITHDRAWN + dt.timedelta(days=days))},
                content_type="application/json",
                headers=bearer(workspace=learner.workspace),
            ).status_code
            for days in (-1, 1)
        ]

        assert answers == [409, 201]
