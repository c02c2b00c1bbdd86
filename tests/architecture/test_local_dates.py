"""Dates and local times are made in one module, which knows the zone they belong to."""

import ast

import pytest

from .own_code import APPS, PROJECT, ROOT, modules

# The one module; code that reads the browser's zone; and code that formats moments which already have a zone.
MODULES = {"core/local_time.py"}
# Calls that end a day, or make a moment, in whatever zone happens to be there.
CALLS = {"today", "now", "utcnow", "localdate", "make_aware", "combine", "utcfromtimestamp"}
LOOKUPS = ("__date", "__year", "__month", "__week_day")


def offences(source: str) -> list[str]:
    """Return the places where this module takes a day or local time from a moment without naming a zone."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = node.func.attr
            is_now = isinstance(node.func.value, ast.Name) and node.func.value.id in {"now", "moment"}
            if name in CALLS or (name in {"date", "timetz"} and not node.args and is_now):
                found.append(f"{node.lineno}: .{name}()")
            if name == "date" and not node.args and isinstance(node.func.value, ast.Call):
                inner = node.func.value.func
                if getattr(inner, "attr", getattr(inner, "id", "")) == "utc_now":
                    found.append(f"{node.lineno}: utc_now().date()")
        elif isinstance(node, ast.Attribute) and node.attr in {"year", "month", "day"}:
            if isinstance(node.value, ast.Name) and node.value.id in {"now", "moment"}:
                found.append(f"{node.lineno}: {node.value.id}.{node.attr}")
        elif isinstance(node, ast.keyword) and node.arg and node.arg.endswith(LOOKUPS):
            found.append(f"{node.lineno}: {node.arg}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            found.append(f"{node.lineno}: {node.func.id}()")
    return found


def test_modules_leave_local_time_to_the_one_that_knows_the_zone() -> None:
    # The one that reads the present moment, and the one that parses a caller's input.
    allowed = {"core/clock.py", "core/http/query.py"}

    found = {str(path.relative_to(ROOT)): offences(path.read_text()) for path in modules(*APPS, "demo", PROJECT)}

    assert {name: lines for name, lines in found.items() if lines and name not in MODULES | allowed} == {}


@pytest.mark.parametrize(
    "source",
    [
        "def f(now): return now.date()",
        "def f(now): return now.year",
        "import datetime as dt\ntoday = dt.date.today()",
        "from django.utils import timezone\nday = timezone.localdate()",
        "rows.filter(created_at__date=day)",
        "day = utc_now().date()",
        "at = dt.datetime.combine(day, time, zone)",
    ],
)
def test_the_rule_sees_what_ends_a_day_in_utc(source: str) -> None:
    assert len(offences(source)) == 1
