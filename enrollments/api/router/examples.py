"""Examples for the OpenAPI document. Sent as they are to the demo's workspaces, they are answered with 200."""

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
