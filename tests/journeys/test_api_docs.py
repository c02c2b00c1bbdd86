import pytest
from playwright.sync_api import Page, expect

from .conftest import Town

pytestmark = pytest.mark.browser


class TestAnIntegratorReadingTheDocs:
    @pytest.mark.walk
    def test_finds_every_operation_and_what_it_needs(self, page: Page, town: Town) -> None:
        page.goto("/api/docs")

        enroll = page.locator("#operations-Router-enroll")
        enroll.locator(".opblock-summary-control").click()

        expect(enroll).to_contain_text("Route a learner: take a district seat, or send the parent to pay")
        expect(enroll).to_contain_text("Needs the scope decisions:write.")
        expect(enroll).to_contain_text("Idempotency-Key")

    def test_tries_a_request_with_their_key(self, page: Page, town: Town) -> None:
        page.goto("/api/docs")
        page.get_by_role("button", name="Authorize").first.click()
        page.locator("input[aria-label='auth-bearer-value'], input#auth-bearer-value").fill(town.key)
        page.get_by_role("button", name="Apply credentials").first.click()
        page.get_by_role("button", name="Close").first.click()

        districts = page.locator("#operations-Router-districts_list")
        districts.locator(".opblock-summary-control").click()
        districts.get_by_role("button", name="Execute").click()

        expect(districts.locator(".live-responses-table tbody .response-col_status").first).to_contain_text("200")
