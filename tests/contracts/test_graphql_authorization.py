"""Requests every root field of GraphQL as every caller and compares with the matrix in authorization_graphql.py."""

import re
from typing import Any

import pytest
from strawberry.types.base import get_object_definition

from accounts.graphql.doors import Door, ForFamilies, ForKeys, Needs
from accounts.states import Scope
from enrollment_project.schema import schema

from .authorization_graphql import ANY_KEY, FAMILIES, INNER, ROWS, FieldRow
from .callers import SIGNED_IN, STAFF, Caller
from .state import state
from .test_authorization import Town, built_town, client_of, town  # noqa: F401 - fixtures

ROOTS = ("Query", "Mutation")
UNHEARD = (Caller.ANONYMOUS, Caller.REVOKED_KEY, Caller.EXPIRED_KEY)


def root_fields() -> set[str]:
    types = schema._schema.type_map
    return {f"{root}.{name}" for root in ROOTS if root in types for name in types[root].fields}  # type: ignore[attr-defined]


def doors() -> dict[str, str]:
    """Return each field that has a door, with who may pass it."""
    found = {}
    for name in schema._schema.type_map:
        kind = schema.get_type_by_name(name)
        definition = get_object_definition(getattr(kind, "origin", None))
        for field in definition.fields if definition else ():
            for door in field.extensions:
                if isinstance(door, Door):
                    found[f"{name}.{schema.config.name_converter.from_field(field)}"] = named(door)
    return found


def named(door: Door) -> str:
    if isinstance(door, Needs):
        return door.scope
    return {ForFamilies: FAMILIES, ForKeys: ANY_KEY}[type(door)]


def ask(row: FieldRow, caller: Caller, town: Town) -> Any:  # noqa: F811
    scope = row.door if row.door in Scope.values else Scope.DISTRICTS_READ
    asked = re.sub(r"\[([a-z_.]+)\]", lambda found: str(f"{{{found[1]}}}".format(town=town)), row.asked)
    root = row.field.partition(".")[0].lower()
    return client_of(caller, scope, town).post(
        "/api/graphql", {"query": f"{root} {{ {asked} }}"}, content_type="application/json"
    )


def expected(row: FieldRow, caller: Caller) -> str:
    """Return the code that the caller is refused with, or an empty text if they are not."""
    if caller in (*SIGNED_IN, Caller.UNPROVEN):
        if row.field == "Query._service":
            return "graphql_introspection_refused"
        if row.door == FAMILIES:
            return "address_unproven" if caller is Caller.UNPROVEN else row.elsewhere
        return "not_authenticated"
    if row.door == FAMILIES:
        return "not_authenticated"
    if caller is Caller.KEY_WITHOUT_SCOPE:
        return "" if row.door == ANY_KEY else "scope_missing"
    return row.elsewhere if caller is Caller.FOREIGN_KEY else row.done


def calls() -> list[Any]:
    """Return every field with every caller. In `make test`, an owner is all staff, at each door's first field."""
    first = {(row.field.partition(".")[0], row.door): row for row in reversed(ROWS)}.values()

    def is_near(row: FieldRow, caller: Caller) -> bool:
        return caller not in STAFF or (caller is Caller.OWNER and row in first)

    return [
        pytest.param(
            row, caller, marks=() if is_near(row, caller) else pytest.mark.walk, id=f"{row}-{caller.name.lower()}"
        )
        for row in ROWS
        for caller in Caller
    ]


class TestTheMatrixOfFields:
    def test_names_every_root_field_and_no_other(self):
        assert {row.field for row in ROWS} == root_fields(), "see tests/contracts/authorization_graphql.py"

    def test_names_the_door_of_each_field(self):
        rows = {row.field: row.door for row in ROWS if row.field != "Query._entities"}  # which asks for each entity's

        assert doors() == rows | INNER

    def test_notices_a_field_that_no_row_names(self):
        """Negative control: with one row less, there is such a field."""
        assert root_fields() - {row.field for row in ROWS[1:]} == {ROWS[0].field}


class TestAField:
    @pytest.mark.parametrize(("row", "caller"), calls())
    def test_answers_each_caller_as_the_matrix_says(self, row, caller, town):  # noqa: F811
        before = state()

        response = ask(row, caller, town)

        if caller in UNHEARD:
            assert response.status_code == 401
            return
        answer = response.json()
        codes = [error["extensions"]["code"] for error in answer.get("errors", [])]
        assert response.status_code == 200
        assert codes == ([expected(row, caller)] if expected(row, caller) else [])
        if codes:
            assert not answer.get("data")
            assert state() == before
        if caller in (Caller.FOREIGN_KEY, *STAFF):
            assert state() == before or caller is Caller.FOREIGN_KEY
            assert "@school.test" not in response.content.decode()
