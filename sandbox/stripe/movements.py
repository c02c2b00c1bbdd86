"""The movements on the balance, as Stripe shows them."""

from typing import Any

from sandbox.stripe.models import BalanceTransaction, Charge, Dispute, Payout, Refund

Body = dict[str, Any]
DISPUTE_FEE = 1_500


def moved_by(dispute: Dispute) -> list[Body]:
    """Return the balance transactions of a dispute: the amount that was taken, and what came back of it."""
    was_taken = dispute.has_taken or dispute.status == "won"
    back = dispute.amount if dispute.status == "won" else dispute.given_back
    moved = [("dispute", -dispute.amount, DISPUTE_FEE)] if was_taken else []
    moved += [("dispute_reversal", back, 0)] if was_taken and back else []
    return [
        {
            "id": f"txn_1{dispute.ref[4:]}{number}",
            "object": "balance_transaction",
            "amount": amount,
            "available_on": dispute.created,
            "balance_type": "payments",
            "created": dispute.created,
            "currency": dispute.charge.currency,
            "description": f"Chargeback {kind} for {dispute.charge.ref}",
            "exchange_rate": None,
            "fee": fee,
            "fee_details": [],
            "net": amount - fee,
            "reporting_category": kind,
            "source": dispute.ref,
            "status": "available",
            "type": "adjustment",
        }
        for number, (kind, amount, fee) in enumerate(moved)
    ]


def transaction_ref(moving: Charge | Refund) -> str:
    """Return the id of the balance transaction of a charge or a refund."""
    return f"txn_3{moving.ref[4:]}"


def fields_of_movement(moved: BalanceTransaction) -> Body:
    return {
        "amount": moved.amount,
        "available_on": moved.created,
        "balance_type": "payments",
        "currency": moved.currency,
        "description": None,
        "exchange_rate": None,
        "fee": moved.fee,
        "fee_details": [
            {
                "amount": moved.fee,
                "application": None,
                "currency": moved.currency,
                "description": "Stripe processing fees",
                "type": "stripe_fee",
            }
        ]
        if moved.fee
        else [],
        "net": moved.amount - moved.fee,
        "reporting_category": moved.reporting_category,
        "source": moved.source,
        "status": "available",
        "type": moved.type,
    }


def fields_of_payout(payout: Payout) -> Body:
    return {
        "amount": payout.amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": payout.arrival_date,
        "automatic": True,
        "balance_transaction": None,
        "currency": payout.currency,
        "description": "STRIPE PAYOUT",
        "destination": "ba_1sandbox",
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "completed",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": payout.status,
        "trace_id": None,
        "type": "bank_account",
    }
