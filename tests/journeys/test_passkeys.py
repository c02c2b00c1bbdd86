"""A staff member adds a passkey in a browser and signs in with it.

Browsers bind passkeys to host names, not to addresses, so this stack uses a host name.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.stack import RunningStack

from .axe import seen

pytestmark = [pytest.mark.browser, pytest.mark.walk]

DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture(scope="module")
def named_stack() -> Iterator[RunningStack]:
    stack = RunningStack()
    stack.environment["PUBLIC_URL"] = f"http://localhost:{stack.port}"
    with stack:
        yield stack


@pytest.fixture(scope="module")
def desk(named_stack: RunningStack) -> dict[str, str]:
    built: dict[str, str] = named_stack.call("tests.journeys.reviews:build")
    return built


@pytest.fixture
def page(browser: Browser, named_stack: RunningStack) -> Iterator[Page]:
    with browser.new_context(base_url=named_stack.environment["PUBLIC_URL"]) as context:
        page = context.new_page()
        devices = context.new_cdp_session(page)
        devices.send("WebAuthn.enable")
        devices.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
        yield page


def sign_in(page: Page, desk: dict[str, str]) -> None:
    page.goto("/admin/login/")
    page.get_by_label(re.compile("Email")).fill(desk["staff"])
    page.get_by_label(re.compile("Password")).fill(desk["password"])
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "login" not in address)


class TestAPasskey:
    def test_that_the_device_refuses_to_create_shows_a_message(self, page: Page, desk: dict[str, str]) -> None:
        sign_in(page, desk)
        page.goto("/accounts/staff/passkeys/new")
        page.evaluate("() => { navigator.credentials.create = () => Promise.reject(new DOMException('', 'Denied')); }")
        page.get_by_label("Your password").fill(desk["password"])
        page.get_by_role("button", name="Add it").click()

        expect(page.get_by_role("alert")).to_have_text("That did not work, or was canceled. Try it again.")

    def test_is_added_and_signs_its_owner_in(self, page: Page, desk: dict[str, str]) -> None:
        sign_in(page, desk)
        page.goto("/accounts/staff/passkeys/new")
        faults = seen(page)
        page.get_by_label("Name").fill("My laptop")
        page.get_by_label("Your password").fill(desk["password"])
        page.get_by_role("button", name="Add it").click()
        expect(page.get_by_role("heading", name="Keep your recovery codes")).to_be_visible()
        faults += seen(page)
        page.goto("/accounts/staff/sign-ins")
        expect(page.get_by_text("My laptop")).to_be_visible()
        faults += seen(page)

        page.context.clear_cookies()
        sign_in(page, desk)
        faults += seen(page)
        page.get_by_role("button", name="Use a passkey").click()

        expect(page.get_by_role("heading", name="How it goes")).to_be_visible()
        assert faults == []
