"""The back office without scripts: what its pages contain so that unfold's frame does not hide them."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.tests.staff_client import StaffClient
from enrollments.tests.factories import CandidateFactory

pytestmark = pytest.mark.django_db

STYLES = "css/without-scripts.css"


class TestAPageOfTheBackOffice:
    @pytest.mark.parametrize("name", ["index", "enrollments_enrollment_changelist", "enrollments_program_add"])
    def test_shows_itself_without_scripts(self, name: str) -> None:
        staff = StaffClient(workspace=WorkspaceFactory(), role=Role.OWNER)

        page = staff.get(reverse(f"admin:{name}")).content.decode()

        assert STYLES in page.partition("<noscript>")[2].partition("</noscript>")[0]

    def test_shows_a_row_and_a_button_s_question(self) -> None:
        enrollment = CandidateFactory()
        staff = StaffClient(workspace=enrollment.workspace, role=Role.OWNER)

        pages = [
            staff.get(reverse(f"admin:enrollments_enrollment_{view}", args=[enrollment.pk])).content.decode()
            for view in ("change", "evaluate")
        ]

        assert [page.count(STYLES) for page in pages] == [1, 1]

    def test_shows_the_sign_in(self) -> None:
        page = Client().get(reverse("admin:login")).content.decode()

        assert page.count(STYLES) == 1
