"""The one demo partner whose JSON uses its own names, as most partners' JSON does."""

from typing import Any

# By the partner's slug: the names as the sandbox sends them.
DIALECTS = {"pixel-forge": "campus"}
# The mapping we use to talk to it.
FIELD_MAPS: dict[str, dict[str, Any]] = {
    "campus": {
        "request": {
            "courseId": "courseCode",
            "reference": "externalRef",
            "learnerId": "",
            "email": "student.mail",
            "firstName": "student.givenName",
            "lastName": "student.familyName",
        },
        "lookup": {"parameter": "externalRef", "list": "items", "enrollment": "registration"},
        "answer": {
            "id": "number",
            "reference": "externalRef",
            "status": "state",
            "launchUrl": "links.start",
            "progress": "percent",
            "completedAt": "finishedOn",
            "certificateId": "",
            "certificateNumber": "diploma.number",
            "downloadUrl": "diploma.file",
        },
        "event": {
            "event": "type",
            "enrollmentId": "registration.number",
            "progress": "registration.percent",
            "completedAt": "registration.finishedOn",
            "certificateId": "",
            "certificateNumber": "registration.diploma.number",
            "downloadUrl": "registration.diploma.file",
        },
        "words": {
            "statusCompleted": ["done"],
            "statusWithdrawn": ["dropped"],
            "eventCreated": ["registration.new"],
            "eventProgress": ["registration.moved"],
            "eventCompleted": ["registration.done"],
            "eventCertificate": ["diploma.ready"],
        },
    }
}
