"""For the rules of vouchers and discounts, rows that only these rules refuse."""

from typing import Any

from .refused_shapes import MONDAY, TUESDAY, Broken, Twice

VALID: dict[str, dict[str, Any]] = {
    "billing.Voucher": {"code": "SPRING-1", "kind": "free", "currency": ""},
    "billing.Discount": {"source": "voucher", "voucher_id": 1, "list_minor": 9, "discount_minor": 9, "currency": "usd"},
}

CHECKS = {
    "voucher_code_canonical": Broken("billing.Voucher", {"code": "spring-25"}, {"code": "SPRING-25"}),
    "voucher_takes_one_thing_off": Broken(
        "billing.Voucher", {"kind": "free", "percent": 5}, {"kind": "percentage", "percent": 5, "code": "SPRING-2"}
    ),
    "voucher_uses_within_limit": Broken("billing.Voucher", {"most_uses": 1, "uses": 2}, {"most_uses": 2, "uses": 2}),
    "voucher_dates_in_order": Broken(
        "billing.Voucher",
        {"valid_from": TUESDAY, "valid_until": MONDAY},
        {"valid_from": MONDAY, "valid_until": MONDAY},
    ),
    "discount_status_known": Broken("billing.Discount", {"status": "lost"}),
    "discount_has_its_source": Broken(
        "billing.Discount", {"source": "sibling"}, {"source": "sibling", "voucher_id": None, "percent": 5}
    ),
    "discount_within_list_price": Broken(
        "billing.Discount", {"list_minor": 0, "discount_minor": 0}, {"list_minor": 1, "discount_minor": 1}
    ),
    "discount_free_iff_no_checkout": Broken(
        "billing.Discount", {"discount_minor": 8}, {"discount_minor": 8, "checkout_id": 1}
    ),
    "instance_sibling_discount_in_percent": Broken(
        "enrollments.ProgramInstance", {"sibling_discount_percent": 101}, {"sibling_discount_percent": 100}
    ),
}

UNIQUE = {
    "voucher_code_unique": Twice("billing.Voucher", {"workspace_id": 1, "code": "SPRING-1"}),
    "discount_one_per_subject": Twice("billing.Discount", {"purpose": "a", "subject": "1"}, {"status": "released"}),
}
