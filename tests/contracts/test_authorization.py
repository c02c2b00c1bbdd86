"""Calls every route as every caller and compares with the matrix in authorization.py."""

import copy
import datetime as dt
import json
import re
import urllib.parse
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from django.test import Client
from django.urls import get_resolver
from rest_framework.views import APIView

from accounts.api.permissions import HasScope, IsProvenPerson
from accounts.api_keys import create_api_key, revoke_api_key
from accounts.guardian_invitations import invite_guardian
from accounts.guardians import find_or_create_guardian
from accounts.models import ApiKey, Learner, Workspace
from accounts.states import Scope
from accounts.tests.factories import LeadFactory, UserFactory, api_key_text
from backoffice.models import Export
from billing.models import Checkout
from billing.tests.factories import closed_month
from cohorts.models import StepProgress
from cohorts.tests.factories import CourseFactory, cohort_with, reserve
from core.actors import SYSTEM
from core.clock import utc_now
from demo.stripe import open_page, pay
from enrollment_project.provisioning import create_workspace
from enrollments.evaluation import request_evaluation
from enrollments.models import SeatAssignment
from enrollments.seats import create_allocation
from enrollments.tests.factories import CandidateFactory, InstanceFactory, ProgramFactory
from enrollments.tests.importing import csv_of, receive
from events.webhooks.endpoints import create_endpoint
from events.webhooks.queueing import ping
from partners.acceptance import record_refusal
from partners.tests.factories import approved, define, group, steps_of

from .authorization import BACK_OFFICE, BACK_OFFICE_OPEN, ROWS
from .callers import SIGNED_IN, STAFF, Caller, Row
from .routes import route_methods, routes
from .staff_sessions import staff_client
from .state import seats_of, state
from .town import Hook, Offer, Sale, Training, consent_about


def wanted_by(row: Row) -> str:
    """Return what a refused caller is asked for."""
    if row.route.startswith("api/webhooks/"):
        return "Signature"
    return "Bearer" if row.scope or row.route == "api/graphql" else "Session"


OURS = "jane@school.test"  # appears in a row of our workspace
WITH_SESSION = (*SIGNED_IN, Caller.UNPROVEN)
ANY_SCOPE = Scope.DISTRICTS_READ  # if no scope opens anything


# Callers who meet something at a route that its neighbors behind the same door may lack: the rows it queries, and the
# decorators of a page.
NEAR_KEYS = {Caller.FOREIGN_KEY}
NEAR_PEOPLE = {Caller.ANONYMOUS, Caller.SESSION, Caller.UNPROVEN}


def door(row: Row) -> tuple[str, bool, str | None]:
    """Return what a caller has to pass: the part of the site, for reading or writing, with the scope."""
    return row.route.partition("/")[0], row.method == "GET", row.scope


def first_of_each_door(rows: list[Row]) -> list[Row]:
    doors = {door(row): row for row in reversed(rows)}
    return list(doors.values())


WITH_SCOPE = [row for row in ROWS if row.scope]
VIEWS = {route: pattern.callback.cls for route, pattern in routes(get_resolver()) if hasattr(pattern.callback, "cls")}
API_ROWS = [row for row in ROWS if row.route in VIEWS]
FIRST_ROWS = first_of_each_door(ROWS)


def rows_of_keys() -> list[Any]:
    """Return the rows that keys open; the first behind each door in `make test`, all in `make walk`."""
    firsts = first_of_each_door(WITH_SCOPE)
    return [pytest.param(row, marks=() if row in firsts else pytest.mark.walk, id=str(row)) for row in WITH_SCOPE]


def calls() -> list[Any]:
    """Return every row with every caller. In `make test`, all callers call the first row behind each door, and the
    others are called only by those to whom the route matters; `TestADoor` checks without calls that the others have the
    same door.
    """

    def is_near(row: Row, caller: Caller) -> bool:
        if caller in STAFF:  # an owner, if there is something to be kept out of
            told = set(row.answers.values())
            return caller is Caller.OWNER and row in FIRST_ROWS and len(told) > 1
        return row in FIRST_ROWS or caller in (NEAR_KEYS if row.scope else NEAR_PEOPLE)

    return [
        pytest.param(
            row, caller, marks=() if is_near(row, caller) else pytest.mark.walk, id=f"{row}-{caller.name.lower()}"
        )
        for row in ROWS
        for caller in Caller
    ]


