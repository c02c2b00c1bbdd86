"""The refused rows of districts' seats."""

from typing import Any

from .refused_shapes import MONDAY, NOW, TUESDAY, Broken, Twice

VALID: dict[str, dict[str, Any]] = {
    "enrollments.AllocationChange": {"was_active": True, "is_active": True},
    "enrollments.ProposedSeats": {"seat_price_minor": None, "currency": ""},
    "enrollments.WhatIf": {"first_day": MONDAY, "last_day": MONDAY},
    "enrollments.DistrictSeatAllocation": {"seat_price_minor": None, "currency": ""},
    "enrollments.IdleSeat": {"status": "asked", "settled_at": None},
}

CHECKS = {
    "proposal_price_has_currency": Broken(
        "enrollments.ProposedSeats",
        {"seat_price_minor": 900, "currency": ""},
        {"seat_price_minor": 900, "currency": "usd"},
    ),
    "what_if_days_in_order": Broken(
        "enrollments.WhatIf",
        {"first_day": TUESDAY, "last_day": MONDAY},
        {"first_day": MONDAY, "last_day": MONDAY},
    ),
    "allocation_never_oversold": Broken(
        "enrollments.DistrictSeatAllocation",
        {"total_seats": 5, "reserved_seats": 3, "used_seats": 3},
        {"total_seats": 5, "reserved_seats": 3, "used_seats": 2},
    ),
    "allocation_days_in_order": Broken(
        "enrollments.DistrictSeatAllocation",
        {"valid_from": TUESDAY, "valid_until": MONDAY},
        {"valid_from": MONDAY, "valid_until": MONDAY},
    ),
    "allocation_price_has_currency": Broken(
        "enrollments.DistrictSeatAllocation",
        {"seat_price_minor": 900, "currency": ""},
        {"seat_price_minor": 900, "currency": "usd"},
    ),
    "allocation_idle_days_positive": Broken("enrollments.DistrictSeatAllocation", {"idle_days": 0}, {"idle_days": 30}),
    "idle_seat_settled_unless_asked": Broken(
        "enrollments.IdleSeat", {"status": "kept", "settled_at": None}, {"status": "kept", "settled_at": NOW}
    ),
    "idle_seat_status_known": Broken("enrollments.IdleSeat", {"status": "lost", "settled_at": NOW}),
    "seat_status_known": Broken("enrollments.SeatAssignment", {"status": "lost"}),
}

UNIQUE = {
    "idle_seat_asked_once": Twice(
        "enrollments.IdleSeat", {"seat_id": 1, "status": "asked"}, {"status": "kept", "settled_at": NOW}
    ),
    "proposal_one_general": Twice("enrollments.ProposedSeats", {"what_if_id": 1, "district_id": 1}, {"instance_id": 1}),
    "proposal_one_per_instance": Twice(
        "enrollments.ProposedSeats", {"what_if_id": 1, "district_id": 1, "instance_id": 1}, {"instance_id": None}
    ),
    "allocation_one_general": Twice(
        "enrollments.DistrictSeatAllocation", {"district_id": 1, "term": "Fall"}, {"instance_id": 1}
    ),
    "allocation_one_per_instance": Twice(
        "enrollments.DistrictSeatAllocation",
        {"district_id": 1, "instance_id": 1, "term": "Fall"},
        {"instance_id": None},
    ),
    "allocation_renewed_once": Twice(
        "enrollments.DistrictSeatAllocation", {"renewed_from_id": 1}, {"renewed_from_id": None, "term": "Spring"}
    ),
    "seat_one_held_per_enrollment": Twice(
        "enrollments.SeatAssignment", {"enrollment_id": 1, "status": "used"}, {"status": "released"}
    ),
    "seat_one_held_per_learner": Twice(
        "enrollments.SeatAssignment",
        {"allocation_id": 1, "learner_id": 1, "status": "reserved"},
        {"status": "released"},
    ),
}
