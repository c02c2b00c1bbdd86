"""A parent applies on a phone, proves the address, and a reviewer accepts the child."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from enrollments.tests.applicants import PDF
from tests.stack import RunningStack

from .axe import seen
from .conftest import DESKTOP, without_javascript_in_walks

pytestmark = pytest.mark.browser

LINK = re.compile(r"http\S+/applications/\S+")


@pytest.fixture(scope="session")
def forms(stack: RunningStack) -> dict[str, str]:
    answer: dict[str, str] = stack.call("tests.journeys.forms:build")
    return answer


def fill_in(page: Page, *, email: str, first_name: str) -> None:
    """Fill in the fixed part of every form."""
    page.get_by_label("A parent or guardian").check()
    page.get_by_label("Your email address").fill(email)
    page.get_by_label("First name").fill(first_name)
    page.get_by_label("Last name").fill("Doe")
    page.get_by_label("Grade").fill("7")


def answer(page: Page) -> None:
    """Answer the questions of the program."""
    page.get_by_label("Why would you like to join?").fill("I want to build\na robot that waters plants.")
    page.get_by_label("Which afternoon suits you?").select_option("Wednesday")
    page.get_by_label("How many robots have you built?").fill("3")
    page.get_by_label("Date of birth").fill("2014-05-06")
    page.get_by_label("I have read the safety rules").check()
    choose_file(page)


def choose_file(page: Page) -> None:
    page.get_by_label("Last report card").set_input_files(
        {"name": "report.pdf", "mimeType": "application/pdf", "buffer": PDF}
    )


def send(page: Page) -> None:
    page.get_by_role("button", name="Send application").click()


def mailed_link(stack: RunningStack, email: str) -> str:
    found = LINK.search(stack.mails(to=email)[0].text)
    assert found is not None
    return found[0]


class TestAParentOnAPhone:
    @without_javascript_in_walks
    def test_applies_and_a_reviewer_accepts_the_child(
        self, visitor: Page, browser: Browser, stack: RunningStack, forms: dict[str, str]
    ) -> None:
        email = f"ann{visitor.viewport_size['width']}@home.test" if visitor.viewport_size else "ann@home.test"
        visitor.goto(forms["reviewed"])
        fill_in(visitor, email=email, first_name="Mia")
        send(visitor)
        expect(visitor.get_by_text("Choose a file.").first).to_be_visible()
        expect(visitor.get_by_label("First name")).to_have_value("Mia")
        answer(visitor)
        send(visitor)
        expect(visitor.get_by_role("heading", level=1)).to_have_text("Almost done: check your mail")

        visitor.goto(mailed_link(stack, email))
        visitor.get_by_role("button", name="Send the application").click()
        expect(visitor.get_by_role("heading", level=1)).to_have_text("Your application was sent")

        staff = browser.new_page(base_url=stack.url, viewport=DESKTOP)
        review(staff, forms, email)
        visitor.reload()
        expect(visitor.get_by_role("heading", level=1)).to_have_text("Enrolled")


def review(staff: Page, forms: dict[str, str], email: str) -> None:
    """Sign in to the back office, read the answers, and approve."""
    sign_in(staff, forms)
    staff.goto(f"/admin/enrollments/enrollment/?q={email}")
    staff.get_by_role("link", name=re.compile("Mia Doe")).first.click()
    expect(staff.locator("p", has_text="a robot that waters plants.")).to_be_visible()
    with staff.expect_download() as download:
        staff.get_by_role("link", name="Last report card").click()
    assert download.value.suggested_filename == "report.pdf"
    staff.get_by_role("link", name="Approve").click()
    staff.get_by_role("button", name="Preview").click()
    expect(staff.get_by_text("Mia is enrolled in Robot Lab", exact=True)).to_be_visible()
    staff.get_by_role("button", name="Approve").click()
    expect(staff.get_by_text("approved").first).to_be_visible()
    staff.close()


def sign_in(staff: Page, forms: dict[str, str]) -> None:
    staff.goto("/admin/login/")
    staff.get_by_label(re.compile("Email")).fill(forms["staff"])
    staff.get_by_label(re.compile("Password")).fill(forms["password"])
    staff.get_by_role("button", name=re.compile("Log in|Sign in")).click()
    staff.wait_for_url(re.compile(r"/admin/$"))


@pytest.mark.walk
class TestEveryPageOfApplyingIsAccessible:
    def test_before_it_is_sent(self, page: Page, forms: dict[str, str]) -> None:
        found = []
        for name in ("reviewed", "full", "closed", "over"):
            page.goto(forms[name])
            found += seen(page)
        page.goto(forms["reviewed"])
        send(page)

        assert [*found, *seen(page)] == []

    def test_from_the_mail_to_the_end(self, page: Page, stack: RunningStack, forms: dict[str, str]) -> None:
        found: list[str] = []
        for name, email in (("strict", "bo@home.test"), ("priced", "cy@home.test"), ("short", "di@home.test")):
            page.goto(forms[name])
            fill_in(page, email=email, first_name="Leo")
            send(page)
            found += seen(page)
            page.goto(mailed_link(stack, email))
            found += seen(page)
            page.get_by_role("button", name="Send the application").click()
            found += seen(page)

        assert found == []

    def test_where_the_link_leads_nowhere(self, page: Page, forms: dict[str, str]) -> None:
        page.goto("/applications/guessed")

        assert seen(page) == []
