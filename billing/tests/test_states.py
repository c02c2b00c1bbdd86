"""Every state and transition of billing's machines, against the table of what is allowed."""

from typing import Any

import pytest
from django_fsm import TransitionNotAllowed

from billing.models import Checkout, Dispute, Payment, Refund

ALLOWED: dict[type[Any], dict[str, dict[str, str]]] = {
    Checkout: {
        "open": {
            "pay": "paid",
            "await_bank": "processing",
            "fail": "failed",
            "expire": "expired",
            "cancel": "cancelled",
            "refuse": "refused",
        },
        "processing": {"pay": "paid", "fail": "failed"},
        "expired": {"pay": "paid"},
        "cancelled": {"pay": "paid"},
        "refused": {"pay": "paid"},
        "failed": {"pay": "paid"},
        "paid": {},
    },
    Payment: {
        "pending": {"receive": "paid", "fail": "failed", "refund_fully": "refunded"},
        "failed": {"receive": "paid", "refund_fully": "refunded"},
        "paid": {"refund_partly": "partially_refunded", "refund_fully": "refunded", "contest": "disputed"},
        "partially_refunded": {"refund_fully": "refunded", "contest": "disputed", "restore": "paid"},
        "refunded": {"refund_partly": "partially_refunded", "contest": "disputed", "restore": "paid"},
        "disputed": {"refund_partly": "partially_refunded", "refund_fully": "refunded", "restore": "paid"},
    },
    Refund: {
        "requested": {"await_bank": "pending", "succeed": "succeeded", "fail": "failed", "call_off": "canceled"},
        "pending": {"succeed": "succeeded", "fail": "failed", "call_off": "canceled"},
        "succeeded": {"fail": "failed", "call_off": "canceled"},
        "failed": {},
        "canceled": {},
    },
    Dispute: {
        "inquiry": {"escalate": "open", "close": "closed", "win": "won", "lose": "lost"},
        "closed": {"escalate": "open", "win": "won", "lose": "lost"},
        "open": {"close": "closed", "win": "won", "lose": "lost"},
        "won": {"lose": "lost"},
        "lost": {"win": "won"},
    },
}


def pairs() -> list[Any]:
    found = []
    for model, table in ALLOWED.items():
        names = sorted({name for moves in table.values() for name in moves})
        found += [pytest.param(model, s, n, id=f"{model.__name__}-{s}-{n}") for s in table for n in names]
    return found


class TestAStateMachine:
    @pytest.mark.parametrize(("model", "state", "name"), pairs())
    def test_moves_as_the_table_says_and_not_otherwise(self, model: type[Any], state: str, name: str) -> None:
        row = model(status=state)
        target = ALLOWED[model][state].get(name)

        if target is None:
            with pytest.raises(TransitionNotAllowed):
                getattr(row, name)()
        else:
            getattr(row, name)()

        assert row.status == (target or state)

    @pytest.mark.parametrize("model", ALLOWED)
    def test_has_every_state_and_transition_in_the_table(self, model: type[Any]) -> None:
        field = model._meta.get_field("status")

        assert set(ALLOWED[model]) == {value for value, _ in field.choices}
        assert {t.name for t in field.get_all_transitions(model)} == {n for m in ALLOWED[model].values() for n in m}

    @pytest.mark.parametrize("model", ALLOWED)
    def test_can_not_be_moved_by_hand(self, model: type[Any]) -> None:
        row = model()

        with pytest.raises(AttributeError):
            row.status = "paid"
