"""Examples for the OpenAPI document. Sent unchanged to the demo's workspaces, they return 200."""

from drf_spectacular.utils import OpenApiExample

ENROLL = OpenApiExample(
    "A district's seat, or a checkout for the guardian",
    request_only=True,
    value={
        "learner_profile": {
            "email": "jane@school.example",
            "first_name": "Jane",
            "last_name": "Doe",
            "grade_level": "7",
        },
        "context": {"tenant_id": 101, "guardian_id": "guardian-456", "source": "district_portal"},
    },
)
ALLOCATE = OpenApiExample(
    "A new district with 25 seats",
    request_only=True,
    value={"tenant_id": 901, "total_seats": 25, "name": "Lincoln Unified"},
)
CHANGE_ALLOCATION = OpenApiExample("More seats", request_only=True, value={"total_seats": 500, "is_active": True})
RENEW = OpenApiExample(
    "Try the next term, for everybody who holds a seat or was turned away", request_only=True, value={"dry_run": True}
)
SEAT_A_ROSTER = OpenApiExample(
    "Try two learners of a list",
    request_only=True,
    value={
        "roster": "email,first_name,last_name\nana@school.example,Ana,Roe\nben@school.example,Ben,Roe",
        "dry_run": True,
    },
)
RELEASE_SEAT = OpenApiExample("Give a seat back", request_only=True, value={"reason": "The family has moved away."})
REASSIGN_SEAT = OpenApiExample(
    "Give it to another learner",
    request_only=True,
    value={"learner_id": "cl9ebqhxk00003b600tymydho", "reason": "The family has moved away.", "dry_run": True},
)
TRANSFER_SEAT = OpenApiExample(
    "Move it to the allocation of another term", request_only=True, value={"allocation_id": 2, "dry_run": True}
)
ASK_WHAT_IF = OpenApiExample(
    "What if district 1 had twenty seats",
    request_only=True,
    value={"first_day": "2026-08-01", "last_day": "2026-12-31", "seats": [{"tenant_id": 1, "total_seats": 20}]},
)

TRY_ROSTER = OpenApiExample(
    "What if these learners of district 1 asked for twenty seats",
    request_only=True,
    value={
        "first_day": "2026-08-01",
        "last_day": "2026-12-31",
        "seats": [{"tenant_id": 1, "total_seats": 20}],
        "tenant_id": 1,
        "program_instance_id": "cmb0h7x2k0001v8l4qf3zt9ra",
        "roster": "firstName,lastName,email\nAna,Roe,ana@school.example\nBen,Roe,ben@school.example\n",
    },
)
