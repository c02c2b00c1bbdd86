"""The OpenAPI document at /api/schema and the page that shows it at /api/docs."""

DESCRIPTION = """
Route learners to district seats or parent checkouts, and follow what becomes of them.

## First steps
1. Make a key: `python manage.py create_api_key --workspace SLUG --scopes all`, or in the back office.
2. Press **Authorize** and paste it. Every request below can then be tried from this page.

```bash
curl -s "$BASE/api/enroll" -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\
  -H "Idempotency-Key: $(uuidgen)" -d '{
  "learner_profile": {"email": "jane@school.example", "first_name": "Jane", "last_name": "Doe"},
  "context": {"tenant_id": 1, "source": "district_portal"}
}'
```

## Rules that hold everywhere
- **Keys** belong to one workspace and carry scopes; each operation names the one it needs. What belongs to another
  workspace answers the same 404 as what does not exist.
- **Retries are safe** with an `Idempotency-Key` on POST: the same key and body gets the stored answer (marked
  `Idempotent-Replayed: true`) for 24 hours, another body 422, a request still being answered 409.
  The number of keys kept for each caller is limited: past it a new key is answered 429, known ones their stored answer.
- **Errors** are `application/problem+json` with a stable `code`, the `request_id` to quote to us, and in `errors` the
  fields at fault. 409, 429 and 503 mean that nothing was changed; `Retry-After` says when to come back.
- **Request ids**: send `X-Request-Id` to find a request in the logs of both sides; every answer carries one.
- **Bodies** are JSON objects of at most 1,000,000 bytes. A path answers with and without a trailing slash.
"""

SPECTACULAR_SETTINGS = {
    "TITLE": "Enrollment Platform API",
    "VERSION": "1",
    "DESCRIPTION": DESCRIPTION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "COMPONENT_SPLIT_REQUEST": True,
    "SORT_OPERATIONS": False,
    "SCHEMA_PATH_PREFIX": "/api",
    "PATH_CONVERTER_OVERRIDES": {"number": int},
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    "ENUM_NAME_OVERRIDES": {
        "DecisionStatus": "enrollments.states.DecisionStatus",
        "EligibilityStatus": "enrollments.states.EligibilityStatus",
        "JobStatus": "core.jobs.JobStatus",
        "ExportFormat": "backoffice.models.ExportFormat",
        "StepStatus": "cohorts.states.StepStatus",
        "PartnerStepStatus": "partners.api.serializers.SHOWN",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "enrollment_project.openapi.document_problems",
    ],
    "TAGS": [
        {"name": "Router", "description": "Route a learner, read decisions, and manage district seats."},
        {
            "name": "Programs",
            "description": "What the workspace offers: programs, and their instances with dates and criteria.",
        },
        {
            "name": "Partners",
            "description": "Training at partner organizations, and learners' progress there.",
        },
        {"name": "Enrollments", "description": "Who is in which program: enroll, evaluate, review, change, leave."},
        {
            "name": "Imports",
            "description": ("Candidates from files: thousands at once, with a rehearsal first and an undo."),
        },
        {
            "name": "People",
            "description": "Learners, leads, and guardians: contact details, children, and invitations.",
        },
        {"name": "GraphQL", "description": "The same queries and changes, several in one request."},
        {"name": "Courses", "description": "The public catalog of courses, enrolling in a cohort, the waiting list."},
        {
            "name": "Students",
            "description": (
                "What a student or guardian has: packages, bookings, sessions. Uses the session cookie, not a key."
            ),
        },
        {"name": "Events", "description": "Events of the workspace, for integrators who poll."},
        {"name": "Webhooks", "description": "Events from vendors. Uses signatures, not keys."},
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "/static/img/favicon.svg",
    "SWAGGER_UI_SETTINGS": {
        "deepLinking": True,
        "displayRequestDuration": True,
        "defaultModelsExpandDepth": 0,
        "docExpansion": "list",
        "filter": True,
        "tryItOutEnabled": True,
        "syntaxHighlight": {"theme": "idea"},
    },
}
