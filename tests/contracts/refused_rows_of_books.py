"""For the rules of sellers, payouts, and the books, rows that only these rules refuse."""

from typing import Any

from .refused_shapes import MONDAY, NOW, Broken, Twice

VALID: dict[str, dict[str, Any]] = {
    "billing.Payment": {
        "payment_intent_id": None,
        "method": "offline",
        "means": "cash",
        "recorded_by": "user:1",
        "currency": "usd",
    },
    "billing.LedgerLine": {"account": "fees", "is_late": False, "currency": "usd"},
    "billing.Mismatch": {"currency": "usd"},
    "billing.Payout": {"status": "paid", "is_automatic": True, "currency": "usd"},
    "billing.PayoutLine": {"kind": "payment", "currency": "usd"},
}

CHECKS = {
    "month_close_reopened_with_reason": Broken(
        "billing.MonthClose", {"reopened_at": NOW, "reopened_note": ""}, {"reopened_at": NOW}
    ),
    "ledger_line_account_known": Broken("billing.LedgerLine", {"account": "gifts"}, {"account": "fees"}),
    "mismatch_explained_by_somebody": Broken(
        "billing.Mismatch", {"explained_at": NOW, "explanation": ""}, {"explained_at": NOW}
    ),
    "seller_provider_known": Broken("billing.Seller", {"provider": "another"}),
    "seller_vendor_has_account": Broken(
        "billing.Seller",
        {"provider": "fakturownia", "base_url": ""},
        {"provider": "fakturownia", "base_url": "https://a.fakturownia.pl"},
    ),
    "payout_status_known": Broken("billing.Payout", {"status": "lost"}, {"status": "paid"}),
    "payout_line_kind_known": Broken("billing.PayoutLine", {"kind": "gift"}, {"kind": "payment"}),
}

UNIQUE = {
    "month_close_stands_once": Twice("billing.MonthClose", {"workspace_id": 1, "month": MONDAY}, {"reopened_at": NOW}),
    "ledger_line_once": Twice("billing.LedgerLine", {"source": "payment:1", "number": 1}),
    "mismatch_stands_once": Twice(
        "billing.Mismatch", {"workspace_id": 1, "kind": "a", "subject": "payment:1"}, {"settled_at": NOW}
    ),
    "billing_payout_stripe_id_key": Twice("billing.Payout", {"stripe_id": "po_1"}),
    "billing_payoutline_stripe_id_key": Twice("billing.PayoutLine", {"stripe_id": "txn_1"}),
}
