"""For the rules of refund policies and of leaving, rows that only these rules refuse."""

from .refused_rows import LATER, MONDAY, NOW, Broken, Twice

_SETTLED = {"settlement": "by_rule", "payment_id": 1, "paid_minor": 9}

CHECKS = {
    "cancellation_quote_confirmed_in_time": Broken(
        "enrollments.CancellationQuote",
        {"expires_at": NOW, "confirmed_at": NOW},
        {"expires_at": LATER, "confirmed_at": NOW},
    ),
    "quoted_exit_settlement_known": Broken("enrollments.QuotedExit", {"settlement": "lost"}),
    "quoted_exit_within_payment": Broken(
        "enrollments.QuotedExit",
        _SETTLED | {"back_minor": 5, "returned_minor": 5},
        _SETTLED | {"back_minor": 5, "returned_minor": 4},
    ),
    "quoted_exit_returns_by_rule": Broken(
        "enrollments.QuotedExit", _SETTLED | {"returned_minor": 1, "payment_id": None}, _SETTLED | {"returned_minor": 1}
    ),
    "refund_tier_by_days_or_date": Broken(
        "enrollments.RefundPolicyTier", {"days_before_start": 1}, {"days_before_start": None}
    ),
    "refund_tier_within_price": Broken("enrollments.RefundPolicyTier", {"kept_percent": 101}, {"kept_percent": 100}),
}

UNIQUE = {
    "enrollments_cancellationquote_cuid_key": Twice("enrollments.CancellationQuote", {"cuid": "a"}),
    "quoted_exit_once": Twice("enrollments.QuotedExit", {"quote_id": 1, "enrollment_id": 1}),
    "enrollments_quotedexit_refund_id_key": Twice("enrollments.QuotedExit", {"refund_id": 1}),
    "refund_policy_one_of_program": Twice("enrollments.RefundPolicy", {"program_id": 1}, {"replaced_at": NOW}),
    "refund_policy_one_of_instance": Twice("enrollments.RefundPolicy", {"instance_id": 1}, {"replaced_at": NOW}),
    "refund_tier_date_unique": Twice("enrollments.RefundPolicyTier", {"policy_id": 1, "until_date": MONDAY}),
    "refund_tier_days_unique": Twice(
        "enrollments.RefundPolicyTier", {"policy_id": 1, "days_before_start": 1, "until_date": None}
    ),
}