@dataclass(frozen=True)
class Town:
    """A workspace with something of every kind, and another one that must not see it."""

    ours: Workspace
    theirs: Workspace
    decision_id: int
    offer: Offer

    @property
    def seat_id(self) -> int:
        """Return the seat that the decision granted."""
        return SeatAssignment.objects.get(decisions=self.decision_id).pk

    @property
    def allocation_id(self) -> int:
        return SeatAssignment.objects.get(decisions=self.decision_id).allocation_id

    @cached_property
    def guardian_id(self) -> int:
        """Return a guardian with an open invitation."""
        guardian = find_or_create_guardian(workspace_id=self.ours.pk, external_id="G-1")
        invite_guardian(guardian_id=guardian.pk, email="parent@home.test", invited_by=None, now=utc_now())
        return guardian.pk

    @cached_property
    def consent_id(self) -> int:
        return consent_about(Learner.objects.get(cuid=self.offer.learner))

    @cached_property
    def hook(self) -> Hook:
        now = utc_now()
        endpoint = create_endpoint(
            workspace_id=self.ours.pk, url="https://receiver.example.org/hooks", event_types=["*"], now=now
        )
        return Hook(endpoint.cuid, ping(endpoint_id=endpoint.pk, now=now).cuid)

    @cached_property
    def closed_month(self) -> str:
        """Return a month with a line."""
        return f"{closed_month(self.ours).month:%Y-%m}"

    @cached_property
    def sessions(self) -> dict[Caller, str]:
        """Return the session cookie of each kind of person, signed in once for all tests."""
        name = settings.SESSION_COOKIE_NAME
        return {caller: signed_in(caller, self).cookies[name].value for caller in WITH_SESSION}

    @cached_property
    def form(self) -> str:
        """Return the path of an instance whose self-enrollment form is open."""
        instance = InstanceFactory(workspace=self.ours, is_default=False, takes_applications=True)
        return f"{instance.program.code}/{instance.cuid}"

    @cached_property
    def training(self) -> Training:
        instance = InstanceFactory(workspace=self.ours, price=None, is_default=False)
        define(instance, group(instance, 1))
        [step] = steps_of(approved(instance))
        record_refusal(step_id=step.pk, reason="No such course", actor=SYSTEM, now=utc_now())
        return Training(step.provider.slug, step.enrollment.cuid, step.cuid)

    @cached_property
    def sale(self) -> Sale:
        program = CourseFactory(workspace=self.ours)
        cohort = cohort_with(
            options=(1,), instance=InstanceFactory(workspace=self.ours, program=program, is_default=False)
        )
        jane = Learner.objects.get(email="jane@school.test")
        place = reserve(cohort, jane)
        assert place.checkout is not None
        open_page(place.checkout)
        pay(place.checkout, "parent@home.test")
        place.checkout = Checkout.objects.get(pk=place.checkout.pk)
        step = StepProgress.objects.get(status="BOOKED")
        session_id = str(place.checkout.stripe_session_id)
        return Sale(program.code, cohort.pk, session_id, step.package_id, step.step_id, step.pk)


def build_town() -> Town:
    ours = create_workspace(slug="ours").workspace
    theirs = create_workspace(slug="theirs").workspace
    create_allocation(workspace_id=ours.pk, tenant_id=7, total_seats=5, now=utc_now())
    create_allocation(workspace_id=ours.pk, tenant_id=11, total_seats=5, now=utc_now())
    create_allocation(workspace_id=theirs.pk, tenant_id=7, total_seats=2, now=utc_now())
    jane = {"email": "jane@school.test", "first_name": "Jane", "last_name": "Doe"}
    answer = Client().post(
        "/api/enroll",
        data={"learner_profile": jane, "context": {"tenant_id": 7}},
        content_type="application/json",
        headers={"Authorization": f"Bearer {api_key_text(workspace=ours)}"},
    )
    program = ProgramFactory(workspace=ours, code="town-hall")
    instance = InstanceFactory(workspace=ours, program=program, is_default=False)
    candidate = CandidateFactory(workspace=ours, instance=instance, learner__external_id="Ada")
    lead = LeadFactory(workspace=ours)
    export = Export.objects.create(source="enrollments", format="csv", workspace=ours)
    job = request_evaluation(instance_id=instance.pk, actor=SYSTEM, now=utc_now())
    jobs = (job.cuid, export.cuid, receive(instance, csv_of(1)).cuid)
    offer = Offer(instance.cuid, candidate.cuid, candidate.pk, candidate.person.cuid, lead.cuid, *jobs)
    return Town(ours, theirs, answer.json()["decision_id"], offer)


