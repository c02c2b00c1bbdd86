"""A day in the back office: each thing that staff do every day, in the browser, with the demo's data."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.stack import RunningStack

from .axe import seen

pytestmark = [pytest.mark.browser, pytest.mark.walk]

ROSTER = """firstName,lastName,email
Nina,Evening,nina.evening@families.test
Omar,Evening,omar.evening@families.test
"""


def press(page: Page, name: str) -> None:
    page.get_by_role("main").get_by_role("button", name=name, exact=True).last.click()


def look(page: Page, name: str) -> list[str]:
    """Check the page with axe-core; take a picture at two widths if PICTURES names a folder."""
    folder = os.environ.get("PICTURES", "")
    for width in (1280, 1920) if folder else ():
        page.set_viewport_size({"width": width, "height": 1000})
        page.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=True)
    return seen(page)


class TestADayInTheBackOffice:
    def test_is_worked_from_the_first_case_to_the_export(self, page: Page, stack: RunningStack, tmp_path: Path) -> None:
        day = stack.call("tests.journeys.day:build")
        faults: dict[str, list[str]] = {}
        page.goto("/admin/login/?next=/admin/")
        page.get_by_label(re.compile("Email")).fill(day["staff"])
        page.get_by_label(re.compile("Password")).fill(day["password"])
        page.keyboard.press("Enter")
        expect(page).to_have_title(re.compile("Dashboard"))
        faults["front page"] = look(page, "front-page")

        page.goto("/admin/enrollments/enrollment/review/?q=Daybreak")
        faults["desk"] = look(page, "desk")
        for number in range(50):
            expect(page.get_by_role("article").get_by_role("heading", level=2)).to_have_text(f"Kid{number} Daybreak")
            page.keyboard.press("r" if number % 10 == 9 else "a")
            if number % 10 == 9:
                page.keyboard.press("1")
            page.keyboard.press("Enter")
        expect(page.get_by_text("Nobody who matches the filters waits for a reviewer.")).to_be_visible()

        page.goto(f"/admin/billing/payment/{day['payment']}/refund/")
        page.get_by_label(re.compile("Note")).fill("By the rule.")
        press(page, "Preview")
        faults["refund"] = look(page, "refund")
        press(page, "Refund")
        expect(page.get_by_text("will go back to the payer")).to_be_visible()
        faults["payment"] = look(page, "payment")

        page.goto("/admin/partners/enrollmentstep/?stuck=failed")
        faults["failed steps"] = look(page, "failed-steps")
        page.goto(f"/admin/partners/enrollmentstep/{day['step']}/retry/")
        page.get_by_label("Reason").fill("The course is open now.")
        press(page, "Preview")
        press(page, "Try again")
        expect(page.get_by_text("The partner is asked again.", exact=True)).to_be_visible()

        roster = tmp_path / "roster.csv"
        roster.write_text(ROSTER)
        page.goto(f"/admin/enrollments/programinstance/{day['instance']}/import_candidates/")
        page.get_by_label("File").set_input_files(roster)
        press(page, "Import candidates")
        expect(page).to_have_url(re.compile(r"importjob/\d+/change"))
        # Until then, the page loads again by itself, which would abort the next navigation.
        expect(page.get_by_role("main").get_by_text("Completed", exact=True).first).to_be_visible(timeout=60_000)
        faults["import"] = look(page, "import")

        page.goto("/admin/enrollments/whatif/ask/")
        page.get_by_label("Name").fill("With more seats")
        page.get_by_label("First day").fill("2026-01-01")
        page.get_by_label("Last day").fill("2026-12-31")
        press(page, "Ask “What if?”")
        expect(page).to_have_url(re.compile(r"whatif/\d+/change"))
        faults["what-if"] = look(page, "what-if")

        page.goto("/admin/enrollments/enrollment/?eligibility_status__exact=rejected")
        page.get_by_role("link", name="Columns and filters").click()
        page.get_by_label(re.compile("Name")).fill("Turned down")
        press(page, "Save")
        expect(
            page.get_by_role("navigation", name="Saved filters").get_by_role("link", name="Turned down")
        ).to_be_visible()
        faults["list"] = look(page, "list")
        page.locator("#action-toggle").check()
        page.locator("select[name=action]").first.select_option("export_csv")
        page.locator("#changelist-form button[name=index]").first.click()
        expect(page).to_have_url(re.compile(r"backoffice/export/"))
        faults["export"] = look(page, "export")
        page.goto("/admin/lists/enrollments.enrollment/?query=payment_status__exact%3Dpaid")
        faults["columns and filters"] = look(page, "columns-and-filters")

        assert {name: found for name, found in faults.items() if found} == {}
        assert stack.call("tests.journeys.day:outcomes") == {"approved": 45, "rejected": 5, "refunds by staff": 1}
