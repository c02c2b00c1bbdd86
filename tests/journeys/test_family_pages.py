"""Every page of a family, and the guided pages and the desk of its staff: accessible, and readable at twice the text
size, even on the narrowest phone.
"""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.stack import RunningStack

from .axe import cut_by_large_text, seen
from .test_reviewing import case

pytestmark = [pytest.mark.browser, pytest.mark.walk]


@pytest.fixture(scope="module")
def family(stack: RunningStack) -> dict[str, str]:
    made: dict[str, str] = stack.call("tests.journeys.families:build")
    return made


def looked_at(page: Page) -> list[str]:
    return [*cut_by_large_text(page), *seen(page)]


class TestEveryPageOfAFamily:
    def test_is_accessible_and_fits_in_large_text(
        self, page: Page, family: dict[str, str], sign_in: Callable[[Page, str], None]
    ) -> None:
        sign_in(page, family["parent"])
        found = []
        paths = [
            "/my/enrollments",
            family["enrollment"],
            family["over"],
            f"{family['over']}/refund",
            family["name"],
            family["name_asked"],
            "/my/data",
            family["consent"],
            family["consents_asked"],
            family["book"],
            family["course"],
            family["enroll"],
            "/courses",
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

    @pytest.mark.parametrize("path", ["/", "/accounts/login/code/"])
    def test_fits_in_large_text_before_somebody_signs_in(self, page: Page, path: str) -> None:
        page.goto(path)

        assert cut_by_large_text(page) == []


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
    def test_on_which_courses_and_programs_are_made_are_accessible(self, page: Page, family: dict[str, str]) -> None:
        self.enter(page, family["staff"], family["password"], "/admin/enrollments/program/setup/")
        found = seen(page, within="main")
        page.goto("/admin/cohorts/cohort/setup/")

        assert [*found, *seen(page, within="main")] == []

    def test_at_which_cases_are_reviewed_are_accessible(self, page: Page, stack: RunningStack) -> None:
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
