"""Who may call the routes of partners: a part of the matrix in `authorization.py`."""

from .callers import by_key

ENROLLMENT = "/api/enrollments/{town.training.enrollment}"
PARTNER = "/api/partners/{town.training.partner}"
PARTNER_ROUTE = "api/partners/<slug:slug>"
STEPS = f"{ENROLLMENT}/steps"
STEPS_ROUTE = "api/enrollments/<cuid:enrollment_id>/steps"
SEQUENCE = "/api/programs/town-hall/partnerSequence"
SEQUENCE_ROUTE = "api/programs/<str:code>/partnerSequence"
NORTHSIDE = {"slug": "northside", "name": "Northside", "baseUrl": "https://lms.example.test/api"}
# About a failed step: what may be done, and what is refused because of its state or the request.
STEP_ACTIONS: tuple[tuple[str, int, dict[str, str]], ...] = (
    ("retry", 200, {}),
    ("skip", 200, {}),
    ("complete", 200, {"evidence": "Certificate 1"}),
    ("reassign", 422, {"partner": "nobody"}),
    ("reopen", 409, {}),
)

ROWS = [
    by_key("api/partners", "GET", scope="partners:read", elsewhere=200),
    by_key("api/partners", "POST", scope="partners:write", elsewhere=201, done=201, body=NORTHSIDE),
    by_key("api/partners/pipeline", "GET", scope="partners:read", elsewhere=200),
    by_key(PARTNER_ROUTE, "GET", scope="partners:read", elsewhere=404, address=PARTNER),
    by_key(PARTNER_ROUTE, "PATCH", scope="partners:write", elsewhere=404, address=PARTNER, body={"name": "North"}),
    *(
        by_key(
            f"{PARTNER_ROUTE}/{action}",
            "POST",
            scope="partners:write",
            elsewhere=404,
            address=f"{PARTNER}/{action}",
        )
        for action in ("rotate-secret", "pause", "resume")
    ),
    by_key(SEQUENCE_ROUTE, "GET", scope="partners:read", elsewhere=404, address=SEQUENCE),
    by_key(SEQUENCE_ROUTE, "PUT", scope="partners:write", elsewhere=404, address=SEQUENCE, body={"steps": []}),
    by_key(STEPS_ROUTE, "GET", scope="partners:read", elsewhere=404, address=STEPS),
    *(
        by_key(
            f"{STEPS_ROUTE}/<cuid:step_id>/{action}",
            "POST",
            scope="partners:write",
            elsewhere=404,
            address=f"{STEPS}/{{town.training.step}}/{action}",
            body={"reason": "Said so"} | more,
            done=done,
        )
        for action, done, more in STEP_ACTIONS
    ),
]
