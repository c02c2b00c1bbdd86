"""Every page of the back office that is no model's list or form, shown in a browser with the longest texts that people
can enter: axe finds nothing, and nothing is cut off or wider than the screen. The pages come from the URL
configuration; a page whose address `office_pages.py` does not know fails. Without any data, they say what is missing.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.db import transaction
from django.test import Client
from playwright.sync_api import Page

from accounts.models import User
from accounts.states import Role
from accounts.tests.factories import MembershipFactory, StaffFactory, WorkspaceFactory
from tests.journeys.axe import Look, seen
from tests.journeys.conftest import DESKTOP, PHONE
from tests.journeys.showing import Show
from tests.journeys.widths import drawn_empty, spilled

from . import office_pages
from .drawn_demo import drawn_demo
from .long_texts import lengthen, lengthen_addresses
from .matrix import admin_routes
from .office_pages import NO_PAGES, OfficePlaces, add_owner_of_both, asking_pages, client_of, own_pages

pytestmark = [pytest.mark.browser, pytest.mark.walk]

NEWCOMER = "newcomer@role.test"
OK = 200
LOOKS: list[Look] = [(PHONE, "dark"), (DESKTOP, "light")]
# What a page says in a workspace without any data. The other pages are forms, or about something that is there.
SAID = {
    "index": "Where to start in the back office",
    "enrollments_enrollment_review": "Nobody",
    "partners_provider_pipeline": "There are no partners yet. Add one, then define which programs lead there.",
    "money-days": "Nothing moved in this period. Choose more days above.",
    "status": "Nothing. Work in the background is up to date, and every partner answers.",
    "list-settings": "None yet.",
}


@pytest.fixture(scope="module")
def places(django_db_setup: None, django_db_blocker: Any, folder_of_the_demo: Path) -> Iterator[OfficePlaces]:
    with drawn_demo(django_db_blocker, folder_of_the_demo):
        add_owner_of_both()
        MembershipFactory(workspace=WorkspaceFactory(), user=StaffFactory(email=NEWCOMER), role=Role.OWNER)
        made = OfficePlaces()
        lengthen()
        newcomer = User.objects.get(email=NEWCOMER)
        lengthen_addresses()
        User.objects.filter(pk=newcomer.pk).update(email=NEWCOMER)
        yield made


def opened(user: User | None, address: str) -> Any:
    """Return the page; what a preview writes meanwhile is taken back."""
    with transaction.atomic():
        answer = (client_of(user) if user else Client()).get(address)
        transaction.set_rollback(True)
    assert answer.status_code == OK, f"{address} answers {answer.status_code}: see office_pages.py"
    return answer


class TestAPageOfItsOwn:
    @pytest.mark.parametrize("name", own_pages())
    def test_is_accessible_and_holds_long_texts(
        self, name: str, places: OfficePlaces, db: None, show: Show, page: Page
    ) -> None:
        found = []
        for user, address in places.of(name):
            page.goto(show.put(address, opened(user, address)))
            found += [*spilled(page), *seen(page, looks=LOOKS)]

        assert found == []


class TestAQuestionBeforeAnAction:
    @pytest.mark.parametrize("name", asking_pages())
    def test_is_accessible_and_holds_long_texts(
        self, name: str, places: OfficePlaces, db: None, show: Show, page: Page
    ) -> None:
        ((user, address),) = places.of(name)

        page.goto(show.put(address, opened(user, address)))

        assert [*spilled(page), *seen(page, looks=LOOKS[:1])] == []


class TestAPageWithoutData:
    @pytest.mark.parametrize("name", SAID)
    def test_says_what_is_missing(self, name: str, places: OfficePlaces, db: None, show: Show, page: Page) -> None:
        newcomer = User.objects.get(email=NEWCOMER)
        ((_, address), *_) = places.of(name)

        answer = opened(newcomer, address)
        page.goto(show.put(f"{address}?of=newcomer", answer))

        assert SAID[name] in page.locator("main").inner_text()
        assert drawn_empty(page) == []


class TestThisWalk:
    @pytest.fixture
    def shown(self, places: OfficePlaces, db: None, show: Show, page: Page) -> Page:
        ((user, address), *_) = places.of("index")
        page.goto(show.put(address, opened(user, address)))
        return page

    def test_would_find_what_is_beyond_the_screen(self, shown: Page) -> None:
        shown.evaluate("document.querySelector('.dashboard-bar').style.width = '2000px'")

        found = spilled(shown)

        assert [fault for fault in found if fault.endswith(" px too wide")] == [found[0], found[5]]
        assert [fault.partition(": ")[2][:11] for fault in found[1:2]] == ["beyond: <di"]

    def test_would_find_what_is_cut_off(self, shown: Page) -> None:
        card = "document.querySelector('main .backoffice-card').style"
        shown.evaluate(f"{card}.cssText = 'width: 4rem; white-space: nowrap'")

        assert [fault for fault in spilled(shown) if " 1280: cut: " in fault and "backoffice-card" in fault] != []

    def test_would_find_a_fault_of_accessibility(self, shown: Page) -> None:
        shown.evaluate("document.querySelector('main h2').insertAdjacentHTML('afterend', '<img src=\"/none.png\">')")

        assert [fault for fault in seen(shown, looks=LOOKS) if "image-alt" in fault] != []

    def test_would_find_an_empty_list_and_an_empty_box(self, shown: Page) -> None:
        shown.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<ul></ul>')")
        shown.evaluate("document.querySelector('.backoffice-card').innerHTML = '<h2>Only a title</h2>'")

        assert [fault[:4] for fault in drawn_empty(shown)] == ["<ul>", "<sec"]

    def test_names_no_page_that_is_gone(self) -> None:
        assert NO_PAGES.keys() - admin_routes() == set()
        assert SAID.keys() - set(own_pages()) == set()

    def test_says_what_to_do_about_a_page_that_nobody_knows(self, places: OfficePlaces) -> None:
        others = {name: reason for name, reason in NO_PAGES.items() if name != "logout"}

        with patch.dict(office_pages.NO_PAGES, others, clear=True):
            assert "logout" in own_pages()
        with pytest.raises(AssertionError, match=r"Nobody knows where logout is: say in .* where"):
            places.of("logout")
