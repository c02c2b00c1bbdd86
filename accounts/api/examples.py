"""Examples for the OpenAPI document."""

from drf_spectacular.utils import OpenApiExample

REGISTER_GUARDIAN = OpenApiExample(
    "A guardian whose address is not known yet",
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
