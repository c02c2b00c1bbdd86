"""Every route of the back office as every kind of caller: nobody gets in unless the table lets them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backoffice.scoping import WorkspaceScopedAdmin

from . import matrix_of_lists as lists
from .matrix import (
    Caller,
    Marks,
    add_callers,
    add_rows,
    admin_routes,
    find_leaks,
    marks,
    named_routes,
    own_ways,
    ways_of,
)
from .powers import SELECTIONS
from .small_demo import ADMINS, small_demo


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any, folder_of_the_demo: Path) -> Iterator[None]:
    with small_demo(django_db_blocker, folder_of_the_demo):
        add_callers()
        add_rows()
        yield


@pytest.fixture(scope="module")
def known(world: None) -> Marks:
    return marks()


class TestTheTable:
    def test_names_every_route_and_no_other(self) -> None:
        """A new page needs a row in powers.py, or this fails."""
        assert admin_routes() - named_routes() == set(), "routes that enrollment_project/tests/powers.py does not name"
        assert named_routes() - admin_routes() == set(), "rows without a route"

    def test_names_what_is_done_to_selected_rows(self) -> None:
        assert set(lists.selections()) == SELECTIONS.keys()


@pytest.mark.walk
class TestEveryRoute:
    @pytest.mark.parametrize("page", ADMINS)
    def test_of_a_model_lets_in_whom_the_table_lets_in(
        self, page: WorkspaceScopedAdmin, known: Marks, db: None
    ) -> None:
        assert find_leaks(ways_of(page), Caller, known) == []

    def test_of_the_site_and_of_pages_of_their_own_does_too(self, known: Marks, db: None) -> None:
        assert find_leaks(own_ways(), Caller, known) == []


@pytest.mark.walk
class TestEveryList:
    @pytest.mark.parametrize("page", ADMINS)
    def test_offers_each_role_what_it_may_have_done_and_does_nothing_for_others(
        self, page: WorkspaceScopedAdmin, world: None, db: None
    ) -> None:
        assert lists.find_leaks_of_selections(page, Caller) == []

    @pytest.mark.parametrize("page", ADMINS)
    def test_is_written_into_a_file_as_far_as_it_is_seen(
        self, page: WorkspaceScopedAdmin, world: None, db: None
    ) -> None:
        assert lists.find_leaks_of_exports(page, lists.STAFF) == []


@pytest.mark.walk
class TestWhatIsLookedUp:
    def test_by_a_field_of_a_form_is_of_one_s_workspaces(self, world: None, db: None) -> None:
        assert lists.find_leaks_of_autocomplete(Caller) == []

    def test_by_the_command_search_is_of_one_s_workspaces(self, known: Marks, db: None) -> None:
        assert lists.find_leaks_of_search(lists.STAFF, known) == []

    def test_in_the_figures_of_the_front_page_is_of_one_s_workspaces(self, known: Marks, db: None) -> None:
        assert lists.find_leaks_of_figures(Caller, known) == []
