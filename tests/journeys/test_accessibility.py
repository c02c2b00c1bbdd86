from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.stack import RunningStack

from .conftest import DESKTOP, PHONE, Town

pytestmark = pytest.mark.browser

AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text()


def faults(page: Page) -> list[str]:
    """What axe-core finds on the page, each with the element it means, and a page wider than its screen."""
    page.evaluate(AXE)  # not a script tag, which the Content-Security-Policy would refuse
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    faults = [f"{fault['id']}: {node['html']}" for fault in found["violations"] for node in fault["nodes"]]
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [*faults, f"{overflow} px too wide"] if overflow > 0 else faults


@pytest.fixture(params=[(PHONE, "light"), (PHONE, "dark"), (DESKTOP, "light"), (DESKTOP, "dark")], ids=str)
def page(request: pytest.FixtureRequest, browser: Browser, stack: RunningStack) -> Iterator[Page]:
    size, scheme = request.param
    context = browser.new_context(viewport=size, color_scheme=scheme, base_url=stack.url, reduced_motion="reduce")
    yield context.new_page()
    context.close()


class TestEveryPageIsAccessible:
    @pytest.mark.parametrize("path", ["/", "/accounts/login/code/", "/dev/mailbox", "/no/such/page"])
    def test_to_a_visitor(self, page: Page, path: str) -> None:
        page.goto(path)

        assert faults(page) == []

    def test_while_signing_in(self, page: Page, town: Town) -> None:
        page.goto("/accounts/login/code/")
        page.get_by_label("Email").fill(town.new_address())
        page.get_by_role("button", name="Send me a code").click()
        page.get_by_label("Code").fill("wrong")
        page.get_by_role("main").get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("Incorrect code.")).to_be_visible()

        assert faults(page) == []

    def test_to_a_family(self, page: Page, town: Town, sign_in: Callable[[Page, str], None]) -> None:
        email = town.new_address()
        town.enroll(email=email)
        town.enroll(email=email, first_name="Leo", tenant_id=7)
        sign_in(page, email)
        page.get_by_text("What happened so far").first.click()

        assert faults(page) == []

    def test_to_a_family_without_enrollments(
        self, page: Page, town: Town, sign_in: Callable[[Page, str], None]
    ) -> None:
        sign_in(page, town.new_address())

        assert faults(page) == []

    def test_to_a_parent_from_the_payment_page_to_the_end(self, page: Page, stack: RunningStack, town: Town) -> None:
        asked = town.enroll(email=town.new_address())
        page.goto(f"/enroll/cancelled?enrollment={asked['enrollment_id']}")
        unpaid = faults(page)
        stack.sandbox.pay(asked["checkout_url"], card="async")
        page.goto(f"/enroll/return?session_id={asked['checkout_session_id']}")
        under_way = faults(page)
        stack.sandbox.settle(asked["checkout_url"], outcome="failed")
        expect(page.get_by_role("heading", level=1)).to_have_text("Your payment is on its way")
        page.goto(f"/enroll/return?session_id={asked['checkout_session_id']}")

        assert [unpaid, under_way, faults(page)] == [[], [], []]


class TestTheseChecks:
    def test_would_find_a_fault(self, page: Page) -> None:
        page.goto("/")
        page.evaluate("document.querySelector('main').innerHTML = '<img src=\"/static/img/favicon.svg\">'")

        assert [fault.split(":")[0] for fault in faults(page)] == ["image-alt", "page-has-heading-one"]


class TestTheKeyboard:
    def test_skips_to_the_content_and_shows_where_it_is(self, page: Page) -> None:
        page.goto("/")

        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")

        focused = page.locator(":focus")
        expect(focused).to_have_text("Follow an enrollment")
        expect(focused).not_to_have_css("outline-style", "none")
