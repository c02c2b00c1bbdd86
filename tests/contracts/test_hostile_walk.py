"""Every route with hostile values in every place that accepts one: whatever arrives never causes an error of ours."""

import functools
import itertools
import json
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.contrib import admin
from django.core.handlers.wsgi import WSGIRequest
from django.db import transaction
from django.http import QueryDict
from django.test import Client
from django.urls import get_resolver, reverse

from accounts.models import Guardian, Learner, User
from accounts.passwords import SIGNED_IN_BY_PASSWORD
from accounts.states import Role
from accounts.tests.factories import GuardianshipFactory, MembershipFactory, api_key_text
from cohorts.tests.callers import proven_user
from core.network import NetworkInsideTransaction

from . import hostile
from .authorization import BACK_OFFICE, ROWS
from .routes import routes
from .test_authorization import Town, built_town, town  # noqa: F401 - fixtures

pytestmark = [pytest.mark.walk, pytest.mark.sqlite, pytest.mark.django_db]

PAGE_PARAMETERS = [
    "page",
    "search",
    "sort",
    "free",
    "session_id",
    "tried",
    "enrollment",
    "learner",
    "next",
    "code",
    "s",
]
ROUTES = sorted({(route, str(pattern.name)) for route, pattern in routes(get_resolver()) if BACK_OFFICE not in route})
# One of each kind of route: headers are read before the route is known, and by code that all of a kind share.
HEADED = [
    "/courses",
    "/my/enrollments",
    "/admin/password_change/",
    "/api/decisions",
    "/api/students/me/calendar-feed",
    "/api/webhooks/stripe",
]
# Pages that are built anew for each request and read hardly any parameter: a few values show as much.
SLOW = {"api-schema"}
# Pages that read a form: the other headers are read alike with and without one, and a back-office page takes long.
READ_WITH_A_FORM = {"Content-Type", "Cookie", "Origin", "Referer", "X-CSRFToken"}
SITE_PAGES = ["index", "search", "autocomplete", "password_change", "jsi18n", "app_list", "login"]
# Parameters that back-office pages read besides Django's own.
READ_BY_PAGES = ["range", "from", "to", "workspace", "query", "waiting", "like", "program", "before", "skip", "page"]
# These lead elsewhere: nothing is read there, and an ended session could not continue.
LEADING_ELSEWHERE = {"admin/(?P<url>.*)$", "admin/logout/", "admin/password_change/done/"}
# One page is requested for every so many hostile rows.
ROWS_APART = 4
# The row's place in the addresses of the models' own pages.
OF_MODELS = {"str": "1", "int": "1", "number": "1"}


class Walker:
    """Sends requests that leave nothing behind, and keeps those that failed."""

    def __init__(self, client: Client, headers: dict[str, str] | None = None) -> None:
        self.client, self.headers = client, headers or {}
        self.broken: list[str] = []
        self.sent = 0

    def send(self, method: str, address: str, headers: dict[str, str] | None = None, **more: Any) -> Any:
        answer, wrong = None, ""
        self.sent += 1
        with transaction.atomic():
            try:
                answer = self.client.generic(method, address, headers=self.headers | (headers or {}), **more)
                wrong = "" if answer.status_code < 500 or answer.has_header("Retry-After") else str(answer.status_code)
            except NetworkInsideTransaction:  # the transaction is this walk's own, which rolls back what was sent
                wrong = ""
            except Exception as error:  # the test client raises what no handler caught
                wrong = repr(error)[:200]
            transaction.set_rollback(True)
        if wrong:
            self.broken.append(f"{method} {address[:160]} {str(headers or '')[:80]} {str(more)[:160]}: {wrong}")
        return answer

    def post_form(self, address: str, form: dict[str, str]) -> Any:
        body = urlencode(form, errors="replace")
        return self.send("POST", address, data=body, content_type="application/x-www-form-urlencoded")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the address parameters that any code has read by name since the test began."""
    names: set[str] = set()

    class Noticing(QueryDict):
        is_complete = False  # while it is being built, it queries itself

        def _notice(self, key: object) -> None:
            if self.is_complete and isinstance(key, str):
                names.add(key)

        def __getitem__(self, key: str) -> Any:
            self._notice(key)
            return super().__getitem__(key)

        def __contains__(self, key: object) -> bool:
            self._notice(key)
            return super().__contains__(key)

        def get(self, key: str, default: Any = None) -> Any:
            self._notice(key)
            return super().get(key, default)

        def getlist(self, key: str, default: Any = None) -> Any:
            self._notice(key)
            return super().getlist(key, default)

    def noticing(request: WSGIRequest) -> Any:
        made: Any = Noticing(request.environ["QUERY_STRING"], encoding=request.encoding)
        made.is_complete = True
        return made

    noticed = cached_property(noticing)
    noticed.__set_name__(WSGIRequest, "GET")
    monkeypatch.setattr(WSGIRequest, "GET", noticed)
    return names


@pytest.fixture
def anonymous() -> Walker:
    return Walker(Client())


@pytest.fixture
def integrator(town: Town) -> Walker:  # noqa: F811
    return Walker(Client(), {"Authorization": f"Bearer {api_key_text(workspace=town.ours)}"})


@pytest.fixture
def family(town: Town) -> Walker:  # noqa: F811
    """The parent of the child whose objects the town's addresses name."""
    assert town.sale.package_id
    user = proven_user("walker@home.test")
    guardian = Guardian.objects.create(workspace=town.ours, email=user.email)
    GuardianshipFactory(guardian=guardian, learner=town.ours.learners.get(email="jane@school.test"))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return Walker(client)