def build_whole_town() -> Town:
    """Build the town with everything that any row names."""
    town = build_town()
    for name in ("sessions", "guardian_id", "consent_id", "hook", "closed_month", "form", "training", "sale"):
        getattr(town, name)
    return town


@pytest.fixture(scope="module")
def built_town(rows_of_module: None) -> Town:
    return build_whole_town()


@pytest.fixture
def town(built_town: Town, db: None) -> Town:
    """Return a copy, whose objects do not remember what other tests did to the rows."""
    return copy.deepcopy(built_town)


def call(row: Row, caller: Caller, town: Town) -> Any:
    client = client_of(caller, row.scope or ANY_SCOPE, town)
    address = row.address.format(town=town)
    data = row.body if row.method != "GET" else None
    return client.generic(row.method, address, **_json(data))


def client_of(caller: Caller, scope: str, town: Town) -> Client:
    """Return a new client of this caller."""
    if caller is Caller.ANONYMOUS:
        return Client()
    if caller not in WITH_SESSION:
        return Client(headers={"Authorization": f"Bearer {key_of(caller, scope, town)}"})
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = town.sessions[caller]
    return client


def signed_in(caller: Caller, town: Town) -> Client:
    """Return the client of a new person of this kind, who has just signed in."""
    if caller in STAFF:
        return staff_client(caller, ours=town.ours, theirs=town.theirs)
    user = UserFactory()
    EmailAddress.objects.create(user=user, email=user.email, verified=caller is Caller.SESSION)
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def _json(data: dict[str, Any] | None) -> dict[str, Any]:
    return {} if data is None else {"data": json.dumps(data), "content_type": "application/json"}


def key_of(caller: Caller, scope: str, town: Town) -> str:
    """Return a fresh key for this caller."""
    if caller is Caller.KEY_WITHOUT_SCOPE:
        return api_key_text(workspace=town.ours, scopes=set(Scope.values) - {scope})
    workspace = town.theirs if caller is Caller.FOREIGN_KEY else town.ours
    key, text = create_api_key(workspace_id=workspace.pk, name="Matrix", scopes=[scope], now=utc_now())
    if caller is Caller.REVOKED_KEY:
        revoke_api_key(api_key_id=key.pk, now=utc_now())
    if caller is Caller.EXPIRED_KEY:
        ApiKey.objects.filter(pk=key.pk).update(expires_at=utc_now() - dt.timedelta(seconds=1))
    return text


class TestTheMatrix:
    def test_names_every_route_and_no_other(self):
        wanted = {(route, method) for route, method in route_methods(get_resolver()) if BACK_OFFICE not in route}

        named = {(row.route, row.method) for row in ROWS}

        assert wanted - named == set(), "routes without a row in tests/contracts/authorization.py"
        assert named - wanted == set(), "rows without a route"

    def test_names_each_route_once(self):
        assert len({(row.route, row.method) for row in ROWS}) == len(ROWS)

    def test_notices_a_route_that_no_row_names(self):
        """Negative control: another URL configuration contains only such routes."""
        other = route_methods(get_resolver("core.tests.sample_api"))

        unnamed = other - {(row.route, row.method) for row in ROWS}

        assert ("api/echo", "POST") in unnamed
        assert ("api/echo", "GET") in unnamed


class TestADoor:
    """How each route of the API is guarded, as declared: a route's door is visible without a call."""

    @pytest.mark.parametrize("row", API_ROWS, ids=str)
    def test_is_the_one_that_the_matrix_names(self, row):
        view = VIEWS[row.route]
        scope = getattr(view, "required_scopes", {}).get(row.method)

        assert scope == row.scope
        if row.scope:
            assert view.permission_classes == APIView.permission_classes == [HasScope]
            assert view.authentication_classes == APIView.authentication_classes
        elif row.answers[Caller.SESSION] != row.answers[Caller.KEY]:
            assert IsProvenPerson in view.permission_classes

    def test_that_asks_for_nothing_would_be_noticed(self):
        """Negative control: a view that lets everybody in has neither the scope nor the permission."""
        open_view = VIEWS["api/webhooks/partners/<slug:slug>"]

        assert open_view.permission_classes != APIView.permission_classes
        assert not hasattr(open_view, "required_scopes")


