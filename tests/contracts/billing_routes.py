"""Who may call which routes of the books (see `authorization.py`)."""

from .callers import by_key

MONTH = "/api/closedMonths/{town.closed_month}"
MONTH_ROUTE = "api/closedMonths/<str:month>"

ROWS = [
    by_key("api/closedMonths", "GET", scope="payments:read", elsewhere=200),
    by_key(MONTH_ROUTE, "GET", scope="payments:read", elsewhere=404, address=MONTH),
    by_key(f"{MONTH_ROUTE}/lines", "GET", scope="payments:read", elsewhere=404, address=f"{MONTH}/lines"),
]
