"""What a family agrees to: once for each purpose and address, by version, and until it is withdrawn."""

import datetime as dt
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.consents import (
    ConsentMissing,
    ConsentOver,
    ConsentTextFollowed,
    check_given,
    give_consents,
    list_asked,
    list_live,
    publish_text,
    stop_asking,
    withdraw_consent,
)
from accounts.merging import merge_learners
from accounts.models import Consent, ConsentText, Learner, StaffTask
from accounts.states import ConsentWay
from core.actors import SYSTEM, Actor
from core.clock import utc_now
from core.errors import Invalid, NotFound

from .factories import LearnerFactory

pytestmark = pytest.mark.django_db

FAMILY = Actor("user", 7)
NOW = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(days=7)
PARENT, OTHER = "parent@consents.test", "other@consents.test"


@pytest.fixture
def learner() -> Learner:
    made: Learner = LearnerFactory()
    return made


def publish(learner: Learner, purpose: str = "photos", **more: Any) -> ConsentText:
    values: dict[str, Any] = {"title": purpose.capitalize(), "text": "May we?", "is_required": False, "from_at": NOW}
    return publish_text(workspace_id=learner.workspace_id, purpose=purpose, actor=SYSTEM, now=NOW, **{**values, **more})


def give(learner: Learner, *texts: ConsentText, address: str = PARENT) -> list[Consent]:
    return give_consents(
        learner_id=learner.pk,
        address=address,
        text_ids=[text.pk for text in texts],
        way=ConsentWay.FORM,
        actor=FAMILY,
        now=NOW,
    )


def asked(learner: Learner, now: dt.datetime = NOW) -> list[ConsentText]:
    return list_asked(workspace_id=learner.workspace_id, now=now)


class TestATextThatIsAsked:
    @pytest.mark.sqlite
    def test_is_the_newest_that_is_in_force_with_what_is_required_first(self, learner: Learner) -> None:
        photos = publish(learner)
        data = publish(learner, "data", is_required=True)
        newer = publish(learner, from_at=LATER)

        assert (photos.version, newer.version) == (1, 2)
        assert asked(learner) == [data, photos]
        assert asked(learner, LATER) == [data, newer]

    def test_is_no_longer_asked_once_it_is_stopped_and_none_before_it_either(self, learner: Learner) -> None:
        publish(learner)
        newer = publish(learner, from_at=LATER)

        stop_asking(text_id=newer.pk, now=LATER)

        assert asked(learner, LATER) == []
        with pytest.raises(ConsentOver):
            stop_asking(text_id=newer.pk, now=LATER)

    @pytest.mark.parametrize("early", [NOW - dt.timedelta(seconds=1), LATER])
    def test_is_not_published_for_the_past_or_before_the_one_it_follows(
        self, learner: Learner, early: dt.datetime
    ) -> None:
        publish(learner, from_at=LATER)

        with pytest.raises(Invalid):
            publish(learner, from_at=early)

        assert ConsentText.objects.count() == 1

    def test_is_published_once_by_two_at_the_same_time(self, learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("accounts.consents.insert_unless_present", lambda row: False)

        with pytest.raises(ConsentTextFollowed):
            publish(learner)


class TestAConsent:
    @pytest.mark.sqlite
    def test_holds_once_for_each_purpose_and_address(self, learner: Learner) -> None:
        photos = publish(learner)

        [given] = give(learner, photos)
        assert give(learner, photos) == []
        [others] = give(learner, photos, address=OTHER)

        assert list_live(learner_ids=[learner.pk], address=PARENT.upper()) == {learner.pk: [given]}
        assert (others.address, others.way, others.recorded_by, others.ended_at) == (OTHER, "form", "user:7", None)
        with pytest.raises(IntegrityError), transaction.atomic():
            Consent.objects.filter(pk=others.pk).update(address=PARENT)

    def test_to_a_newer_version_ends_the_older_and_not_the_other_way_round(self, learner: Learner) -> None:
        old, new = publish(learner), publish(learner, from_at=LATER)
        [before] = give(learner, old)

        [after] = give(learner, new)
        assert give(learner, old) == []

        before.refresh_from_db()
        assert (before.end, before.ended_by) == ("replaced", "user:7")
        assert Consent.objects.get(ended_at=None) == after

    def test_is_not_given_to_a_text_of_somebody_else(self, learner: Learner) -> None:
        with pytest.raises(NotFound):
            give(learner, publish(LearnerFactory()))

        assert not Consent.objects.exists()

    def test_is_withdrawn_once_and_can_be_given_again(self, learner: Learner) -> None:
        photos = publish(learner)
        [given] = give(learner, photos)

        withdraw_consent(consent_id=given.pk, actor=FAMILY, now=LATER)
        with pytest.raises(ConsentOver):
            withdraw_consent(consent_id=given.pk, actor=FAMILY, now=LATER)

        given.refresh_from_db()
        assert (given.end, given.ended_at, given.ended_by) == ("withdrawn", LATER, "user:7")
        assert not StaffTask.objects.exists()
        assert len(give(learner, photos)) == 1

    def test_that_the_program_needs_is_a_task_for_staff_once_it_is_withdrawn(self, learner: Learner) -> None:
        [given] = give(learner, publish(learner, is_required=True))

        withdraw_consent(consent_id=given.pk, actor=FAMILY, now=LATER)

        assert StaffTask.objects.get().subject == f"consent:{given.pk}"

    @pytest.mark.sqlite
    def test_of_both_of_two_who_are_one_holds_once(self, learner: Learner) -> None:
        photos, data = publish(learner), publish(learner, "data")
        twin = LearnerFactory(workspace=learner.workspace)
        [kept] = give(learner, photos)
        give(twin, photos, data)

        merge_learners(keep_id=learner.pk, drop_id=twin.pk, reason="One", actor=SYSTEM, now=utc_now())

        live = list_live(learner_ids=[learner.pk], address=PARENT)[learner.pk]
        assert [(each.text, each.pk == kept.pk) for each in live] == [(photos, True), (data, False)]


class TestWhatIsRequired:
    def check(self, learner: Learner, *given: ConsentText, **more: Any) -> None:
        check_given(workspace_id=learner.workspace_id, given=[text.pk for text in given], now=NOW, **more)

    def test_has_to_be_given_now_or_before_by_the_same_address(self, learner: Learner) -> None:
        data = publish(learner, "data", is_required=True)
        publish(learner)

        with pytest.raises(ConsentMissing, match="Data"):
            self.check(learner)
        self.check(learner, data)
        give(learner, data)
        self.check(learner, learner_id=learner.pk, address=PARENT)
        with pytest.raises(ConsentMissing):
            self.check(learner, learner_id=learner.pk, address=OTHER)
