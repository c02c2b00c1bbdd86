"""Examples for the OpenAPI document."""

from drf_spectacular.utils import OpenApiExample

REGISTER_GUARDIAN = OpenApiExample(
    "A guardian without a known address",
    request_only=True,
    value={"externalId": "guardian-789", "firstName": "Gail", "lastName": "Roe", "learnerIds": []},
)
CHANGE_GUARDIAN = OpenApiExample(
    "Another address, which the guardian has proven to you",
    request_only=True,
    value={"email": "gail.roe@families.example"},
)
INVITE_GUARDIAN = OpenApiExample(
    "An invitation by mail", request_only=True, value={"email": "gail.roe@families.example"}
)
REGISTER_LEARNER = OpenApiExample(
    "A learner of your own system",
    request_only=True,
    value={
        "externalId": "student-4711",
        "firstName": "June",
        "lastName": "Roe",
        "email": "june.roe@families.example",
        "gradeLevel": "7",
        "school": "Lincoln Middle School",
    },
)
CHANGE_LEARNER = OpenApiExample(
    "A phone number and an address",
    request_only=True,
    value={"phone": "+14155550123", "address": {"city": "Springfield", "state": "IL", "country": "USA"}},
)
REPORT_CONSENT = OpenApiExample(
    "A guardian signed in your system",
    request_only=True,
    value={
        "purpose": "photos",
        "version": 2,
        "email": "gail.roe@families.example",
        "signedAt": "2026-09-01T15:30:00Z",
        "evidence": "envelope-81f3",
    },
)
WITHDRAW_CONSENT = OpenApiExample(
    "A guardian withdrew the consent in your system",
    request_only=True,
    value={"withdrawnAt": "2026-10-05T09:00:00Z", "evidence": "letter-2210"},
)
CREATE_LEAD = OpenApiExample(
    "A prospect who left a phone number", request_only=True, value={"lastName": "Homeowner", "phone": "+14155550123"}
)
CHANGE_LEAD = OpenApiExample(
    "New information about the lead",
    request_only=True,
    value={"firstName": "Suzie", "email": "suzie.homeowner@example.com"},
)
