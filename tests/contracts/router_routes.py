"""Who may call which routes of the router: its decisions, districts, and their seats (see `authorization.py`)."""

from .callers import by_key

ENROLL = {
    "learner_profile": {"email": "june@school.test", "first_name": "June", "last_name": "Roe"},
    "context": {"tenant_id": 7},
}
ALLOCATION = "/api/allocations/{town.allocation_id}"
ALLOCATION_ROUTE = "api/allocations/<number:allocation_id>"
SEAT = "/api/seats/{town.seat_id}"
SEAT_ROUTE = "api/seats/<number:seat_id>"

ROWS = [
    by_key("api/enroll", "POST", scope="decisions:write", elsewhere=200, body=ENROLL),
    by_key("api/enrollments", "GET", scope="decisions:read", elsewhere=200),
    by_key(
        "api/enrollments/<number:decision_id>",
        "GET",
        scope="decisions:read",
        elsewhere=404,
        address="/api/enrollments/{town.decision_id}",
    ),
    by_key("api/decisions", "GET", scope="decisions:read", elsewhere=200),
    by_key(
        "api/decisions/<number:decision_id>",
        "GET",
        scope="decisions:read",
        elsewhere=404,
        address="/api/decisions/{town.decision_id}",
    ),
    by_key("api/districts", "GET", scope="districts:read", elsewhere=200),
    by_key(
        "api/districts/seats",
        "POST",
        scope="districts:write",
        elsewhere=200,
        body={"tenant_id": 8, "total_seats": 3},
    ),
    by_key(
        "api/districts/<number:tenant_id>/seats",
        "GET",
        scope="districts:read",
        elsewhere=404,
        address="/api/districts/11/seats",
    ),
    by_key(
        "api/districts/<number:tenant_id>/seats",
        "PUT",
        scope="districts:write",
        elsewhere=404,
        address="/api/districts/11/seats",
        body={"total_seats": 9},
    ),
    by_key(ALLOCATION_ROUTE, "GET", scope="districts:read", elsewhere=404, address=ALLOCATION),
    by_key(f"{ALLOCATION_ROUTE}/seats", "GET", scope="districts:read", elsewhere=404, address=f"{ALLOCATION}/seats"),
    by_key(
        f"{ALLOCATION_ROUTE}/renew",
        "POST",
        scope="districts:write",
        elsewhere=404,
        address=f"{ALLOCATION}/renew",
        body={"valid_from": "2031-01-01"},
    ),
    by_key(
        f"{ALLOCATION_ROUTE}/roster",
        "POST",
        scope="districts:write",
        elsewhere=404,
        done=422,
        address=f"{ALLOCATION}/roster",
        body={"program_instance_id": "c" * 24, "roster": "email"},
    ),
    by_key(
        "api/what-ifs",
        "POST",
        scope="districts:read",
        elsewhere=200,
        done=200,
        address="/api/what-ifs",
        body={"first_day": "2030-01-01", "last_day": "2030-12-31"},
    ),
    by_key(
        "api/what-ifs/roster",
        "POST",
        scope="districts:read",
        elsewhere=422,
        done=422,
        address="/api/what-ifs/roster",
        body={
            "first_day": "2030-01-01",
            "last_day": "2030-12-31",
            "tenant_id": 1,
            "program_instance_id": "c" * 24,
            "roster": "email",
        },
    ),
    *[
        by_key(
            f"{SEAT_ROUTE}/{move}",
            "POST",
            scope="districts:write",
            elsewhere=404,
            done=done,
            address=f"{SEAT}/{move}",
            body=body,
        )
        for move, done, body in (
            ("release", 200, {"reason": "Moved away"}),
            ("reassign", 404, {"reason": "Moved away", "learner_id": "c" * 24}),
            ("transfer", 404, {"allocation_id": 0}),
        )
    ],
]