@pytest.fixture
def staff(town: Town) -> Walker:  # noqa: F811
    assert town.sale.package_id
    user: User = MembershipFactory(workspace=town.ours, role=Role.OWNER).user
    User.objects.filter(pk=user.pk).update(is_superuser=True)
    client = Client()
    client.force_login(user, backend=SIGNED_IN_BY_PASSWORD)
    return Walker(client)


def good_values(town: Town) -> dict[str, str]:  # noqa: F811
    number = str(town.sale.package_id)
    return {"str": town.sale.course_code, "int": number, "number": number, "slug": "a", "cuid": "c" * 24, "path": "1"}


def queries(place: str, names: Iterable[str], values: Iterable[str] = hostile.VALUES) -> list[str]:
    """Return each name with values, including raw, repeated, and indexed ones."""
    names = list(names)
    made = few_queries(place, names, values)
    made += [f"{quote(name)}={raw}" for name in names for raw in hostile.sample(hostile.RAW, f"{place} {name}")]
    made += [text for name in names for text in (f"{name}=1&{name}=2", f"{name}[]=1", f"{name}[a]=1", f"{name}")]
    return made


def few_queries(place: str, names: Iterable[str], values: Iterable[str] = hostile.FEW) -> list[str]:
    """Return each name with values."""
    return [f"{quote(name)}={quote(value)}" for name in names for value in hostile.sample(values, f"{place} {name}")]


def leads_nowhere(answer: Any) -> bool:
    """Return whether no route matches the address."""
    return answer is not None and answer.wsgi_request.resolver_match is None


def beside_the_models() -> list[str]:
    of_models = {
        f"admin/{page.opts.label_lower.replace('.', '/')}/{pattern.pattern}"
        for page in admin.site._registry.values()
        for pattern in page.get_urls()
    }
    others = {
        route
        for route, pattern in routes(get_resolver())
        if route.startswith(BACK_OFFICE) and pattern.name not in SITE_PAGES
    }
    return sorted(others - of_models - LEADING_ELSEWHERE)


