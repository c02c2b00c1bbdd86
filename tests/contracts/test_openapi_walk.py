"""Every operation of the OpenAPI document, called as the document allows and as it forbids: the answer is what the
document says, for every caller.
"""

import json
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.middleware.csrf import _get_new_csrf_string
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, not_a_server_error
from schemathesis.schemas import APIOperation

from accounts.models import Guardian
from accounts.states import Scope
from accounts.tests.factories import GuardianFactory, GuardianshipFactory, api_key_text
from cohorts.tests.callers import proven_user
from enrollment_project.wsgi import application
from sandbox.testing import SandboxProcess
from tests.kept_rows import make_once

from .test_authorization import Town, build_whole_town

pytestmark = pytest.mark.django_db(transaction=True)

# Examples of an operation for each caller: about existing objects, about any, and what the document forbids.
EXAMPLES = int(os.environ.get("OPENAPI_EXAMPLES", "35"))  # `make schemathesis` sends 105
THERE, ANY, FORBIDDEN = EXAMPLES * 3 // 7, EXAMPLES // 5, EXAMPLES * 3 // 8
AT_LEAST = EXAMPLES * 20 // 21  # Hypothesis may run out of different ones
# Operations with nothing that could be wrong: no body, no query, and in the path any text, or nothing.
TAKES_ANYTHING = {
    "GET /api/course-programs/{code}",
    "GET /api/course-programs/{code}/sessions",
    "GET /api/enrollment/session/{session_id}",
    "GET /api/students/me/course-packages",
    "GET /api/students/me/course-sessions",
    "GET /api/partners/pipeline",
    "GET /api/enrolment/health",
    "PATCH /api/enrolment/expired",
    "GET /api/students/me/calendar-feed",
    "POST /api/students/me/calendar-feed",
    "DELETE /api/students/me/calendar-feed",
}
CHECKED = [
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
]
# Refused although the document allows it, because JSON Schema can't express it, or only the database knows.
SAID_IN_WORDS = re.compile(
    "|".join(
        [
            "Control and invisible characters",
            "Enter text that can be seen",
            "Enter a valid email address",
            # in what the document leaves open: additional_info, unknown members
            "A key is not acceptable",
            "enrollments, each once",
            "Give each field a place of its own",
            "Give each its own words",
            "This code can't be used here",
            "The file is empty",
            "This is no ZIP archive",
            "There is no line with ",
            "There is no column ",
            "No column says whom ",
            "has no name. Name it",
            "There are two columns",
            "There is a NUL byte",
            "a quote is not closed",
            "NUL characters are not allowed",
            "The number is out of range",
            # between two fields, two requests, or a field and existing data
            "Give your name",
            "This consent was given after that moment",
            "can't be in the future",
            "Give either learnerId or your own names",
            "Give both names",
            "no more than 2 decimal places",
            "no more than 5 digits",
            "Give a day that is not before ",
            "or a later day",
            "These seats have no last day",
            "Begin with a line of column names",
            "Use a new Idempotency-Key for a different request",
            "There is no such ",
            "A lead is known by a name",
            "There is no program with this code",
            "There is no course with this id",
            "There is no learner ",
            "Give an address as in ",
            "Give a time after since",
            "There is no event ",
            "This field may not be blank",
            "Give the address of the partner's API",
            "Name the group ",
            "next to the other steps",
            "There is no partner ",
            "A learner takes a course of a partner once",
            "A group needs a step",
            "Only the rule at_least takes it",
            "the number of its steps",
            "Name each district and program once",
            "Another group has this name",
            "Enter a valid URL",
            "Enter a valid “slug”",
            "leave .* out",
            "give it",
            "customerInfo needs ",
            "leave it out",
            "send it, or change the lead first",
            "Give the number with its country code",
            "Give the country's ISO 3166 code",
            "Give a slug",
            "Give some text, or leave it out",
            "nested deeper than",
            "are kept",
            "Use letters, digits and . _ - only",
            "The end can't be before the start",
            "Give a date from ",
            "the default",
            "Nobody can pay in",
            "A price is between",
            "Give the price too",
            "Give the currency of the price",
            "Give it a name",
            "Say why somebody is refused",
            "Line [0-9]+, column [0-9]+: expected ",
            "Another criterion has this name",
            "At most [0-9,]+ (criteria|characters), please",
            "Pages reach the first",
            "Give page or cursor, not both",
            "Give the nextCursor of the page before",
            "Give today, ",
            "not an upcoming session",
            "on this site or on an allowed host",
        ]
    )
)
UNSIGNED = {  # nobody but Stripe or the partner can sign these
    "POST /api/webhooks/stripe",
    "POST /api/webhooks/partners/{slug}",
}


