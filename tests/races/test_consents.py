"""One family that agrees twice at the same moment."""

from functools import partial

import pytest

from accounts import consents
from accounts.consents import give_consents
from accounts.models import Consent, ConsentText, Learner
from accounts.states import ConsentWay
from accounts.tests.factories import ConsentTextFactory, LearnerFactory
from core.actors import SYSTEM
from core.clock import utc_now
from tests.processes import Failure, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def asked() -> tuple[int, int]:
    learner = LearnerFactory()
    return learner.pk, ConsentTextFactory(workspace=learner.workspace).pk


def give(learner_id: int, text_id: int) -> str:
    given = give_consents(
        learner_id=learner_id,
        address="parent@consents.test",
        text_ids=[text_id],
        way=ConsentWay.FORM,
        actor=SYSTEM,
        now=utc_now(),
    )
    return "new" if given else "known"


class TestOneConsent:
    def test_that_is_given_four_times_holds_once(self) -> None:
        answers = at_once(*[partial(give, *asked())] * 4)

        assert sorted(map(str, answers)) == ["known", "known", "known", "new"]
        assert Consent.objects.count() == 1

    def test_without_the_lock_is_refused_by_the_constraint(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: both look before either has written."""
        learner_id, text_id = asked()
        unlocked = Meeting(lambda pk: Learner.objects.get(pk=pk))
        monkeypatch.setattr(consents, "lock_live_learner", unlocked)
        monkeypatch.setattr(consents, "_read_held", Meeting(consents._read_held))

        answers = at_once(*[partial(give, learner_id, text_id)] * 2)

        assert [answer.kind for answer in answers if isinstance(answer, Failure)] == ["IntegrityError"]
        assert ConsentText.objects.get().consents.count() == 1
