"""One running stack for all journeys, and what a person brings to them: a browser, a mailbox, a child to enroll."""

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from playwright.sync_api import APIResponse, Browser, BrowserContext, Page, ViewportSize, expect

from tests.stack import RunningStack

from . import course_pages

# Playwright keeps an event loop in this thread, which Django takes for asynchronous code; there is none.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

ONE_MINUTE = 60
PATIENCE_MS = 20_000  # anything missing by then will not appear; a machine may be slow
expect.set_options(timeout=PATIENCE_MS)
PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1280, "height": 800}


@dataclass(frozen=True, slots=True)
class Town:
    """The workspace of the journeys, as its integrator sees it."""

    stack: RunningStack
    key: str
    automatic: str
    reviewed: str
    staff: str
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def new_address(self) -> str:
        return f"parent{next(self._numbers)}@families.test"

    def enroll(
        self, *, email: str, first_name: str = "Jane", program: str = "", tenant_id: int | None = None
    ) -> dict[str, Any]:
        """Route a learner with this address; return the API's answer."""
        context: dict[str, Any] = {"program_instance_id": program or self.automatic, "guardian_id": f"guardian-{email}"}
        if tenant_id is not None:
            context["tenant_id"] = tenant_id
        answer = httpx.post(
            f"{self.stack.url}/api/enroll",
            headers={"Authorization": f"Bearer {self.key}"},
            json={
                "learner_profile": {"email": email, "first_name": first_name, "last_name": "Doe"},
                "context": context,
            },
            timeout=ONE_MINUTE,
            trust_env=False,
        )
        answer.raise_for_status()
        result: dict[str, Any] = answer.json()
        return result

    def decision(self, decision_id: int) -> dict[str, Any]:
        """Return a decision as the API shows it."""
        answer = httpx.get(
            f"{self.stack.url}/api/decisions/{decision_id}",
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=ONE_MINUTE,
            trust_env=False,
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    with RunningStack() as running:
        yield running


@pytest.fixture(scope="session")
def town(stack: RunningStack) -> Town:
    return Town(stack=stack, **stack.call("tests.journeys.town:build"))


@dataclass(frozen=True, slots=True)
class Courses:
    """The courses of the journeys, seen from outside."""

    stack: RunningStack
    cohorts: dict[str, dict[str, int]]

    def enroll_path(self, code: str, cohort: str) -> str:
        return f"/courses/{code}/cohorts/{self.cohorts[code][cohort]}/enroll"

    def meanwhile(self, what: str) -> Any:
        """Let somebody else act: call a function of courses.py."""
        return self.stack.call(f"tests.journeys.courses:{what}")


@pytest.fixture(scope="session")
def courses(stack: RunningStack) -> Courses:
    return Courses(stack, stack.call("tests.journeys.courses:build"))


@pytest.fixture(scope="session")
def base_url(stack: RunningStack) -> str:
    return stack.url


@pytest.fixture(autouse=True)
def _stripe_behaves(stack: RunningStack) -> Iterator[None]:
    yield
    stack.sandbox.clear_faults()
    stack.sandbox.flush()
    stack.forget_mails()


@pytest.fixture(autouse=True)
def complaints() -> Iterator[list[str]]:
    """Collect the browser's complaints about our pages, which must be none: no CSP violation and no exception."""
    said: list[str] = []
    yield said
    assert said == []


@pytest.fixture
def context(context: BrowserContext, stack: RunningStack, complaints: list[str]) -> BrowserContext:
    """Playwright's context, listened to."""
    _listen(context, stack, complaints)
    return context


def _listen(context: BrowserContext, stack: RunningStack, said: list[str]) -> None:
    def note(page: Page | None, text: str) -> None:
        if page and page.url.startswith(stack.url) and "Failed to load resource" not in text:
            said.append(text)

    context.on("console", lambda line: note(line.page, line.text))
    context.on("weberror", lambda error: note(error.page, str(error.error)))


@pytest.fixture
def enter_code(stack: RunningStack) -> Callable[[Page, str], None]:
    """Answer the page that asks who is there."""

    def with_code(page: Page, email: str) -> None:
        course_pages.enter_code(page, email, lambda: stack.sign_in_code(to=email))

    return with_code


@pytest.fixture
def sign_in(stack: RunningStack) -> Callable[[Page, str], None]:
    """Sign in with this address, by the requests the forms would send; test_signing_in covers the forms."""

    def with_code(page: Page, email: str) -> None:
        asking = page.request.get("/accounts/login/code/")
        send(page, asking.url, email=email)
        sent = send(page, f"{stack.url}/accounts/login/code/confirm/", code=stack.sign_in_code(to=email))
        assert sent.url == f"{stack.url}/my/enrollments"
        page.goto("/my/enrollments")

    def send(page: Page, url: str, **form: str) -> APIResponse:
        token = next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "csrftoken")
        return page.request.post(url, form={"csrfmiddlewaretoken": token, **form})

    return with_code


@pytest.fixture
def page(page: Page) -> Page:
    """Playwright's page, with our patience."""
    page.set_default_timeout(PATIENCE_MS)
    return page


# For journeys whose forms other tests send without JavaScript (docs/decisions/0082).
without_javascript_in_walks = pytest.mark.parametrize(
    "visitor", ["phone", pytest.param("desktop-without-javascript", marks=pytest.mark.walk)], indirect=True
)


@pytest.fixture(params=["phone", "desktop-without-javascript"])
def visitor(
    request: pytest.FixtureRequest, browser: Browser, stack: RunningStack, complaints: list[str]
) -> Iterator[Page]:
    """A new visitor: on a phone, or at a desk with JavaScript turned off."""
    on_phone = request.param == "phone"
    context = browser.new_context(
        base_url=stack.url,
        viewport=PHONE if on_phone else DESKTOP,
        java_script_enabled=on_phone,
        timezone_id="America/New_York",
    )
    _listen(context, stack, complaints)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    yield page
    context.close()
