import json

import pytest
from playwright.sync_api import Page, expect

from .conftest import Town

pytestmark = [pytest.mark.browser, pytest.mark.walk]


class TestAnIntegratorExploringTheSchema:
    def test_asks_with_their_key_from_a_page_that_needs_no_network(self, page: Page, town: Town) -> None:
        page.goto("/api/docs")
        page.get_by_role("link", name="GraphQL").click()
        headers = page.locator(".graphiql-editor-tool .CodeMirror").last
        headers.click()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text(json.dumps({"Authorization": f"Bearer {town.key}"}))

        page.get_by_role("button", name="Execute query").click()

        expect(page.locator(".graphiql-response")).to_contain_text("totalCount")
