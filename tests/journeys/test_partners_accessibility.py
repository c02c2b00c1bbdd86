"""The pages about partners, with the longest texts, for people who can't see them or use a phone."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.stack import RunningStack

from .axe import seen

pytestmark = [pytest.mark.browser, pytest.mark.walk]

OURS = ".playground"  # in the back office, the theme provides everything around it


class TestThePagesAboutPartners:
    def test_are_accessible_with_the_longest_texts(self, page: Page, stack: RunningStack) -> None:
        known = stack.call("tests.journeys.partnering:build")
        page.goto(known["nudge"])
        found = seen(page)
        page.goto(f"/admin/login/?next={known['partner']}")
        page.get_by_label(re.compile("Email")).fill(known["staff"])
        page.get_by_label(re.compile("Password")).fill(known["password"])
        page.keyboard.press("Enter")
        expect(page.get_by_text("tried next", exact=False)).to_be_visible()

        page.goto(known["field map"])
        found += seen(page, within=OURS)
        page.get_by_label("Email address").fill("not a path")
        page.get_by_label("Email address").press("Enter")
        expect(page.get_by_text("Nothing was saved.")).to_be_visible()
        found += seen(page, within=OURS)
        page.get_by_label("Email address").fill("student.mail")
        page.get_by_label("Email address").press("Enter")
        expect(page.get_by_role("button", name="Save")).to_be_visible()
        found += seen(page, within=OURS)
        page.goto(known["sequence"])
        found += seen(page, within=OURS)

        assert found == []
