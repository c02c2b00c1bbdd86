"""Corrections as the release before `Invoice.sources` writes them while an upgrade rolls out: they name nothing."""

from typing import Any

import pytest

from billing.emails import render_refund_mail
from billing.invoicing import sources
from billing.models import Invoice, Payment, Refund
from notifications.models import Notification

from .stripe_world import StripeWorld
from .test_invoicing import refund

pytestmark = pytest.mark.django_db


def last_sources() -> dict[str, int]:
    return Invoice.objects.latest("pk").sources


def forget_sources() -> None:
    """Leave the rows as old code does: the database fills in the default."""
    Invoice.objects.update(sources={})


def refunded_by_old_code(world: StripeWorld, amount: int) -> tuple[Payment, Refund]:
    payment = world.paid()
    refund(payment, amount)
    forget_sources()
    return payment, Refund.objects.latest("pk")


class TestTheNextCorrection:
    def test_states_what_moved_since_alone(self, world: StripeWorld) -> None:
        payment, _ = refunded_by_old_code(world, 900)

        refund(payment, None)

        rest = Refund.objects.latest("pk")
        assert last_sources() == {rest.source: -4000}

    def test_without_a_look_at_the_amounts_would_state_it_again(
        self, world: StripeWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control."""
        payment, first = refunded_by_old_code(world, 900)
        monkeypatch.setattr(sources, "name_sources", lambda documents, payment: None)

        refund(payment, None)

        assert last_sources() == {first.source: -900, Refund.objects.latest("pk").source: -4000}

    def test_comes_after_several_that_name_nothing(self, world: StripeWorld) -> None:
        payment = world.paid()
        refund(payment, 900)
        refund(payment, 1000)
        forget_sources()

        refund(payment, None)

        assert last_sources() == {Refund.objects.latest("pk").source: -3000}

    def test_states_the_money_that_the_bank_sent_back(self, world: StripeWorld) -> None:
        _, first = refunded_by_old_code(world, 900)

        world.sandbox.settle_refund(world.sandbox.ledger()["refunds"][0]["id"], outcome="failed")
        world.tell(*world.events("refund.failed"))

        assert last_sources() == {first.source: 900}

    def test_knows_the_money_that_came_back_while_old_code_wrote(self, world: StripeWorld) -> None:
        payment = world.paid()
        refund(payment, 900)
        world.sandbox.settle_refund(world.sandbox.ledger()["refunds"][0]["id"], outcome="failed")
        world.tell(*world.events("refund.failed"))
        Invoice.objects.filter(pk=Invoice.objects.latest("pk").pk).update(sources={})

        refund(payment, 1000)

        assert last_sources() == {Refund.objects.latest("pk").source: -1000}

    def test_states_all_that_is_left_where_an_amount_can_t_be_explained(self, world: StripeWorld) -> None:
        payment, first = refunded_by_old_code(world, 900)
        Refund.objects.update(settled_at=None)

        refund(payment, None)

        assert last_sources() == {first.source: -900, Refund.objects.latest("pk").source: -4000}


class TestWhatNamesACorrection:
    def test_finds_it_for_the_mail_about_the_refund(self, world: StripeWorld) -> None:
        payment, made = refunded_by_old_code(world, 900)
        correction = Invoice.objects.latest("pk")
        notification = Notification(workspace=payment.workspace, params={"refund": made.pk})

        mail: Any = render_refund_mail(notification)

        assert correction.number in str(mail)
