"""Examples for the OpenAPI document. Sent as they are, they return 200 or 201."""

from drf_spectacular.utils import OpenApiExample

CREATE_PARTNER = OpenApiExample(
    "A partner with an API",
    request_only=True,
    value={
        "slug": "northside-lms",
        "name": "Northside Learning",
        "baseUrl": "https://lms.northside.example/api",
        "apiKey": "the key it gave us",
        "expectedDays": 21,
        "acceptWithinHours": 48,
        "stuckAfterDays": 10,
        "contactEmail": "training@northside.example",
    },
)
CHANGE_PARTNER = OpenApiExample(
    "More patience, and other names",
    request_only=True,
    value={
        "stuckAfterDays": 14,
        "fieldMap": {
            "request": {"courseId": "course.code", "email": "student.mail", "learnerId": ""},
            "answer": {"id": "number", "launchUrl": "links.start"},
            "event": {"event": "type", "enrollmentId": "content.number"},
            "words": {"statusCompleted": ["done", "passed"], "eventCompleted": ["enrollment.done"]},
        },
    },
)
RETRY_STEP = OpenApiExample("The cause is fixed", request_only=True, value={"reason": "The course exists now"})
SKIP_STEP = OpenApiExample("Nothing to learn", request_only=True, value={"reason": "Certified elsewhere last year"})
COMPLETE_STEP = OpenApiExample(
    "With the partner's own certificate",
    request_only=True,
    value={"reason": "Their system is down", "evidence": "Certificate 2026-118"},
)
DEFINE_SEQUENCE = OpenApiExample(
    "Two electives of three after the basics",
    request_only=True,
    value={
        "steps": [
            {"partner": "northside-lms", "courseId": "safety-1"},
            {"partner": "northside-lms", "courseId": "welding-1", "group": "Electives"},
            {"partner": "northside-lms", "courseId": "welding-2", "group": "Electives"},
            {"partner": "northside-lms", "courseId": "robotics-1", "group": "Electives"},
        ],
        "groups": [{"name": "Electives", "rule": "at_least", "atLeast": 2}],
    },
)
REASSIGN_STEP = OpenApiExample(
    "The same at another partner",
    request_only=True,
    value={"reason": "Closed until summer", "partner": "northside-lms", "courseId": "safety-2"},
)
REOPEN_STEP = OpenApiExample(
    "Reported by mistake", request_only=True, value={"reason": "It was another learner's exam"}
)
