"""For the rules of payouts and of the books, rows that they and nothing else refuse."""

from .refused_shapes import Broken, Twice

CHECKS = {
    "payout_status_known": Broken("billing.Payout", {"status": "lost"}, {"status": "paid"}),
    "payout_line_kind_known": Broken("billing.PayoutLine", {"kind": "gift"}, {"kind": "payment"}),
}

UNIQUE = {
    "billing_payout_stripe_id_key": Twice("billing.Payout", {"stripe_id": "po_1"}),
    "billing_payoutline_stripe_id_key": Twice("billing.PayoutLine", {"stripe_id": "txn_1"}),
}
