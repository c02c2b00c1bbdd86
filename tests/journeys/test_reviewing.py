"""A reviewer decides a handful of cases without touching the mouse."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.stack import RunningStack

from .axe import seen

pytestmark = pytest.mark.browser


def case(page: Page, name: str) -> None:
    """Wait until this learner's case is open."""
    expect(page.get_by_role("article").get_by_role("heading", level=2)).to_have_text(name)


class TestTheDesk:
    def test_is_worked_by_keyboard_alone(self, page: Page, stack: RunningStack) -> None:
        desk = stack.call("tests.journeys.reviews:build")
        page.goto("/admin/login/?next=/admin/enrollments/enrollment/review/")
        page.get_by_label(re.compile("Email")).fill(desk["staff"])
        page.get_by_label(re.compile("Password")).fill(desk["password"])
        page.keyboard.press("Enter")
        case(page, "Ada Lake")

        page.keyboard.press("a")
        page.keyboard.press("Enter")
        case(page, "Ben Lake")
        page.keyboard.press("r")
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        case(page, "Cleo Lake")
        page.keyboard.press("u")
        case(page, "Ben Lake")
        page.keyboard.press("s")
        case(page, "Cleo Lake")
        page.keyboard.press("r")
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        case(page, "Dan Lake")
        page.keyboard.press("k")
        case(page, "Cleo Lake")
        page.keyboard.press("r")
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        case(page, "Dan Lake")

        assert stack.call("tests.journeys.reviews:sweep") == {
            "Ada": "approved",
            "Ben": "submitted",
            "Cleo": "rejected",
            "Dan": "submitted",
            "Eve": "submitted",
        }


@pytest.mark.walk
class TestThePageOfAQuestion:
    def test_is_accessible_before_and_after_the_answer(self, page: Page, stack: RunningStack) -> None:
        page.goto(stack.call("tests.journeys.reviews:ask"))
        before = seen(page)
        page.get_by_role("button", name="Send the answer").click()
        refused = seen(page)
        page.get_by_label("Your answer").fill("Grade 7, since September.")
        page.get_by_role("button", name="Send the answer").click()
        expect(page.get_by_text("Your answer has arrived")).to_be_visible()

        assert [before, refused, seen(page)] == [[], [], []]