class TestARouteOfTheSite:
    @pytest.mark.parametrize(("route", "name"), ROUTES, ids=lambda value: value)
    def test_answers_hostile_segments(
        self,
        route: str,
        name: str,
        town: Town,  # noqa: F811
        anonymous: Walker,
        integrator: Walker,
        family: Walker,
    ) -> None:
        walkers = [anonymous, family] + ([integrator] if route.startswith("api/") else [])
        for address in hostile.addresses(route, good_values(town)):
            answer = anonymous.send("GET", address)
            if not leads_nowhere(answer):  # otherwise no page is called, whoever requests it and with whatever method
                anonymous.send("POST", address)
                for walker in walkers[1:]:
                    walker.send("GET", address)
                    walker.send("POST", address)

        assert [line for walker in walkers for line in walker.broken] == []
        assert sum(walker.sent for walker in walkers) >= 4

    @pytest.mark.parametrize("address", HEADED)
    def test_answers_hostile_headers(self, address: str, integrator: Walker, staff: Walker) -> None:
        walker = integrator if address.startswith("/api/d") else staff
        for header in hostile.HEADERS:
            for value in hostile.HEADER_VALUES:
                walker.send("GET", address, {header: value})
                if header in READ_WITH_A_FORM or not address.startswith("/admin/"):
                    walker.send("POST", address, {header: value})

        assert walker.broken == []

    @pytest.mark.parametrize(("route", "name"), ROUTES, ids=lambda value: value)
    def test_answers_hostile_queries(
        self,
        route: str,
        name: str,
        town: Town,  # noqa: F811
        integrator: Walker,
        family: Walker,
        read: set[str],
    ) -> None:
        rows = [row for row in ROWS if row.route == route]
        address = rows[0].address.format(town=town).partition("?")[0]
        is_api = route.startswith("api/") and bool(rows[0].scope)
        walker = integrator if is_api else family
        asked = queries(route, _documented_parameters(route))
        if not asked:  # a page reads whatever it wants, some of it only if present or combined with another
            for query in ["", *(f"{name}=1" for name in PAGE_PARAMETERS)]:
                walker.send("GET", f"{address}?{query}")
            asked = few_queries(route, sorted(read | {"unread"})) + queries(route, ["unread"], ())
        for query in asked[:: 8 if name in SLOW else 1]:
            walker.send("GET", f"{address}?{query}")

        assert walker.broken == []

    def test_is_asked_for_what_it_reads(self, anonymous: Walker, read: set[str]) -> None:
        """Control: a page that reads a parameter is known to read it."""
        anonymous.send("GET", "/courses?unread=1")

        assert {"free", "page", "search", "sort"} <= read
        assert "unread" not in read

    @pytest.mark.parametrize("row", [row for row in ROWS if row.method in ("POST", "PUT")], ids=str)
    def test_answers_hostile_bodies(self, row: Any, town: Town, integrator: Walker, family: Walker) -> None:  # noqa: F811
        walker = integrator if row.scope else family
        address = row.address.format(town=town)
        for body in _broken_bodies(row.body):
            walker.send(row.method, address, data=body, content_type="application/json")

        assert walker.broken == []

    @pytest.mark.parametrize(
        ("route", "name"), [pair for pair in ROUTES if not pair[0].startswith("api/")], ids=lambda value: value
    )
    def test_answers_hostile_forms(
        self,
        route: str,
        name: str,
        town: Town,  # noqa: F811
        anonymous: Walker,
        family: Walker,
    ) -> None:
        address = next(row.address for row in ROWS if row.route == route).format(town=town)
        for walker in (anonymous, family):
            _fill_in(walker, address, hostile.VALUES)

        assert anonymous.broken + family.broken == []


class TestAPageOfTheBackOffice:
    @pytest.mark.parametrize("model", sorted(m._meta.label_lower for m in admin.site._registry))
    def test_lists_by_hostile_parameters(self, model: str, staff: Walker) -> None:
        page = _admin_of(model)
        address = reverse(f"admin:{model.replace('.', '_')}_changelist")
        for query in few_queries(model, ["q"]):
            staff.send("GET", f"{address}?{query}")
        for turn, name in enumerate(hostile.list_parameters(page)):
            staff.send("GET", f"{address}?{name}={('99999', 'a%FF')[turn % 2]}")

        assert staff.broken == []

    @pytest.mark.parametrize("model", sorted(m._meta.label_lower for m in admin.site._registry))
    def test_takes_hostile_forms_and_rows(self, model: str, staff: Walker) -> None:
        page = _admin_of(model)
        row = page.model._default_manager.first()
        for turn, pattern in enumerate(page.get_urls()):
            route = f"admin/{model.replace('.', '/')}/{pattern.pattern}"
            good, *others = hostile.addresses(route, OF_MODELS | {"path": str(row.pk) if row else "1"})
            # All pages of a model look up its row alike, so each is called for some.
            for address in (good, *others[turn % ROWS_APART :: ROWS_APART]):
                staff.send("GET", address)
            _fill_in(staff, good, hostile.FEW)

        assert staff.broken == []

    @pytest.mark.parametrize("name", SITE_PAGES)
    def test_answers_hostile_queries(self, name: str, staff: Walker) -> None:
        address = reverse(f"admin:{name}", args=["accounts"] if name == "app_list" else [])
        names = ["s", "page", "extended", "term", "app_label", "model_name", "field_name", "next", "p"]
        names += READ_BY_PAGES[:4] if name == "index" else []
        good = {
            "autocomplete": "app_label=enrollments&model_name=programinstance&field_name=program&",
            "search": "s=a&extended=1&",
        }
        for query in queries(name, names) if name in good else few_queries(name, names):
            staff.send("GET", f"{address}?{good.get(name, '')}{query}")
        _fill_in(staff, address, hostile.FEW)

        assert staff.broken == []


