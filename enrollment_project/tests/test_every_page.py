"""Every page outside of the back office in the URL configuration, shown in a browser with the longest texts that people
can enter: axe finds nothing, and nothing is cut off or wider than the screen. Pages that no list names are tested
too; a page whose address `places.py` does not know fails."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.urls import get_resolver, reverse
from playwright.sync_api import Page, expect

from tests.contracts.routes import routes
from tests.journeys.axe import cut_by_large_text, seen
from tests.journeys.conftest import PHONE
from tests.journeys.showing import Show

from .drawn_demo import drawn_demo
from .long_texts import lengthen
from .matrix import Caller
from .matrix import browser as signed_in
from .places import BY_VISITORS, NO_PAGES, PLACES, Places, site_pages

pytestmark = [pytest.mark.browser, pytest.mark.walk]

OK = 200


@pytest.fixture(scope="module")
def places(django_db_setup: None, django_db_blocker: Any, folder_of_the_demo: Path) -> Iterator[Places]:
    with drawn_demo(django_db_blocker, folder_of_the_demo):
        made = Places()
        lengthen()
        yield made


class TestAPageOfTheSite:
    @pytest.mark.parametrize("name", site_pages())
    def test_is_accessible_and_fits_in_large_text(
        self, name: str, places: Places, db: None, show: Show, page: Page
    ) -> None:
        address = places.address_of(name)
        answer = places.who_opens(name).get(address, follow=True)  # mailed links redirect once
        assert answer.status_code == OK, f"{name} at {address} answers {answer.status_code}: see places.py"

        page.goto(show.put(address, answer))

        assert [*cut_by_large_text(page), *seen(page)] == []


@pytest.fixture
def last_list(places: Places, db: None, show: Show, page: Page) -> str:
    """The list under the last of many tabs, on a phone."""
    address = reverse("admin:enrollments_enrollmenttransition_changelist")
    page.set_viewport_size(PHONE)
    return show.put(address, signed_in(Caller.VIEWER).get(address))


class TestTheTabOfThePageOneIsOn:
    def test_is_in_sight(self, last_list: str, page: Page) -> None:
        page.goto(last_list)

        expect(page.locator("#tabs-items .active")).to_have_text(re.compile("History"))
        expect(page.locator("#tabs-items .active")).to_be_in_viewport(ratio=0.9)

    def test_would_be_out_of_sight_without_the_script(self, last_list: str, page: Page) -> None:
        """Control."""
        page.route("**/landmarks*.js", lambda route: route.abort())

        page.goto(last_list)

        expect(page.locator("#tabs-items .active")).to_have_text(re.compile("History"))
        expect(page.locator("#tabs-items .active")).not_to_be_in_viewport(ratio=0.1)
        page.unroute_all()


class TestThisWalk:
    def test_knows_no_page_that_is_gone(self) -> None:
        names = {pattern.name for _, pattern in routes(get_resolver())}

        assert (PLACES.keys() | NO_PAGES.keys() | BY_VISITORS) - names == set()

    def test_says_what_to_do_about_a_page_that_nobody_knows(self, places: Places) -> None:
        others = {name: place for name, place in PLACES.items() if name != "leave"}

        with patch.dict(PLACES, others, clear=True), pytest.raises(AssertionError, match=r"say in .* where one is"):
            places.address_of("leave")
