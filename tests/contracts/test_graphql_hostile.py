"""Every argument of GraphQL with malicious values, one at a time: refused or harmless, and never our fault."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    get_named_type,
    is_leaf_type,
)

from accounts.tests.factories import WorkspaceFactory, bearer
from cohorts.tests.callers import proven_user
from enrollment_project.schema import schema

from .authorization_graphql import FAMILIES, ROWS

pytestmark = [pytest.mark.walk, pytest.mark.django_db]

ENDLESS = "a number with 5,000 digits"
TEXTS = ["\x00", "\ud800", "", "\u202e", "x" * 5_000, "9" * 5_000, "c" * 24]
NUMBERS = [-1, 0, 2**31 - 1, 2**31, 2**63, 10**30, 1.5, True, "1", ENDLESS]
MOMENTS = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0000-00-00", "2027-02-30", "\x00", ENDLESS]
DOCUMENTS = [{"\x00": 1}, {"a": "\ud800"}, [1], "x", {"a": ENDLESS}, {"a": list(range(20_000))}, {"a": None}]
HOSTILE: dict[str, list[Any]] = {
    "String": TEXTS,
    "ID": [*TEXTS, *NUMBERS],
    "Int": NUMBERS,
    "BigInt": [*NUMBERS, *TEXTS, [1], {"a": 1}],
    "Float": NUMBERS,
    "Boolean": ["true", 1, None],
    "Date": MOMENTS,
    "DateTime": MOMENTS,
    "JSON": DOCUMENTS,
}
HARMLESS: dict[str, Any] = {
    "String": "x",
    "ID": "c" * 24,
    "Int": 1,
    "BigInt": 1,
    "Float": 1.0,
    "Boolean": True,
    "Date": "2027-01-31",
    "DateTime": "2027-01-31T09:00:00Z",
    "JSON": {},
}
FIELDS = sorted(row.field for row in ROWS if not row.field.startswith("Query._"))
DOORS = {row.field: row.door for row in ROWS}


def harmless(kind: Any) -> Any:
    """Return a harmless value of this type."""
    if isinstance(kind, GraphQLNonNull):
        return harmless(kind.of_type)
    if isinstance(kind, GraphQLList):
        return []
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    if isinstance(kind, GraphQLInputObjectType):
        needed = {name: each.type for name, each in kind.fields.items() if isinstance(each.type, GraphQLNonNull)}
        return {name: harmless(each) for name, each in needed.items()}
    return HARMLESS[kind.name]


def hostile(kind: Any) -> Iterator[Any]:
    """Return malicious values for this type, one at a time if it has parts."""
    if isinstance(kind, GraphQLNonNull):
        yield from hostile(kind.of_type)
    elif isinstance(kind, GraphQLList):
        yield [harmless(kind.of_type)] * 2_000
        yield [None]
        yield from ([each] for each in hostile(kind.of_type))
    elif isinstance(kind, GraphQLEnumType):
        yield "nothing\x00"
    elif isinstance(kind, GraphQLInputObjectType):
        yield {"nothing": 1}
        for name, each in kind.fields.items():
            yield from (harmless(kind) | {name: value} for value in hostile(each.type))
    else:
        yield from HOSTILE[kind.name]


def operations(field: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the field, requested with one hostile value among harmless ones."""
    root, _, name = field.partition(".")
    found = schema._schema.type_map[root].fields[name]  # type: ignore[attr-defined]
    kind: GraphQLNamedType = get_named_type(found.type)
    shown = "" if is_leaf_type(kind) else "{ __typename }"
    declared = ", ".join(f"${each}: {argument.type}" for each, argument in found.args.items())
    passed = ", ".join(f"{each}: ${each}" for each in found.args)
    query = f"{root.lower()}({declared}) {{ {name}({passed}) {shown} }}" if found.args else ""
    calm = {each: harmless(argument.type) for each, argument in found.args.items()}
    calm |= {each: None for each in ("after", "filter", "sample") if each in calm}
    for each, argument in found.args.items():
        for value in hostile(argument.type):
            yield query, calm | {each: value}


@pytest.mark.parametrize("field", FIELDS)
def test_a_hostile_value_is_never_our_fault(field: str) -> None:
    workspace = WorkspaceFactory()
    client, headers = Client(raise_request_exception=False), bearer(workspace=workspace)
    if DOORS[field] == FAMILIES:
        client.force_login(proven_user("a@home.test"), backend="django.contrib.auth.backends.ModelBackend")
        headers = {}
    faults = []
    for query, variables in operations(field):
        body = json.dumps({"query": query, "variables": variables}).replace(f'"{ENDLESS}"', "9" * 5_000)
        point = transaction.savepoint()
        response = client.post("/api/graphql", body, content_type="application/json", headers=headers)
        transaction.savepoint_rollback(point)
        if response.status_code >= 500 or "server_error" in response.content.decode():
            faults.append(variables)

    assert faults == []
