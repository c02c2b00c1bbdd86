import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.stack import RunningStack

from .axe import LOOKS, seen
from .conftest import DESKTOP, PHONE, Town

pytestmark = [pytest.mark.browser, pytest.mark.walk]


class TestEveryPageIsAccessible:
    @pytest.mark.parametrize("path", ["/", "/accounts/login/code/", "/dev/mailbox", "/no/such/page"])
    def test_to_a_visitor(self, page: Page, path: str) -> None:
        page.goto(path)

        assert seen(page) == []

    def test_while_signing_in(self, page: Page, town: Town) -> None:
        page.goto("/accounts/login/code/")
        page.get_by_label("Email").fill(town.new_address())
        page.get_by_role("button", name="Send me a code").click()
        page.get_by_label("Code").fill("wrong")
        page.get_by_role("main").get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("Incorrect code.")).to_be_visible()

        assert seen(page) == []

    def test_to_a_family(self, page: Page, town: Town, sign_in: Callable[[Page, str], None]) -> None:
        email = town.new_address()
        town.enroll(email=email)
        town.enroll(email=email, first_name="Leo", tenant_id=7)
        sign_in(page, email)
        home = seen(page)
        page.get_by_role("region", name="Leo Doe").locator("a[href*='/my/enrollments/']").click()
        page.get_by_text("What happened so far").click()

        assert [home, seen(page)] == [[], []]

    def test_to_staff(self, page: Page, stack: RunningStack) -> None:
        desk = stack.call("tests.journeys.reviews:build")
        page.goto("/admin/login/")
        page.get_by_label(re.compile("Email")).fill(desk["staff"])
        page.get_by_label(re.compile("Password")).fill(desk["password"])
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="How it goes").wait_for()
        page.get_by_text("What is counted").first.click()
        front = seen(page)
        page.get_by_text("All pages").click()
        page.get_by_role("navigation", name="All pages").get_by_role("link", name="Refunds").click()

        assert [front, seen(page)] == [[], []]

    def test_to_a_family_without_enrollments(
        self, page: Page, town: Town, sign_in: Callable[[Page, str], None]
    ) -> None:
        sign_in(page, town.new_address())

        assert seen(page) == []

    def test_to_a_parent_from_the_payment_page_to_the_end(self, page: Page, stack: RunningStack, town: Town) -> None:
        asked = town.enroll(email=town.new_address())
        page.goto(f"/enroll/cancelled?enrollment={asked['enrollment_id']}")
        unpaid = seen(page)
        stack.sandbox.pay(asked["checkout_url"], card="async")
        page.goto(f"/enroll/return?session_id={asked['checkout_session_id']}")
        under_way = seen(page)
        stack.sandbox.settle(asked["checkout_url"], outcome="failed")
        expect(page.get_by_role("heading", level=1)).to_have_text("Your payment is on its way")
        page.goto(f"/enroll/return?session_id={asked['checkout_session_id']}")

        assert [unpaid, under_way, seen(page)] == [[], [], []]


class TestTheseChecks:
    def test_would_find_a_fault(self, page: Page) -> None:
        page.goto("/")
        page.evaluate("document.querySelector('main').innerHTML = '<img src=\"/static/img/favicon.svg\">'")

        names = [re.findall(" (\\S+): <", fault)[0] for fault in seen(page)]
        assert names == ["image-alt", "page-has-heading-one"] * len(LOOKS)

    def test_would_find_a_page_too_wide_for_a_phone(self, page: Page) -> None:
        page.goto("/")
        page.evaluate("document.querySelector('main').style.minWidth = '600px'")

        assert [fault.split(": ")[-1] for fault in seen(page)] == ["210 px too wide"] * 2


class TestTheKeyboard:
    @pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
    def test_skips_to_the_content_and_shows_where_it_is(self, page: Page, size: ViewportSize) -> None:
        page.set_viewport_size(size)
        page.goto("/")

        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")

        focused = page.locator(":focus")
        expect(focused).to_have_text("Follow an enrollment")
        expect(focused).not_to_have_css("outline-style", "none")