@schemathesis.serializer("application/zip")
def send_as_it_is(_: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(getattr(value, "data", value)).encode()


@pytest.fixture(scope="session")
def folder_of_the_town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("town")


@pytest.fixture
def town(stripe: SandboxProcess, folder_of_the_town: Path) -> Town:
    return make_once(folder_of_the_town, build_whole_town)


@cache
def document() -> schemathesis.BaseSchema:
    raw = json.loads(OpenApiJsonRenderer().render(SchemaGenerator().get_schema(request=None, public=True)))
    for methods in raw["paths"].values():
        for operation in methods.values():
            operation.pop("security", None)  # the tests decide who calls; it is not generated
    loaded = schemathesis.openapi.from_dict(raw)
    loaded.app = application
    return loaded


def operations() -> dict[str, APIOperation]:
    found = (result.ok() for result in document().get_all_operations())
    return {f"{operation.method.upper()} {operation.path}": operation for operation in found}


def as_integrator(town: Town) -> dict[str, Any]:
    key = api_key_text(workspace=town.ours, scopes=set(Scope.values))
    return {"headers": {"Authorization": f"Bearer {key}"}}


def as_family(town: Town) -> dict[str, Any]:
    """The parent of the child whose objects the town's ids name, on a page of ours."""
    user = proven_user("walker@home.test")
    guardian = Guardian.objects.create(workspace=town.ours, email=user.email)
    GuardianshipFactory(guardian=guardian, learner=town.ours.learners.get(email="jane@school.test"))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    token = _get_new_csrf_string()
    cookies = {"sessionid": client.cookies["sessionid"].value, "csrftoken": token}
    return {"cookies": cookies, "headers": {"X-CSRFToken": token}}


def as_nobody(town: Town) -> dict[str, Any]:
    return {"headers": {}}


def ids_of(town: Town, operation: APIOperation) -> dict[str, Any]:
    """Return what the operation's path names, for existing objects."""
    known = {
        "decision_id": town.decision_id,
        "tenant_id": 7,
        "allocation_id": town.allocation_id,
        "seat_id": town.seat_id,
        "guardian_id": GuardianFactory(workspace=town.ours).pk,
        "code": "town-hall" if operation.path.startswith("/api/programs/") else town.sale.course_code,
        "instance_id": town.offer.instance,
        "learner_id": town.offer.learner,
        "lead_id": town.offer.lead,
        "enrollment_id": town.offer.enrollment,
        "job_id": town.offer.job,
        "month": town.closed_month,
        "quote_id": "c" * 24,  # only the person who asked sees a quote, and nobody has asked
        "export_id": town.offer.export,
        "import_id": town.offer.imported,
        "enrolment_id": town.offer.number,
        "endpoint_id": town.hook.endpoint,
        "delivery_id": town.hook.delivery,
        "cohort_id": town.sale.cohort_id,
        "session_id": town.sale.session_id,
        "package_id": town.sale.package_id,
        "step_id": town.sale.step_id,
        "consent_id": town.consent_id,
        "slug": "nobody",  # nobody here can sign as this partner
    }
    return {parameter.name: known[parameter.name] for parameter in operation.path_parameters}


def whom_it_is_for(label: str) -> Callable[[Town], dict[str, Any]]:
    families = ("/api/students/", "/api/course-programs/", "/api/enrollment/session/")
    return as_family if label.partition(" ")[2].startswith(families) else as_integrator


def test_every_path_of_an_operation_names_something_that_exists(town: Town) -> None:
    ids = {label: ids_of(town, operation) for label, operation in operations().items()}

    assert [label for label in ids if len(ids[label]) != label.count("{")] == []
    assert len(ids) > 100


@pytest.mark.walk
@pytest.mark.parametrize("caller", [as_integrator, as_family, as_nobody])
@pytest.mark.parametrize("label", operations())
def test_an_operation_answers_as_documented(
    label: str,
    caller: Callable[[Town], dict[str, Any]],
    town: Town,
    record_property: Callable[[str, object], None],
) -> None:
    operation = operations()[label]
    identity, known = caller(town), ids_of(town, operation)
    sent = 0
    checks: list[Any] = [not_a_server_error, *(CHECKS.get_one(name) for name in CHECKED)]

    def ask(case: Case, *, is_allowed: bool) -> None:
        nonlocal sent
        sent += 1
        response = case.call(**identity)
        case.validate_response(response, checks=checks)
        if is_allowed and response.status_code in (400, 422) and label not in UNSIGNED:
            problem = response.json()
            refused = [error["detail"] for error in problem.get("errors", [problem])]
            assert [detail for detail in refused if not SAID_IN_WORDS.search(detail)] == []

    def send(mode: GenerationMode, examples: int, path: dict[str, Any] | None = None) -> None:
        if caller is not whom_it_is_for(label):
            examples //= 5  # most are refused at the door
        cases = operation.as_strategy(generation_mode=mode, path_parameters=path)
        run = settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        run(given(case=cases)(lambda case: ask(case, is_allowed=mode is GenerationMode.POSITIVE)))()

    send(GenerationMode.POSITIVE, THERE, known)
    send(GenerationMode.POSITIVE, ANY if label not in TAKES_ANYTHING else ANY + FORBIDDEN)
    if label not in TAKES_ANYTHING:
        send(GenerationMode.NEGATIVE, FORBIDDEN)
    record_property("examples", sent)
    assert sent >= (AT_LEAST if caller is whom_it_is_for(label) else AT_LEAST // 5)
