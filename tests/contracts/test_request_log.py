"""What logs say about requests: enough to follow one, and nothing that gives access. Checked for every route."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, path
from pytest_django import Settings

from core import paths
from core.logs import line_formatter

from .authorization import BACK_OFFICE

pytestmark = pytest.mark.django_db

SECRET = "s3cretS3CRETs3cret"
VALUES = {"int": "7", "cuid": "c" * 24, "code": "MATH", "app_label": "billing"}


def routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    """Return every route, as one text."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route


def filled(route: str) -> str:
    """Return an address of the route with a secret wherever it accepts a text that is not known to be public."""

    def fill(kind: str | None, name: str) -> str:
        return VALUES.get(name) or VALUES.get(kind or "", SECRET)

    text = paths._CAPTURE.sub(lambda found: fill(kind_of(found.group()), found.group(1) or found.group(2)), route)
    return "/" + text.replace("^", "").replace("$", "").replace("\\Z", "")


def kind_of(capture: str) -> str | None:
    return capture.strip("<>").partition(":")[0] if ":" in capture else None


def all_routes() -> list[str]:
    return sorted(set(routes(get_resolver().url_patterns)))


WITH_SECRETS = [route for route in all_routes() if SECRET in filled(route)]


def routes_to_ask() -> list[Any]:
    """Return every route that captures a secret. Most belong to the back office, where Django makes the same ones for
    each model: `make test` calls the first that captures in this way, `make walk` all (docs/decisions/0082).
    """
    firsts: dict[object, str] = {}
    for route in WITH_SECRETS:
        captured = tuple(found.group() for found in paths._CAPTURE.finditer(route))
        firsts.setdefault(captured if route.startswith(BACK_OFFICE) else route, route)
    near = set(firsts.values())
    return [pytest.param(route, marks=() if route in near else pytest.mark.walk) for route in WITH_SECRETS]


class Lines(logging.Handler):
    """What is logged, as it would be printed, in both styles."""

    def __init__(self) -> None:
        super().__init__()
        self.console: list[str] = []
        self.structured: list[dict[str, object]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.console.append(line_formatter("console").format(record))
        self.structured.append(json.loads(line_formatter("json").format(record)))

    @property
    def requests(self) -> list[dict[str, object]]:
        return [line for line in self.structured if line["event"] == "request"]

    @property
    def everything(self) -> str:
        return "\n".join([*self.console, *map(json.dumps, self.structured)])


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    caplog.set_level(logging.DEBUG)
    lines = Lines()
    logging.getLogger().addHandler(lines)
    yield lines
    logging.getLogger().removeHandler(lines)


@pytest.fixture
def browser() -> Client:
    """A browser that sends no CSRF token, so that posts are refused, which is logged too."""
    return Client(enforce_csrf_checks=True, raise_request_exception=False)


def break_down(request: HttpRequest, token: str) -> HttpResponse:
    raise RuntimeError(f"There is no calendar {token}")


urlpatterns = [path("broken/<str:token>.ics", break_down)]
handler500 = "enrollment_project.pages.server_error"


class TestALineOfARequest:
    @pytest.mark.parametrize("route", routes_to_ask())
    def test_hides_what_the_route_captures(self, route: str, browser: Client, lines: Lines) -> None:
        address = filled(route)

        for asked in (f"{address}?token={SECRET}", f"{address}/", address.upper()):
            browser.get(asked)
        browser.post(address, {"token": SECRET})

        assert len(lines.requests) == 4
        assert SECRET.lower() not in lines.everything.lower()

    def test_is_tried_for_the_links_that_are_mailed(self) -> None:
        assert {
            "accounts/invitations/<str:token>",
            "accounts/staff/password/<number:user_id>/<str:token>",
            "calendar/<str:token>.ics",
        } <= {*WITH_SECRETS}

    def test_would_show_them_were_they_public(
        self, browser: Client, lines: Lines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(paths, "PUBLIC", paths.PUBLIC | {"token"})

        browser.get(f"/calendar/{SECRET}.ics")

        assert SECRET in lines.everything

    def test_has_method_path_status_time_and_request_id(self, browser: Client, lines: Lines) -> None:
        browser.get("/courses/MATH/cohorts/7/enroll?from=mail", headers={"X-Request-Id": "request-1234"})

        (line,) = lines.requests
        assert {name: line[name] for name in ("method", "path", "status", "request_id", "level")} == {
            "method": "GET",
            "path": "/courses/MATH/cohorts/7/enroll",
            "status": 302,
            "request_id": "request-1234",
            "level": "info",
        }
        assert isinstance(line["ms"], int)
        (printed,) = [text for text in lines.console if "/courses/MATH" in text]
        assert "GET /courses/MATH/cohorts/7/enroll: 302 in " in printed
        assert "request_id=request-1234" in printed

    @pytest.mark.parametrize(
        ("asked", "shown"),
        [
            (f"/calendar/{SECRET}.ics/", "/calendar/<unknown>"),
            (f"/accounts/invitations/{SECRET}/{SECRET}", "/accounts/invitations/<unknown>/<unknown>"),
            ("/jane.doe@home.test", "/<unknown>"),
            ("/a/" * 12, "/" + "<unknown>/" * 10 + "..."),
            ("/courses/A%0D%0AB%1B", "/courses/A%0D%0AB%1B"),
            (f"/courses/{'x' * 500}", f"/courses/{'x' * 60}"),
            ("/api/decisions/7/", "/api/decisions/7"),
        ],
    )
    def test_shows_of_any_other_path_what_our_routes_say(
        self, asked: str, shown: str, browser: Client, lines: Lines
    ) -> None:
        browser.get(asked)

        assert [line["path"] for line in lines.requests] == [shown]

    @pytest.mark.parametrize("asked", ["/health", "/healthz", "/readyz", "/static/css/pages.css"])
    def test_is_left_out_for_what_machines_ask_while_all_is_well(
        self, asked: str, browser: Client, lines: Lines, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)

        assert browser.get(asked).status_code == 200
        assert lines.requests == []

    def test_tells_of_a_health_check_that_fails(
        self, browser: Client, lines: Lines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("enrollment_project.health._outcome", lambda name, check: "failed")

        browser.get("/readyz")

        assert [(line["path"], line["status"], line["level"]) for line in lines.requests] == [
            ("/readyz", 503, "warning")
        ]


class TestWhatDjangoSaysOfARequest:
    def test_hides_the_path_of_one_that_is_refused(self, browser: Client, lines: Lines) -> None:
        browser.post(f"/accounts/invitations/{SECRET}?again={SECRET}")

        (refusal,) = [line["event"] for line in lines.structured if line["logger"] == "django.security.csrf"]
        assert refusal == "Forbidden (CSRF cookie not set.): /accounts/invitations/<token>"
        assert SECRET not in lines.everything

    def test_hides_the_path_of_one_that_breaks_and_what_the_error_says_of_it(
        self, browser: Client, lines: Lines, settings: Settings
    ) -> None:
        settings.ROOT_URLCONF = __name__

        browser.get(f"/broken/{SECRET}.ics?again={SECRET}")

        (error,) = [line for line in lines.structured if line["level"] == "error"]
        assert error["event"] == "Internal Server Error: /broken/<token>.ics"
        assert "RuntimeError: There is no calendar <token>" in str(error["exception"])
        assert error["request_id"]
        assert SECRET not in lines.everything
