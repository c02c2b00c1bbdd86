"""The GraphQL schema, composed of what the apps contribute.

It is federated: other subgraphs know programs by code, and instances and enrollments by id.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import strawberry
from django.core.exceptions import ImproperlyConfigured
from graphql import GraphQLNamedType, get_named_type, get_nullable_type, is_list_type, is_object_type
from strawberry import Info
from strawberry.federation.schema import FederationAny
from strawberry.schema.config import StrawberryConfig
from strawberry.types.base import get_object_definition

from accounts.graphql.doors import Door, ForKeys, Needs
from accounts.graphql.guardians import GuardiansMutation, GuardiansQuery
from accounts.graphql.people import PeopleMutation, PeopleQuery
from accounts.principals import principal_of
from cohorts.graphql import CoursesMutation, CoursesQuery
from core.errors import Invalid, invalid_field, item_of
from core.graphql.connections import FIRST
from core.graphql.shapes import SCALARS
from core.graphql.siblings import tie
from enrollments.graphql.decisions import DecisionsQuery
from enrollments.graphql.files import FilesMutation, FilesQuery
from enrollments.graphql.mutations import EnrollmentsMutation
from enrollments.graphql.queries import EnrollmentsQuery
from enrollments.graphql.types import READ, Enrollment, Program, ProgramInstance
from partners.graphql import PartnersMutation, PartnersQuery

MAX_REPRESENTATIONS = 100
# The number of items a list that is not a connection counts for when costs are reckoned.
LIST = 10
# The types that other subgraphs refer to, each with its key field.
ENTITIES: dict[str, tuple[type[Any], str]] = {
    "Program": (Program, "code"),
    "ProgramInstance": (ProgramInstance, "id"),
    "Enrollment": (Enrollment, "id"),
}


@strawberry.type(name="_Service")
class Service:
    sdl: str


@strawberry.type
class Query(EnrollmentsQuery, FilesQuery, DecisionsQuery, PeopleQuery, GuardiansQuery, PartnersQuery, CoursesQuery):
    """What can be read. Each field has a door: a scope that an API key needs, or a family's session."""

    @strawberry.field(name="_service", extensions=[ForKeys()], description="The schema, for a gateway.")
    def service(self, info: Info) -> Service:
        return Service(sdl=info.schema.as_str())


@strawberry.type
class Mutation(
    EnrollmentsMutation, FilesMutation, PeopleMutation, GuardiansMutation, PartnersMutation, CoursesMutation
):
    """What can be changed, one thing at a time. Each field has a door, like those of queries."""


class ProjectSchema(strawberry.federation.Schema):
    """A federated schema that reads entities together and leaves reporting errors to whoever executes an operation."""

    def entities_resolver(self, info: Info, representations: list[FederationAny]) -> list[FederationAny]:
        """Return the named entities in the order of their names, with null for one that does not exist."""
        principal_of(info.context)
        if len(representations) > MAX_REPRESENTATIONS:
            raise invalid_field("representations", "too_many", f"Name at most {MAX_REPRESENTATIONS} at a time.")
        named = [_named(each, position) for position, each in enumerate(representations)]
        asked = {name: [key for each, key in named if each == name] for name in ENTITIES}
        found = {name: _find(info, name, keys) for name, keys in asked.items() if keys}
        return [found[name].get(key) for name, key in named]  # type: ignore[misc]

    def process_errors(self, errors: Any, execution_context: Any = None) -> None:
        """Do nothing: `core.graphql.errors` reports and logs the errors."""


def _named(representation: Any, position: int) -> tuple[str, str]:
    name = representation.get("__typename") if isinstance(representation, dict) else None
    known = ENTITIES.get(name) if isinstance(name, str) else None
    key = representation.get(known[1]) if known else None
    if not (isinstance(name, str) and isinstance(key, str)):
        raise _no_entity(position)
    return name, key


def _no_entity(position: int) -> Invalid:
    wanted = ", ".join(f"{name} by {key}" for name, (_, key) in ENTITIES.items())
    return invalid_field(item_of("representations", position), "invalid", f"Name an entity: {wanted}.")


def _find(info: Info, name: str, keys: list[str]) -> Mapping[str, Any]:
    Needs(READ).check(info, representations=keys)
    found: Mapping[str, Any] = ENTITIES[name][0].resolve_references(info, keys)
    tie(list(found.values()))
    return found


def _refuse_open_fields(roots: Iterable[type]) -> None:
    """Raise ImproperlyConfigured for a root field without a door."""
    for root in roots:
        for field in get_object_definition(root, strict=True).fields:
            if not any(isinstance(each, Door) for each in field.extensions):
                raise ImproperlyConfigured(f"{root.__name__}.{field.python_name} does not say who may use it.")


_refuse_open_fields([Query, Mutation])
schema = ProjectSchema(
    query=Query,
    mutation=Mutation,
    config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=True),
)


def _items() -> dict[str, int]:
    """Return the fields whose selection is resolved for many rows, with the number of rows assumed by default."""
    found: dict[str, int] = {}
    types: Iterable[GraphQLNamedType] = schema._schema.type_map.values()
    for kind in types:
        for name, field in kind.fields.items() if is_object_type(kind) and not kind.name.startswith("__") else ():
            if get_named_type(field.type).name.endswith("Connection"):
                found[name] = FIRST
            elif is_list_type(get_nullable_type(field.type)) and name != "edges":
                found[name] = LIST
    return found


ITEMS = _items()
