"""Each guard of the API is removed once, and the matrix notices."""

from collections.abc import Callable
from typing import Any

import pytest

from enrollment_project.tests.guarding import Guard, Leaks, take_away

from .authorization import ROWS
from .authorization_graphql import ROWS as FIELDS
from .callers import Caller
from .test_authorization import Town, built_town, call, town  # noqa: F401 - fixtures
from .test_graphql_authorization import ask, expected

pytestmark = pytest.mark.walk

Answers = Callable[[Town], bool]  # whether the matrix holds


def route(name: str, caller: Caller) -> Answers:
    row = next(each for each in ROWS if str(each) == name)
    return lambda built: call(row, caller, built).status_code == row.answers[caller]


def field(name: str, caller: Caller) -> Answers:
    row = next(each for each in FIELDS if each.field == name)

    def holds(built: Town) -> bool:
        errors = ask(row, caller, built).json().get("errors", [])
        return [error["extensions"]["code"] for error in errors] == [expected(row, caller)]

    return holds


PERMISSIONS = "accounts.api.permissions"
GUARDS: list[tuple[str, str, str, Answers]] = [
    ("accounts.api_keys:_look_up", "not key.is_usable(now)", "False", route("GET api/decisions", Caller.EXPIRED_KEY)),
    (
        f"{PERMISSIONS}:HasScope.has_permission",
        "scope in principal.scopes",
        "True",
        route("GET api/decisions", Caller.KEY_WITHOUT_SCOPE),
    ),
    (
        f"{PERMISSIONS}:require_scope",
        "scope not in principal.scopes",
        "False",
        field("Query.decisions", Caller.KEY_WITHOUT_SCOPE),
    ),
    (
        f"{PERMISSIONS}:IsProvenPerson.has_permission",
        " and find_family(request.user.user) is not None",
        "",
        route("GET api/students/me/course-packages", Caller.UNPROVEN),
    ),
    (
        "accounts.families:require_family",
        "find_family(user) is None",
        "False",
        field("Query.myCoursePackages", Caller.UNPROVEN),
    ),
    (
        "accounts.graphql.doors:ForFamilies.admit",
        "require_family(person_of(request).user)",
        "request",
        field("Query.myCoursePackages", Caller.UNPROVEN),
    ),
    (
        "accounts.graphql.doors:Needs.admit",
        "require_scope(request, self.scope)",
        "request",
        field("Query.decisions", Caller.KEY_WITHOUT_SCOPE),
    ),
    (
        "accounts.principals:principal_of",
        "not isinstance(request.user, Principal)",
        "False",
        field("Query._entities", Caller.OWNER),
    ),
]


def never(_: Any) -> list[str]:
    return []


@pytest.mark.parametrize(
    ("where", "guard", "without", "holds"), GUARDS, ids=[f"{where}: {guard}" for where, guard, *_ in GUARDS]
)
class TestAGuard:
    def test_is_missed_when_it_is_taken_away(
        self,
        where: str,
        guard: str,
        without: str,
        holds: Answers,
        town: Town,  # noqa: F811
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        leaks: Leaks = never
        assert holds(town)

        take_away(Guard(where, guard, without, leaks), monkeypatch)

        assert not holds(town)
