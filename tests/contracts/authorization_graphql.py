"""Who may ask GraphQL for what: one row for every field of the roots, and for each field behind a door of its own.

`test_graphql_authorization.py` compares the rows with the schema and asks each field as every caller.
"""

from dataclasses import dataclass

FAMILIES = "families"
ANY_KEY = "any key"


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A field by its type, and a selection that asks for it, with what it names of the `town` fixture in brackets.
    `door` is the scope that a key needs, ANY_KEY or FAMILIES; `elsewhere` is what another workspace's key is told:
    nothing where it sees its own rows, else a code."""

    field: str
    asked: str
    door: str
    elsewhere: str = ""

    def __str__(self) -> str:
        return self.field


ENROLLMENTS, LEARNERS = "enrollments:read", "learners:read"
ENROLLMENT = 'enrollment(id: "[town.offer.enrollment]")'
ROWS = [
    FieldRow("Query._service", "_service { sdl }", ANY_KEY),
    FieldRow(
        "Query._entities",
        '_entities(representations: [{__typename: "Enrollment", id: "[town.offer.enrollment]"}]) { __typename }',
        ENROLLMENTS,
    ),
    FieldRow("Query.programs", "programs { edges { node { code title } } }", ENROLLMENTS),
    FieldRow("Query.program", 'program(code: "town-hall") { title }', ENROLLMENTS, "not_found"),
    FieldRow("Query.programInstances", "programInstances { edges { node { id name } } }", ENROLLMENTS),
    FieldRow(
        "Query.programInstance", 'programInstance(id: "[town.offer.instance]") { name }', ENROLLMENTS, "not_found"
    ),
    FieldRow(
        "Query.enrollments",
        'enrollments(programInstanceId: "[town.offer.instance]") { edges { node { email } } }',
        ENROLLMENTS,
        "not_found",
    ),
    FieldRow("Query.enrollment", f"{ENROLLMENT} {{ email }}", ENROLLMENTS, "not_found"),
    FieldRow("Query.job", 'job(id: "[town.offer.job]") { status }', ENROLLMENTS, "not_found"),
    FieldRow("Query.learners", "learners { edges { node { email } } }", LEARNERS),
    FieldRow("Query.learner", 'learner(id: "[town.offer.learner]") { email }', LEARNERS, "not_found"),
    FieldRow("Query.leads", "leads { edges { node { email } } }", LEARNERS),
    FieldRow("Query.lead", 'lead(id: "[town.offer.lead]") { email }', LEARNERS, "not_found"),
]
# Behind a door of their own, besides the one of the field that leads to them.
INNER = {"Enrollment.learner": LEARNERS, "Enrollment.lead": LEARNERS}
