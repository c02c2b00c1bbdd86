"""Consents over HTTP: read by integrators, and reported with the moment and the evidence of a signature."""

import datetime as dt
from typing import Any

import pytest

from accounts.consents import give_consents, withdraw_consent
from accounts.merging import merge_learners
from accounts.models import Consent, ConsentText, Learner
from accounts.states import ConsentWay
from core.actors import SYSTEM
from core.clock import utc_now

from .factories import ConsentTextFactory, LearnerFactory, bearer

pytestmark = pytest.mark.django_db

TODAY = utc_now().replace(microsecond=0)
IN_FORCE = TODAY - dt.timedelta(days=30)
SIGNED = TODAY - dt.timedelta(days=10)
PARENT = "gail@home.test"


@pytest.fixture
def learner() -> Learner:
    made: Learner = LearnerFactory()
    return made


@pytest.fixture
def text(learner: Learner) -> ConsentText:
    made: ConsentText = ConsentTextFactory(workspace=learner.workspace, purpose="photos", from_at=IN_FORCE)
    return made


@pytest.fixture
def call(client: Any, learner: Learner) -> Any:
    headers = bearer(workspace=learner.workspace)

    def send(method: str, body: Any = None, *, of: Learner = learner, query: str = "", key: str = "") -> Any:
        """Call the list, or what `query` adds to its address."""
        return getattr(client, method)(
            f"/api/learners/{of.cuid}/consents{query}",
            *([body] if body is not None else []),
            content_type="application/json",
            headers={**headers, **({"Idempotency-Key": key} if key else {})},
        )

    return send


def signed(**more: Any) -> dict[str, Any]:
    known = {"purpose": "photos", "version": 1, "email": PARENT, "signedAt": stated(SIGNED), "evidence": "Envelope 7"}
    return {**known, **more}


def stated(moment: dt.datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def given_here(learner: Learner, text: ConsentText) -> Consent:
    [given] = give_consents(
        learner_id=learner.pk,
        address=PARENT,
        text_ids=[text.pk],
        way=ConsentWay.FORM,
        actor=SYSTEM,
        now=SIGNED - dt.timedelta(days=1),
    )
    return given


class TestAReportedConsent:
    @pytest.mark.sqlite
    def test_says_who_signed_what_when_and_on_whose_word(self, call: Any, learner: Learner, text: ConsentText) -> None:
        response = call("post", signed(email="Gail@Home.test"))

        assert response.status_code == 201
        stored = Consent.objects.get()
        assert (stored.learner, stored.text, stored.given_at, stored.ended_at) == (learner, text, SIGNED, None)
        assert stored.recorded_by.startswith("key:")
        assert call("get").json() == [response.json()]
        body = dict(response.json())
        assert body.pop("reportedAt")
        assert body == {
            "id": stored.pk,
            "purpose": "photos",
            "version": 1,
            "title": "Photos",
            "email": PARENT,
            "way": "reported",
            "evidence": "Envelope 7",
            "givenAt": stated(SIGNED),
            "recordedBy": stored.recorded_by,
            "endedAt": None,
            "end": "",
            "endedBy": "",
            "endReportedAt": None,
            "endEvidence": "",
        }

    @pytest.mark.usefixtures("text")
    def test_that_is_known_is_shown_again(self, call: Any) -> None:
        first = call("post", signed(), key="one")

        replayed, again = call("post", signed(), key="one"), call("post", signed(evidence="Envelope 8"))

        assert [first.status_code, replayed.status_code, again.status_code] == [201, 201, 200]
        assert first.json() == replayed.json() == again.json()
        assert Consent.objects.get().evidence == "Envelope 7"

    def test_to_a_newer_version_replaces_the_older(self, call: Any, learner: Learner, text: ConsentText) -> None:
        before = given_here(learner, text)
        ConsentTextFactory(workspace=learner.workspace, purpose="photos", version=2, from_at=SIGNED)

        assert call("post", signed(version=2)).status_code == 201
        late = call("post", signed())

        before.refresh_from_db()
        assert (before.end, late.status_code, late.json()["version"]) == ("replaced", 200, 2)

    @pytest.mark.usefixtures("text")
    def test_of_a_merged_learner_is_about_the_one_who_stayed(self, call: Any, learner: Learner) -> None:
        twin = LearnerFactory(workspace=learner.workspace)
        merge_learners(keep_id=learner.pk, drop_id=twin.pk, reason="One", actor=SYSTEM, now=utc_now())

        assert call("post", signed(), of=twin).status_code == 201
        assert Consent.objects.get().learner == learner

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"version": 2}, "version"),
            ({"purpose": "data"}, "version"),
            ({"version": "1"}, "version"),
            ({"signedAt": stated(TODAY + dt.timedelta(days=1))}, "signedAt"),
            ({"signedAt": stated(IN_FORCE - dt.timedelta(seconds=1))}, "signedAt"),
            ({"signedAt": "yesterday"}, "signedAt"),
            ({"evidence": ""}, "evidence"),
            ({"email": "Gail"}, "email"),
        ],
    )
    @pytest.mark.usefixtures("text")
    def test_without_what_proves_it_is_refused(self, call: Any, wrong: dict[str, Any], field: str) -> None:
        response = call("post", signed(**wrong))

        assert (response.status_code, [each["field"] for each in response.json()["errors"]]) == (422, [field])
        assert not Consent.objects.exists()

    def test_to_a_text_of_another_workspace_is_refused(self, call: Any) -> None:
        ConsentTextFactory(purpose="photos", from_at=IN_FORCE)

        assert call("post", signed()).status_code == 422
        assert not Consent.objects.exists()


class TestASignatureFromBeforeAWithdrawal:
    @pytest.fixture
    def ended(self, learner: Learner, text: ConsentText) -> Consent:
        given = given_here(learner, text)
        withdraw_consent(consent_id=given.pk, actor=SYSTEM, now=SIGNED + dt.timedelta(days=1))
        return Consent.objects.get()

    def test_does_not_bring_the_consent_back(self, call: Any, ended: Consent) -> None:
        response = call("post", signed())

        assert (response.status_code, response.json()["code"]) == (409, "consent_withdrawn_since")
        [shown] = call("get").json()
        assert (shown["id"], shown["way"], shown["end"]) == (ended.pk, "form", "withdrawn")

    @pytest.mark.usefixtures("ended")
    def test_leaves_a_later_signature_and_another_address_free_to_agree(self, call: Any) -> None:
        """Control: only what the same person signed before changing their mind is refused."""
        later = call("post", signed(signedAt=stated(SIGNED + dt.timedelta(days=2))))
        other = call("post", signed(email="other@home.test"))

        assert [later.status_code, other.status_code] == [201, 201]


class TestTheList:
    def test_is_filtered_by_purpose_and_address(self, call: Any, learner: Learner, text: ConsentText) -> None:
        given = given_here(learner, text)

        found = [
            [each["id"] for each in call("get", query=query).json()]
            for query in ("?purpose=photos", "?purpose=data", "?email=GAIL@home.test", "?email=other@home.test")
        ]

        assert found == [[given.pk], [], [given.pk], []]

    def test_takes_as_many_queries_for_many_as_for_one(
        self, call: Any, learner: Learner, django_assert_num_queries: Any
    ) -> None:
        for purpose in ("photos", "data", "trips"):
            given_here(learner, ConsentTextFactory(workspace=learner.workspace, purpose=purpose, from_at=IN_FORCE))
        call("get")

        with django_assert_num_queries(4):
            assert len(call("get").json()) == 3
