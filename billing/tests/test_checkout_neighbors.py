"""Actions on one checkout leave every other unchanged: of another subject or purpose, ended, or paid."""

import datetime as dt
from typing import Any, ClassVar

import pytest

from billing import reconciliation
from billing.checkout import (
    adopt_session,
    check_due_checkouts,
    open_checkout,
    request_cancellation,
    settle,
    settle_checkout,
)
from billing.checkout import session as sessions
from billing.checkout.outcome import record_session_unknown
from billing.gateways.contract import SessionRequest, SessionSnapshot
from billing.models import Checkout, Price, ReconciliationRun
from billing.purposes import Purpose, register_purpose
from billing.reconciliation import reconcile_stripe
from billing.repricing import is_outdated, mark_outdated
from core.clock import utc_now

from .factories import PURPOSE, CheckoutFactory, PaymentFactory, PriceFactory, statuses
from .snapshots import AWAITING_THE_BANK, EXPIRED, Deaf, session, tell

pytestmark = pytest.mark.django_db

NOW = utc_now()
EARLIER = NOW - dt.timedelta(hours=1)
LATER = NOW + dt.timedelta(hours=1)
ENDED = ("paid", "failed", "expired", "cancelled", "refused")


class TestOpeningACheckout:
    def test_takes_up_none_of_another_purpose_or_subject_and_none_that_has_ended(self) -> None:
        price = PriceFactory()
        beside = [
            CheckoutFactory(purpose="lesson", subject="1"),
            CheckoutFactory(subject="2"),
            *(CheckoutFactory(subject="1", status=status) for status in ENDED),
        ]

        opened = open_checkout(
            workspace_id=price.workspace_id,
            purpose=PURPOSE,
            subject="1",
            price=price,
            description="Algebra I",
            success_url="https://home.test/paid",
            cancel_url="https://home.test/left",
            expires_at=LATER,
            now=utc_now(),
        )

        assert opened.pk not in [checkout.pk for checkout in beside]
        assert (opened.purpose, opened.subject, opened.status) == (PURPOSE, "1", "open")


class TestCancelling:
    def test_one_checkout_leaves_every_other_open(self) -> None:
        ending, beside = CheckoutFactory(subject="1"), CheckoutFactory(purpose="lesson", subject="1")

        request_cancellation(checkout_id=ending.pk, now=NOW)

        assert list(Checkout.objects.filter(cancel_requested_at=NOW)) == [ending]
        assert list(Checkout.objects.filter(cancel_requested_at=None)) == [beside]

    @pytest.mark.sqlite
    def test_twice_keeps_the_time_of_the_first(self) -> None:
        ending = CheckoutFactory(cancel_requested_at=EARLIER, next_check_at=LATER)

        request_cancellation(checkout_id=ending.pk, now=NOW)

        assert Checkout.objects.values_list("cancel_requested_at", "next_check_at").get() == (EARLIER, LATER)

    def test_what_its_price_had_ended_already_gives_it_up_for_good(self) -> None:
        ending = CheckoutFactory(cancel_requested_at=EARLIER, is_outdated=True)

        request_cancellation(checkout_id=ending.pk, now=NOW)

        assert Checkout.objects.values_list("cancel_requested_at", "is_outdated").get() == (NOW, False)


class TestALatePayment:
    def test_ends_what_is_open_for_the_same_and_nothing_else(self) -> None:
        late, again = CheckoutFactory(subject="1", status="expired"), CheckoutFactory(subject="1")
        beside = [
            CheckoutFactory(purpose="lesson", subject="1"),
            CheckoutFactory(subject="2"),
            *(CheckoutFactory(subject="1", status=status) for status in ENDED),
        ]

        tell(late)

        assert list(Checkout.objects.exclude(cancel_requested_at=None)) == [again]
        assert statuses(late, again, *beside) == ["paid", "open", "open", "open", *ENDED]


class TestTheSweepOfCheckouts:
    def test_asks_about_each_that_is_live_and_due(self, monkeypatch: pytest.MonkeyPatch) -> None:
        second = CheckoutFactory(next_check_at=EARLIER)
        first = CheckoutFactory(status="processing", next_check_at=EARLIER - dt.timedelta(minutes=1))
        CheckoutFactory(next_check_at=LATER)
        for status in ENDED:
            CheckoutFactory(status=status, next_check_at=EARLIER)
        looked_at: list[int] = []
        monkeypatch.setattr(settle, "settle_checkout", lambda *, checkout_id, now: looked_at.append(checkout_id))

        assert check_due_checkouts(now=NOW) == 2
        assert looked_at == [first.pk, second.pk]


