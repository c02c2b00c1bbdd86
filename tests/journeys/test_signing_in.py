import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.stack import RunningStack

from .conftest import Town

pytestmark = pytest.mark.browser


class TestTheContentSecurityPolicy:
    def test_refuses_an_inline_script_and_the_journeys_would_notice(self, page: Page, complaints: list[str]) -> None:
        page.goto("/")

        page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = true'}))"
        )

        assert page.evaluate("window.ran") is None
        assert "Content Security Policy" in complaints.pop()


class TestSigningIn:
    def test_takes_the_code_from_the_mailbox(self, page: Page, context: BrowserContext, town: Town) -> None:
        email = town.new_address()
        page.goto("/")
        page.get_by_role("link", name="Sign in", exact=True).or_(page.get_by_role("button", name="Sign in")).click()
        page.get_by_label("Email").fill(email)
        page.get_by_role("button", name="Send me a code").click()
        mailbox = context.new_page()
        mailbox.goto("/dev/mailbox")
        mail = mailbox.get_by_role("article").filter(has_text=f"to {email}")

        page.get_by_label("Code").fill(mail.locator(".mail-code").inner_text())
        page.get_by_role("main").get_by_role("button", name="Sign in").click()

        expect(page).to_have_url(re.compile("/my/enrollments$"))
        expect(page.get_by_text(f"You are signed in as {email}.")).to_be_visible()

    def test_refuses_a_wrong_code_and_then_takes_the_right_one(
        self, page: Page, stack: RunningStack, town: Town
    ) -> None:
        email = town.new_address()
        page.goto("/accounts/login/code/")
        page.get_by_label("Email").fill(email)
        page.get_by_role("button", name="Send me a code").click()

        page.get_by_label("Code").fill("BCDF-GHJK")
        page.get_by_role("main").get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("Incorrect code.")).to_be_visible()
        page.get_by_label("Code").fill(stack.sign_in_code(to=email))
        page.get_by_role("main").get_by_role("button", name="Sign in").click()

        expect(page.get_by_text(f"You are signed in as {email}.")).to_be_visible()

    def test_by_a_code_opens_no_back_office_for_staff(
        self, page: Page, town: Town, sign_in: Callable[[Page, str], None]
    ) -> None:
        sign_in(page, town.staff)

        page.goto("/admin/")

        expect(page).to_have_url(re.compile(r"/admin/login/"))

    def test_ends_with_signing_out(self, page: Page, town: Town, sign_in: Callable[[Page, str], None]) -> None:
        sign_in(page, town.new_address())

        page.get_by_role("button", name="Sign out").click()
        page.goto("/my/enrollments")

        expect(page).to_have_url(re.compile(r"/accounts/login/code/\?next=/my/enrollments$"))
