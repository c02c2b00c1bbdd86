"""For the rules of refund policies and of leaving, rows that they and nothing else refuse."""

from .refused_rows import MONDAY, NOW, Broken, Twice

CHECKS = {
    "refund_tier_by_days_or_date": Broken(
        "enrollments.RefundPolicyTier", {"days_before_start": 1}, {"days_before_start": None}
    ),
    "refund_tier_within_price": Broken("enrollments.RefundPolicyTier", {"kept_percent": 101}, {"kept_percent": 100}),
}

UNIQUE = {
    "refund_policy_one_of_program": Twice("enrollments.RefundPolicy", {"program_id": 1}, {"replaced_at": NOW}),
    "refund_policy_one_of_instance": Twice("enrollments.RefundPolicy", {"instance_id": 1}, {"replaced_at": NOW}),
    "refund_tier_date_unique": Twice("enrollments.RefundPolicyTier", {"policy_id": 1, "until_date": MONDAY}),
    "refund_tier_days_unique": Twice(
        "enrollments.RefundPolicyTier", {"policy_id": 1, "days_before_start": 1, "until_date": None}
    ),
}
