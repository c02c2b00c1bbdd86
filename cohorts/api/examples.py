"""Examples for the OpenAPI document."""

from drf_spectacular.utils import OpenApiExample

BROWSE = OpenApiExample(
    "Two courses",
    response_only=True,
    value={
        "items": [
            {
                "code": "SPANISH-A1",
                "title": "Spanish from the start",
                "stepCount": 6,
                "priceInCents": 24900,
                "currency": "usd",
                "availableCohorts": 2,
                "nextCohortStartDate": "2027-01-11",
            },
            {
                "code": "ALGEBRA-1",
                "title": "Algebra I",
                "stepCount": 4,
                "priceInCents": None,
                "currency": None,
                "availableCohorts": 0,
                "nextCohortStartDate": None,
            },
        ],
        "total": 2,
        "page": 1,
        "pageSize": 20,
    },
)
COHORTS = OpenApiExample(
    "A cohort with places left",
    response_only=True,
    value={
        "id": 31,
        "name": "Winter 2027",
        "startDate": "2027-01-11",
        "endDate": "2027-02-21",
        "timezone": "America/Chicago",
        "enrollmentDeadline": "2027-01-09T05:59:00Z",
        "maxEnrollment": 24,
        "currentEnrollment": 19,
        "availablePlaces": 4,
        "priceInCents": 24900,
        "currency": "usd",
        "status": "open",
    },
)
ENROLL = OpenApiExample(
    "For yourself",
    request_only=True,
    value={"firstName": "Jane", "lastName": "Doe"},
)
ENROLL_CHILD = OpenApiExample(
    "For a child",
    request_only=True,
    value={"learnerId": "cjld2cjxh0000qzrmn831i7rn"},
)
SWAP = OpenApiExample("Another class of the step", request_only=True, value={"courseStepOptionId": 15})
CHECKOUT = OpenApiExample(
    "Where to pay",
    response_only=True,
    value={"sessionId": "cs_test_a1B2c3", "url": "https://checkout.stripe.com/c/pay/cs_test_a1B2c3"},
)
UNBOOKED = OpenApiExample(
    "One step, one of its sessions",
    response_only=True,
    value={
        "stepId": 7,
        "stepLabel": "Week 2",
        "stepTitle": "At the market",
        "stepOrder": 2,
        "required": True,
        "options": [
            {
                "courseStepOptionId": 15,
                "groupClassName": "Tuesday evenings",
                "dayOfWeek": 2,
                "startTime": "17:00",
                "endTime": "18:00",
                "timezone": "America/Chicago",
                "teacher": "Ms. Ortega",
                "availableSeats": 3,
                "startsAt": "2027-01-19T23:00:00Z",
                "endsAt": "2027-01-20T00:00:00Z",
            }
        ],
    },
)
BOOK = OpenApiExample(
    "One step chosen",
    request_only=True,
    value={"selections": [{"courseStepId": 7, "courseStepOptionId": 15}]},
)
