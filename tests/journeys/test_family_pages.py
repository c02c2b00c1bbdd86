"""What becomes of a family's pages as it uses them, and the guided pages and the desk of its staff: accessible, and
readable at twice the text size, even on the narrowest phone. `enrollment_project/tests/test_every_page.py` looks at
each page as it first opens.
"""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.stack import RunningStack

from .axe import cut_by_large_text, seen
from .test_reviewing import case

pytestmark = [pytest.mark.browser, pytest.mark.walk]

ON_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile/15E148 Safari/604.1"


@pytest.fixture(scope="module")
def family(stack: RunningStack) -> dict[str, str]:
    made: dict[str, str] = stack.call("tests.journeys.families:build")
    return made


def looked_at(page: Page) -> list[str]:
    return [*cut_by_large_text(page), *seen(page)]


class TestThePagesOfAFamily:
    def test_are_accessible_and_fit_in_large_text(
        self, page: Page, family: dict[str, str], sign_in: Callable[[Page, str], None]
    ) -> None:
        sign_in(page, family["parent"])
        found = []
        paths = [
            family["over"],
            family["name_asked"],
            family["consents_asked"],
            f"{family['enrollment']}/leave",
        ]
        for path in paths:
            page.goto(path)
            found += looked_at(page)
        page.get_by_role("button", name="See what comes back").click()
        found += looked_at(page)
        page.goto(f"{family['over']}/refund")
        page.get_by_label(re.compile("paid twice")).check()
        page.get_by_role("button", name="Ask for a refund").click()
        page.goto(f"{family['over']}/refund")
        found += looked_at(page)

        assert found == []

    def test_list_the_browsers_in_which_the_family_is_signed_in(
        self,
        page: Page,
        browser: Browser,
        stack: RunningStack,
        family: dict[str, str],
        sign_in: Callable[[Page, str], None],
    ) -> None:
        sign_in(page, family["parent"])
        with browser.new_context(base_url=stack.url, user_agent=ON_IPHONE) as context:
            there = context.new_page()
            sign_in(there, family["parent"])
            page.goto("/my/data")
            found = looked_at(page)
            page.get_by_role("button", name=re.compile("Sign out.*Safari on iPhone")).click()
            expect(page.get_by_text("That browser is signed out.")).to_be_visible()
            there.reload()
            signed_out = there.url

        assert found == []
        assert "/accounts/login/code/" in signed_out


class TestTheseChecks:
    def test_would_find_text_that_large_letters_cut(self, page: Page) -> None:
        page.goto("/accounts/login/code/")
        page.evaluate(
            "document.querySelector('h1').style.cssText = 'width: 6em; overflow: hidden; white-space: nowrap'"
        )
        page.evaluate("document.querySelector('form').style.minWidth = '30rem'")

        found = cut_by_large_text(page)

        assert [fault for fault in found if " 390: cut: <h1" in fault] != []
        assert [fault for fault in found if re.search(r" 320: \d+ px too wide", fault)] != []


class TestThePagesOfStaff:
    def test_for_creating_courses_and_programs_are_accessible(self, page: Page, family: dict[str, str]) -> None:
        self.enter(page, family["staff"], family["password"], "/admin/enrollments/program/setup/")
        found = seen(page, within="main")
        page.goto("/admin/cohorts/cohort/setup/")

        assert [*found, *seen(page, within="main")] == []

    def test_for_reviewing_cases_are_accessible(self, page: Page, stack: RunningStack) -> None:
        desk = stack.call("tests.journeys.reviews:build")
        self.enter(page, desk["staff"], desk["password"], "/admin/enrollments/enrollment/review/")
        case(page, "Ada Lake")

        assert seen(page, within="main") == []

    def enter(self, page: Page, email: str, password: str, path: str) -> None:
        page.goto(f"/admin/login/?next={path}")
        page.get_by_label(re.compile("Email")).fill(email)
        page.get_by_label(re.compile("Password")).fill(password)
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(rf"^[^?]+{path}"))
