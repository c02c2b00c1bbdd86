"""Every list, as somebody sees it who works for two workspaces, at a desk: neither the page nor the table scrolls
sideways. What such people see is wider by a column, and rows are as long as usual."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page

from accounts.roles import Power
from backoffice.scoping import WorkspaceScopedAdmin
from tests.journeys.showing import Show
from tests.journeys.widths import scrolling

from .drawn_demo import drawn_demo
from .office_pages import add_owner_of_both, client_of, opener_of
from .powers import PAGES
from .small_demo import ADMINS, url

pytestmark = [pytest.mark.browser, pytest.mark.walk]

ROWS = 25


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any, folder_of_the_demo: Path) -> Iterator[None]:
    with drawn_demo(django_db_blocker, folder_of_the_demo):
        add_owner_of_both()
        yield


def open_list(model_admin: Any, show: Show, page: Page) -> None:
    address = url(model_admin, "changelist")
    user = opener_of(PAGES[str(model_admin.opts.model_name)][0])
    page.goto(show.put(address, client_of(user).get(address)))


@pytest.fixture(autouse=True)
def _few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WorkspaceScopedAdmin, "list_per_page", ROWS)


class TestAList:
    @pytest.mark.parametrize("model_admin", ADMINS)
    def test_fits_its_screen(self, model_admin: Any, world: None, db: None, show: Show, page: Page) -> None:
        open_list(model_admin, show, page)

        assert page.locator("#result_list tbody tr").count() > 0
        assert scrolling(page) == []

    def test_has_room_for_the_longest_status(self, world: None, db: None, show: Show, page: Page) -> None:
        payments = next(each.values[0] for each in ADMINS if each.id == "payment")
        open_list(payments, show, page)
        for column, text in (("status_badge > span", "Partially refunded"), ("refunded", "2,490.00 EUR")):
            page.locator(f"#result_list td.field-{column}").first.evaluate(
                "(cell, text) => cell.innerText = text", text
            )

        assert scrolling(page) == []

    def test_would_be_noticed_if_it_were_too_wide(self, world: None, db: None, show: Show, page: Page) -> None:
        """Control: a column that is wider than the screen."""
        payments = next(each.values[0] for each in ADMINS if each.id == "payment")
        open_list(payments, show, page)
        page.evaluate("document.querySelector('#result_list td.field-workspace').style.minWidth = '200rem'")

        assert [fault.partition(" px: ")[2][:4] for fault in scrolling(page)] == ["<div"]


class TestTheDashboard:
    def test_has_tables_that_fit_their_boxes(self, world: None, db: None, show: Show, page: Page) -> None:
        address = reverse("admin:index")
        page.goto(show.put(address, client_of(opener_of(Power.VIEW)).get(address)))
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")

        assert page.locator(".dashboard-half .dashboard-table").count() > 4
        assert scrolling(page) == []