class TestASessionThatEnded:
    """Its checkout is over. What is open for the same subject is submitted if it takes the place of an outdated one."""

    @pytest.fixture
    def submitted(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """What Stripe is asked to make; of each session that it is asked about it says that it has ended."""
        references: list[str] = []

        class Stripe:
            def retrieve_session(self, id: str) -> SessionSnapshot:
                return session(Checkout.objects.get(stripe_session_id=id), **EXPIRED)

            def create_session(self, request: SessionRequest) -> SessionSnapshot:
                references.append(request.reference)
                return session(Checkout.objects.get(pk=request.metadata["checkoutId"]), status="open")

        for module in (sessions, settle):
            monkeypatch.setattr(module, "get_gateway", Stripe)
        return references

    @pytest.fixture
    def others(self) -> list[Checkout]:
        return [CheckoutFactory(purpose="lesson", subject="1"), CheckoutFactory(subject="2")]

    def test_over_its_price_has_its_successor_submitted_and_nothing_else(
        self, submitted: list[str], others: list[Checkout]
    ) -> None:
        outdated = CheckoutFactory(subject="1", status="cancelled", is_outdated=True, stripe_session_id="cs_told")
        CheckoutFactory(subject="1", status="expired")
        successor = CheckoutFactory(subject="1")

        settle_checkout(checkout_id=outdated.pk, now=utc_now())

        assert submitted == [successor.reference]

    def test_for_another_reason_leaves_the_next_intent_to_its_own_request(
        self, submitted: list[str], others: list[Checkout]
    ) -> None:
        ended = CheckoutFactory(subject="1", status="expired", stripe_session_id="cs_told")
        CheckoutFactory(subject="1")

        settle_checkout(checkout_id=ended.pk, now=utc_now())

        assert submitted == []

    def test_that_is_learned_by_one_checkout_stays_unknown_to_the_next(self, submitted: list[str]) -> None:
        intent, beside = CheckoutFactory(), CheckoutFactory()

        sessions.submit_checkout(checkout_id=intent.pk, now=utc_now())

        assert submitted == [intent.reference]
        assert Checkout.objects.get(pk=beside.pk).stripe_session_id is None


@pytest.mark.sqlite
class TestASessionThatStripeForgot:
    def test_fails_the_money_on_its_way_by_it_and_no_other(self) -> None:
        """Money that did not fit has arrived: failed, it could not be sent back any longer."""
        forgotten = CheckoutFactory(status="processing", stripe_session_id="cs_gone")
        elsewhere = PaymentFactory()
        refused = PaymentFactory(checkout=forgotten, status="failed")
        unfit = PaymentFactory(checkout=forgotten, paid_at=NOW)
        on_its_way = PaymentFactory(checkout=forgotten)

        record_session_unknown(checkout_id=forgotten.pk, now=NOW)

        assert statuses(forgotten, on_its_way, refused, unfit, elsewhere) == [
            "failed",
            "failed",
            "failed",
            "pending",
            "pending",
        ]


class TestAdoptingASession:
    def named(self, checkout: Checkout, **changes: Any) -> SessionSnapshot:
        """The session that Stripe made of this intent, whose answer we lost."""
        return session(checkout, **({"metadata": {"checkoutId": str(checkout.pk)}} | changes))

    def test_is_of_the_intent_that_it_names(self) -> None:
        beside, lost = CheckoutFactory(), CheckoutFactory()

        assert adopt_session(session=self.named(lost), now=utc_now()) == lost.pk
        known = dict(Checkout.objects.values_list("pk", "stripe_session_id"))
        assert known == {lost.pk: f"cs_{lost.pk}", beside.pk: None}

    def test_takes_none_that_names_one_checkout_and_carries_the_reference_of_another(self) -> None:
        lost, beside = CheckoutFactory(), CheckoutFactory()

        assert adopt_session(session=self.named(lost, reference=beside.reference), now=utc_now()) is None
        assert set(Checkout.objects.values_list("stripe_session_id", flat=True)) == {None}

    def test_takes_none_for_a_checkout_that_has_another(self) -> None:
        kept = CheckoutFactory(stripe_session_id="cs_kept")

        assert adopt_session(session=self.named(kept, id="cs_other"), now=utc_now()) is None
        assert Checkout.objects.get().stripe_session_id == "cs_kept"

    @pytest.mark.parametrize("metadata", [{}, {"checkoutId": ""}, {"checkoutId": "first"}])
    def test_takes_none_that_names_no_checkout(self, metadata: dict[str, str]) -> None:
        CheckoutFactory(stripe_session_id="cs_kept")
        intent = CheckoutFactory()

        assert adopt_session(session=self.named(intent, metadata=metadata), now=utc_now()) is None


class TestAChangedPrice:
    @pytest.fixture
    def price(self) -> Price:
        """What every lesson cost when its checkout was opened. The new price is of all but the one that is kept."""
        old, new = PriceFactory(amount_minor=4900), PriceFactory(amount_minor=3900)
        register_purpose(
            Purpose(
                name="lesson",
                lock_subject=lambda subject: None,
                describe=lambda subject: (subject, ""),
                find_price_ids=lambda subjects: {each: (old if each == "kept" else new).pk for each in subjects},
            )
        )
        return old

    def lesson(self, subject: str, price: Price, **fields: Any) -> Checkout:
        return CheckoutFactory(purpose="lesson", subject=subject, price=price, **fields)

    @pytest.mark.sqlite
    def test_ends_the_open_checkouts_that_ask_another_and_no_other(self, price: Price) -> None:
        changed, kept = self.lesson("changed", price), self.lesson("kept", price)
        being_paid = self.lesson("being paid", price, status="processing")
        given_up = self.lesson("given up", price, cancel_requested_at=EARLIER)
        unpriced = CheckoutFactory()

        mark_outdated(checkouts=Checkout.objects.all(), now=NOW)

        assert list(Checkout.objects.filter(is_outdated=True)) == [changed]
        asked = [changed, kept, being_paid, given_up, unpriced]
        ends = dict(Checkout.objects.values_list("pk", "cancel_requested_at"))
        assert [ends[checkout.pk] for checkout in asked] == [NOW, None, None, EARLIER, None]

    @pytest.mark.parametrize(
        ("subject", "status", "outdated"),
        [("changed", "open", True), ("kept", "open", False), ("changed", "processing", False)]
        + [("changed", status, False) for status in ENDED],
    )
    def test_makes_an_open_checkout_outdated(self, subject: str, status: str, outdated: bool, price: Price) -> None:
        assert is_outdated(self.lesson(subject, price, status=status)) is outdated

    def test_is_looked_for_in_the_checkout_that_is_settled_alone(
        self, price: Price, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kept, changed = self.lesson("kept", price, stripe_session_id="cs_told"), self.lesson("changed", price)
        monkeypatch.setattr(settle, "get_gateway", lambda: Deaf(retrieve_session=session(kept, status="open")))

        settle_checkout(checkout_id=kept.pk, now=utc_now())

        assert Checkout.objects.values_list("is_outdated", "cancel_requested_at").get(pk=changed.pk) == (False, None)

    def test_opens_nothing_for_a_checkout_that_was_over_by_itself(self, price: Price) -> None:
        tell(self.lesson("changed", price), **EXPIRED)

        assert list(Checkout.objects.values_list("status", flat=True)) == ["expired"]


class TestReconciliation:
    STATES: ClassVar = [
        ({"status": "open"}, "open", False),
        (EXPIRED, "open", True),
        (EXPIRED, "expired", False),
        (EXPIRED, "cancelled", False),
        ({}, "open", True),
        ({}, "expired", True),
        ({}, "paid", False),
        (AWAITING_THE_BANK, "open", True),
        (AWAITING_THE_BANK, "processing", False),
    ]

    def listing(self, sessions: list[SessionSnapshot], monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """Let Stripe list these; the checkouts that are settled for it."""
        settled: list[int] = []
        monkeypatch.setattr(
            reconciliation, "get_gateway", lambda: Deaf(list_events=iter(()), list_sessions=iter(sessions))
        )
        monkeypatch.setattr(reconciliation, "try_to_settle", lambda *, checkout_id, now: settled.append(checkout_id))
        return settled

    def test_settles_each_checkout_that_is_behind_its_session_and_no_other(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listed, behind = [], []
        for number, (told, status, is_behind) in enumerate(self.STATES):
            checkout = CheckoutFactory(status=status, stripe_session_id=f"cs_{number}")
            listed.append(session(checkout, **({"id": f"cs_{number}"} | told)))
            behind += [checkout.pk] if is_behind else []
        CheckoutFactory(stripe_session_id="cs_not_listed")
        settled = self.listing(listed, monkeypatch)

        reconcile_stripe(now=utc_now())

        assert settled == behind

    def test_on_a_dry_run_adopts_nothing_and_settles_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lost, behind = CheckoutFactory(), CheckoutFactory(stripe_session_id="cs_behind")
        ours = {"checkoutId": str(lost.pk)}
        settled = self.listing([session(lost, metadata=ours), session(behind, id="cs_behind")], monkeypatch)

        found = reconcile_stripe(dry_run=True, now=utc_now())

        assert (found.stale_checkout_ids, settled) == ([behind.pk], [])
        assert Checkout.objects.get(pk=lost.pk).stripe_session_id is None
        assert not ReconciliationRun.objects.exists()