class TestAPageBesideTheModels:
    """Everything below the back office's address that is neither a model's page nor one of `SITE_PAGES`. A new page is
    walked through, or declared to lead elsewhere.
    """

    def test_is_one_of_ours_at_least(self) -> None:
        assert {"admin/figures/<slug:name>.csv", "admin/money/days/", "admin/status/"} <= {*beside_the_models()}

    @pytest.mark.parametrize("route", beside_the_models())
    def test_answers_hostile_segments_queries_and_forms(self, route: str, staff: Walker) -> None:
        label = Learner._meta.label_lower
        good, *others = hostile.addresses(route, {"slug": "money", "str": label, "path": "1"})
        for address in (good, *others):
            staff.send("GET", address)
            staff.send("POST", address)
        for query in few_queries(route, READ_BY_PAGES):
            staff.send("GET", f"{good}?{query}")
        for first, last in hostile.sample(itertools.product(hostile.MOMENTS, repeat=2), route):
            staff.send("GET", f"{good}?{urlencode({'range': 'custom', 'from': first, 'to': last})}")
        _fill_in(staff, good, hostile.FEW)

        assert staff.broken == []


class TestTheSample:
    def test_leaves_no_value_out_over_all_places(self) -> None:
        sampled = {value for route, _ in ROUTES for value in hostile.sample(hostile.VALUES, route)}

        assert sampled == set(hostile.VALUES)

    def test_is_everything_where_all_are_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hostile, "ONE_IN", 1)

        assert hostile.sample(hostile.VALUES, "/courses") == hostile.VALUES

    def test_is_a_part_at_each_place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: one place alone leaves values out."""
        monkeypatch.setattr(hostile, "ONE_IN", 3)

        assert len(hostile.sample(hostile.VALUES, "/courses")) in (
            len(hostile.VALUES) // 3,
            len(hostile.VALUES) // 3 + 1,
        )


def _admin_of(label: str) -> Any:
    return next(page for model, page in admin.site._registry.items() if model._meta.label_lower == label)


def _fill_in(walker: Walker, address: str, values: list[str]) -> None:
    """Send the page's form with values in all of its fields at once, and with one value alone in each field."""
    shown = walker.send("GET", address)
    text = shown.content.decode(errors="replace") if shown is not None and not shown.streaming else ""
    fields = {name: value for name, value in hostile.form_fields(text).items() if name != "csrfmiddlewaretoken"}
    for value in hostile.sample(values, address):
        walker.post_form(address, dict.fromkeys(fields or ["code", "learner", "reason"], value))
    for turn, name in enumerate(list(fields)[:12]):
        walker.post_form(address, fields | {name: hostile.FEW[turn % len(hostile.FEW)]})


@functools.cache
def _documented() -> dict[str, Any]:
    document = json.loads(Client().get("/api/schema", headers={"Accept": "application/json"}).content)
    paths: dict[str, Any] = document["paths"]
    return paths


def _documented_parameters(route: str) -> list[str]:
    names: list[str] = []
    for path, operations in _documented().items():
        shape = hostile.CONVERTER.sub("*", route)
        if hostile.CONVERTER.sub("*", path.strip("/").replace("{", "<").replace("}", ">")) == shape:
            for operation in operations.values():
                names += [p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"]
    return names


def _broken_bodies(body: dict[str, Any]) -> list[bytes]:
    made = [b"", b"[]", b"null", b"{", b"\xff", b'"x"', b"{}" * 2, b'{"a":' * 3_000]
    for turn, change in enumerate(_leaves(body)):
        for value in hostile.sample((*hostile.VALUES, None, True, [], {}, 1.5, 10**30, -1, "\ud800"), str(turn)):
            made.append(json.dumps(change(value)).encode())
    return made


def _with_changed(whole: dict[str, Any], key: str, change: Callable[[Any], Any], new: Any) -> dict[str, Any]:
    return whole | {key: change(new)}


def _leaves(value: Any) -> list[Callable[[Any], Any]]:
    """Return, for each place in a JSON value, a function that returns the whole with something else there."""
    places: list[Callable[[Any], Any]] = [lambda new: new]
    if isinstance(value, dict):
        for key, inner in value.items():
            for change in _leaves(inner):
                places.append(partial(_with_changed, value, key, change))
    return places
