from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from sandbox.testing import wait_until
from tests.stack import RunningStack

from .conftest import Town
from .stripe_page import PAY_BY_DEBIT, PAY_DECLINED, press

pytestmark = pytest.mark.browser


def headline(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


class TestPaying:
    def test_enrolls_the_learner(self, page: Page, town: Town, sign_in: Callable[[Page, str], None]) -> None:
        email = town.new_address()
        asked = town.enroll(email=email)
        page.goto(asked["checkout_url"])

        press(page)

        headline(page, "Jane is enrolled")
        assert town.decision(asked["decision_id"])["status"] == "completed"
        sign_in(page, email)
        expect(page.get_by_role("heading", name="Jane Doe")).to_be_visible()
        expect(page.get_by_text("Enrolled", exact=True).first).to_be_visible()

    def test_can_follow_a_declined_card(self, page: Page, town: Town) -> None:
        asked = town.enroll(email=town.new_address())
        page.goto(asked["checkout_url"])

        press(page, PAY_DECLINED)
        assert town.decision(asked["decision_id"])["status"] == "checkout_required"
        press(page)

        headline(page, "Jane is enrolled")

    def test_can_wait_after_leaving_the_payment_page(self, page: Page, town: Town) -> None:
        asked = town.enroll(email=town.new_address())
        page.goto(asked["checkout_url"])

        page.get_by_role("button", name="Cancel and go back").click()
        headline(page, "Nothing was charged")
        page.get_by_role("button", name="Continue to payment").click()
        press(page)

        headline(page, "Jane is enrolled")

    def test_enrolls_the_learner_even_if_the_webhook_comes_later(
        self, page: Page, stack: RunningStack, town: Town
    ) -> None:
        stack.sandbox.faults(webhooks="hold")
        asked = town.enroll(email=town.new_address())
        page.goto(asked["checkout_url"])
        press(page)
        headline(page, "Jane is enrolled")

        answers = [delivery["status"] for delivery in stack.sandbox.flush()]

        assert set(answers) == {200}
        page.reload()
        headline(page, "Jane is enrolled")
        assert stack.sandbox.ledger(session=asked["checkout_session_id"])["totals"] == {}

    def test_is_confirmed_by_itself_once_stripe_answers_again(
        self, page: Page, stack: RunningStack, town: Town
    ) -> None:
        stack.sandbox.faults(webhooks="hold", server_error={"value": True, "path": "/v1/checkout/sessions/cs_"})
        asked = town.enroll(email=town.new_address())
        page.goto(asked["checkout_url"])
        press(page)
        headline(page, "We are waiting for the payment to be confirmed")

        stack.sandbox.clear_faults()

        expect(page.get_by_role("heading", level=1)).to_have_text("Jane is enrolled", timeout=20_000)

    def test_by_bank_debit_takes_two_answers(self, page: Page, stack: RunningStack, town: Town) -> None:
        asked = town.enroll(email=town.new_address())
        page.goto(asked["checkout_url"])
        press(page, PAY_BY_DEBIT)
        headline(page, "Your payment is on its way")

        stack.sandbox.settle(asked["checkout_url"])
        wait_until(lambda: town.decision(asked["decision_id"])["status"] == "completed", seconds=20)
        page.reload()

        headline(page, "Jane is enrolled")

    def test_waits_for_a_reviewer_where_the_program_has_one(self, page: Page, town: Town) -> None:
        asked = town.enroll(email=town.new_address(), program=town.reviewed)
        page.goto(asked["checkout_url"])

        press(page)

        headline(page, "Paid, now in review")

    def test_is_not_needed_when_a_district_seat_is_free(
        self, page: Page, town: Town, sign_in: Callable[[Page, str], None]
    ) -> None:
        email = town.new_address()
        town.enroll(email=email, tenant_id=7)

        sign_in(page, email)
        page.get_by_role("region", name="Jane Doe").get_by_role("link", name="Robotics Foundations").click()

        expect(page.get_by_text("Oak Valley Unified")).to_be_visible()
        expect(page.get_by_role("button", name="Continue to payment")).to_have_count(0)

    def test_works_without_javascript(self, browser: Browser, stack: RunningStack, town: Town) -> None:
        context = browser.new_context(base_url=stack.url, java_script_enabled=False)
        page = context.new_page()
        asked = town.enroll(email=town.new_address())
        page.goto(asked["checkout_url"])

        press(page)

        headline(page, "Jane is enrolled")
        context.close()

    def test_says_so_when_the_payment_is_unknown(self, page: Page) -> None:
        page.goto("/enroll/return?session_id=cs_test_unknown")

        headline(page, "There is nothing here")


class TestAFamily:
    def test_sees_all_its_learners_and_goes_on_paying(
        self, page: Page, town: Town, sign_in: Callable[[Page, str], None]
    ) -> None:
        email = town.new_address()
        for name in ("Jane", "Leo"):
            town.enroll(email=email, first_name=name)
        sign_in(page, email)
        expect(page.get_by_role("heading", level=2)).to_have_text(["Action needed", "Jane Doe", "Leo Doe"])

        waiting = page.get_by_role("region", name="Action needed").locator(".tie").filter(has_text="Leo Doe")
        waiting.get_by_role("button", name="Continue to payment").click()
        press(page)

        headline(page, "Leo is enrolled")

    def test_sees_nothing_of_another(self, page: Page, town: Town, sign_in: Callable[[Page, str], None]) -> None:
        town.enroll(email=town.new_address(), first_name="Secret")

        sign_in(page, town.new_address())

        expect(page.get_by_role("heading", name="No enrollments yet")).to_be_visible()
        expect(page.get_by_text("Secret")).to_have_count(0)