class TestARoute:
    @pytest.mark.parametrize(("row", "caller"), calls())
    def test_answers_each_caller_as_the_matrix_says(self, row, caller, town):
        row.address.format(town=town)  # what it names exists before the call
        before = state()

        response = call(row, caller, town)

        assert response.status_code == row.answers[caller]
        if caller in STAFF:
            assert state() == before
            assert OURS not in response.content.decode()
        if response.status_code >= 400:
            assert state() == before
            assert response["Content-Type"].startswith(
                "application/problem+json" if row.route.startswith("api/") else "text/html"
            )
        if response.status_code == 403 and caller is Caller.UNPROVEN:
            assert says_how_to_confirm(response, back=row.address.format(town=town))
        if response.status_code == 401:
            assert response["WWW-Authenticate"] == f'{wanted_by(row)} realm="api"'

    @pytest.mark.parametrize("row", WITH_SCOPE, ids=str)
    def test_shows_another_workspace_nothing_of_ours_and_changes_nothing_of_ours(self, row, town):
        before = seats_of(town.ours)

        response = call(row, Caller.FOREIGN_KEY, town)

        assert OURS not in response.content.decode()
        assert '"total_seats":5' not in response.content.decode()
        assert seats_of(town.ours) == before

    def test_shows_our_own_key_what_is_ours(self, town):
        """Negative control of the test above."""
        rows = {str(row): row for row in ROWS}

        decisions = call(rows["GET api/decisions"], Caller.KEY, town).content.decode()
        districts = call(rows["GET api/districts"], Caller.KEY, town).content.decode()

        assert OURS in decisions
        assert '"total_seats":5' in districts

    @pytest.mark.parametrize("row", rows_of_keys())
    def test_refuses_two_different_keys_at_once(self, row, town):
        keys = [api_key_text(workspace=town.ours) for _ in range(2)]
        headers = {"Authorization": f"Bearer {keys[0]}", "X-API-Key": keys[1]}

        response = Client().generic(row.method, row.address.format(town=town), **_json(row.body), headers=headers)

        assert response.status_code == 401

    @pytest.mark.parametrize("row", rows_of_keys())
    def test_takes_a_key_in_either_header(self, row, town):
        key = key_of(Caller.KEY, row.scope, town)

        response = Client().generic(
            row.method,
            row.address.format(town=town),
            **_json(row.body),
            headers={"X-API-Key": key},
        )

        assert response.status_code == row.answers[Caller.KEY]


BUTTONS_OF_FAMILIES = [row for row in ROWS if row.route.startswith(("my/", "courses/")) and 405 in row.answers.values()]


def test_each_scope_opens_a_route() -> None:
    assert {row.scope for row in ROWS if row.scope} == set(Scope.values)


class TestAnUnprovenAddress:
    """`TestARoute` covers every other route of families."""

    @pytest.mark.parametrize("row", BUTTONS_OF_FAMILIES, ids=str)
    def test_is_told_at_every_button_how_it_is_confirmed(self, row, town):
        address = row.address.format(town=town)
        before = state()

        response = client_of(Caller.UNPROVEN, ANY_SCOPE, town).post(address)

        assert response.status_code == 403
        assert says_how_to_confirm(response, back="/")
        assert state() == before


def says_how_to_confirm(response: Any, *, back: str) -> bool:
    """Return whether it is the problem, or the page with the way to a code and from there back to this address."""
    if response["Content-Type"] == "application/problem+json":
        return response.json()["code"] == "address_unproven" and "Confirm your address" in response.json()["detail"]
    to_code = f"/accounts/login/code/?next={urllib.parse.quote(back, safe='')}"
    return f'name="next" value="{to_code}"' in response.content.decode()


class TestTheBackOffice:
    @pytest.mark.parametrize("caller", [Caller.ANONYMOUS, Caller.SESSION, Caller.KEY], ids=lambda c: c.name.lower())
    def test_sends_everybody_but_staff_to_its_sign_in(self, caller, town):
        addresses = {
            "/" + re.sub(r"<[^>]+>", "1", route)
            for route, _ in routes(get_resolver())
            if route.startswith(BACK_OFFICE) and route not in BACK_OFFICE_OPEN and "(?P" not in route
        }
        client = client_of(caller, ANY_SCOPE, town)

        answers = {address: client.get(address) for address in addresses}

        assert len(answers) > 100
        astray = {
            address: response.status_code
            for address, response in answers.items()
            if response.status_code != 302 or not response["Location"].startswith("/admin/login/")
        }
        assert astray == {}
