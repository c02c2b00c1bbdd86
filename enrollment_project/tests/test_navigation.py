"""The sidebar by role, and that a link leads to every page even if the sidebar leaves it out."""

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.models import Membership
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.tests.staff_client import StaffClient, staff_request
from billing.models import Payment
from enrollment_project.dashboard.navigation import NAVIGATION, OPERATIONS, every_entry, path_of
from enrollments.models import Program

from .small_demo import MINE, ROLES, SignIn, person, url

INDEX = reverse("admin:index")
PAGES_OF_THEIR_OWN = {
    reverse("admin:partners_provider_pipeline"),
    reverse("admin:enrollments_enrollment_review"),
    reverse("money-days"),
}


def sidebar(client: Client, page: str = INDEX) -> dict[str, list[str]]:
    groups = client.get(page).context["sidebar_navigation"]
    return {group["title"]: [item["title"] for item in group["items"]] for group in groups}


def active(client: Client, page: str) -> list[str]:
    groups = client.get(page).context["sidebar_navigation"]
    return [item["title"] for group in groups for item in group["items"] if item["active"]]


def without_query(links: set[str]) -> set[str]:
    return {link.partition("?")[0] for link in links}


class TestTheSidebar:
    def test_has_for_each_role_what_it_works_with(self, sign_in: SignIn) -> None:
        counts = {role: sum(map(len, sidebar(sign_in(role)).values())) for role in (*Role.values, "superuser")}

        assert counts["viewer"] <= 17
        assert counts["viewer"] < counts["reviewer"] < counts["admin"] < counts["owner"] < counts["superuser"] <= 36

    def test_leads_a_viewer_to_figures_and_not_to_work(self, sign_in: SignIn) -> None:
        titles = {title for group in sidebar(sign_in("viewer")).values() for title in group}

        assert titles >= {"Enrollments", "Learners", "Payments", "Seats", "Cohorts", "Partner pipeline", "Programs"}
        assert not titles & {"Review queue", "Staff tasks", "API keys", "Events", "Stripe inbox", "Prices", "Staff"}

    @pytest.mark.parametrize(
        ("role", "there", "not_there"),
        [
            ("reviewer", {"Review queue", "Staff tasks", "Emails"}, {"Prices", "Events", "Imports", "Staff"}),
            ("finance", {"Staff tasks", "Prices"}, {"Review queue", "Stuck learners", "Imports"}),
            ("admin", {"Review queue", "Prices", "Events", "Imports"}, {"Staff", "API keys", "Stripe inbox"}),
            ("owner", {"Staff", "API keys"}, {"Stripe inbox", "Idempotency records"}),
            ("superuser", {"Stripe inbox", "Idempotency records"}, set()),
        ],
    )
    def test_follows_the_powers_of_a_role(
        self, role: str, there: set[str], not_there: set[str], sign_in: SignIn
    ) -> None:
        titles = {title for group in sidebar(sign_in(role)).values() for title in group}

        assert there <= titles
        assert not titles & not_there

    def test_keeps_what_operators_need_in_one_closed_group_at_its_end(self, sign_in: SignIn) -> None:
        groups = sign_in("superuser").get(INDEX).context["sidebar_navigation"]

        assert [group["title"] for group in groups if group.get("collapsible")] == [OPERATIONS]
        assert groups[-1]["title"] == OPERATIONS
        assert OPERATIONS not in sidebar(sign_in("viewer"))

    @pytest.mark.parametrize("model", list(admin.site._registry))
    def test_calls_a_list_what_its_heading_calls_it(self, model: type[Model]) -> None:
        entries = [entry.title.lower() for entry in every_entry() if entry.is_list and entry.model is model]

        assert str(model._meta.verbose_name_plural).lower() in entries

    @pytest.mark.parametrize(
        ("page", "marked"),
        [
            (reverse("admin:enrollments_enrollment_review"), ["Review queue"]),
            (reverse("admin:enrollments_enrollment_changelist"), ["Enrollments"]),
            (reverse("admin:enrollments_enrollmentdecision_changelist"), ["Enrollments"]),
            (reverse("admin:billing_refund_changelist"), ["Payments"]),
            (reverse("admin:accounts_stafftask_changelist"), ["Staff tasks"]),
            (reverse("admin:partners_enrollmentstep_changelist") + "?stuck=yes", ["Stuck learners"]),
            (reverse("admin:partners_enrollmentstep_changelist"), ["Partner steps"]),
            (reverse("admin:partners_provider_pipeline"), ["Partner pipeline"]),
            (reverse("money-days"), ["Mismatches"]),
            (reverse("admin:billing_mismatch_changelist") + "?settled_at__isempty=1", ["Mismatches"]),
        ],
    )
    def test_marks_where_one_is(self, page: str, marked: list[str], sign_in: SignIn) -> None:
        assert active(sign_in("admin"), page) == marked


class TestTheTabs:
    def test_lead_from_a_list_to_those_beside_it(self, sign_in: SignIn) -> None:
        page = sign_in("viewer").get(reverse("admin:billing_refund_changelist")).content.decode()

        assert f'href="{reverse("admin:billing_payment_changelist")}"' in page
        assert f'href="{reverse("admin:billing_dispute_changelist")}"' in page

    def test_lead_from_a_page_of_no_model_to_the_lists_beside_it(self, sign_in: SignIn) -> None:
        page = sign_in("finance").get(reverse("money-days")).content.decode()

        assert f'href="{reverse("admin:billing_ledgerline_changelist")}"' in page

    def test_are_not_on_the_page_of_a_row(self, sign_in: SignIn) -> None:
        payment = Payment.objects.filter(workspace__slug=MINE).earliest("pk")

        page = sign_in("viewer").get(reverse("admin:billing_payment_change", args=[payment.pk])).content.decode()

        assert 'id="tabs-items"' not in page


class TestEveryPage:
    def test_has_one_place(self) -> None:
        named = {url(page, "changelist") for page in admin.site._registry.values()} | PAGES_OF_THEIR_OWN
        entries = every_entry()

        assert {path_of(entry) for entry in entries} == named
        assert len({entry.title for entry in entries}) == len(entries)
        assert len(entries) == sum(1 + len(entry.beside) for group in NAVIGATION.values() for entry in group)

    @pytest.mark.parametrize("role", ROLES)
    def test_that_a_role_may_see_is_linked(self, role: str, sign_in: SignIn) -> None:
        client = sign_in(role)
        page = client.get(INDEX)
        links = {address for _, pages in page.context["every_page"] for _, address in pages}

        request = staff_request(person(role))
        open_to_them = {
            url(each, "changelist") for each in admin.site._registry.values() if each.has_module_permission(request)
        }
        assert without_query(links) - PAGES_OF_THEIR_OWN == open_to_them
        assert all(f'href="{link}"' in page.content.decode() for link in links)


class TestTheFirstSteps:
    def test_are_shown_until_somebody_is_enrolled(self, sign_in: SignIn) -> None:
        assert sign_in("owner").get(INDEX).context["first_steps"] == []

    @pytest.mark.django_db
    def test_say_what_is_done_and_lead_to_the_rest(self) -> None:
        workspace = WorkspaceFactory()
        client = StaffClient(workspace=workspace, role=Role.OWNER)
        Program.objects.create(workspace=workspace, code="NEW", title="New")

        page = client.get(INDEX)

        steps = {step.title: (step.is_done, client.get(step.url).status_code) for step in page.context["first_steps"]}
        assert steps["Add a program"] == (True, 200)
        assert {title: done for title, (done, _) in steps.items() if title != "Add a program"} == dict.fromkeys(
            ["Add a program instance", "Set a price", "Give districts seats", "Make a form", "Invite colleagues"], False
        )
        assert {status for _, status in steps.values()} == {200}
        assert "to do" in page.content.decode()

    @pytest.mark.django_db
    @pytest.mark.parametrize("role", [Role.VIEWER, Role.REVIEWER])
    def test_are_not_for_those_who_can_not_take_them(self, role: Role) -> None:
        client = StaffClient(workspace=WorkspaceFactory(), role=role)

        assert client.get(INDEX).context["first_steps"] == []

    @pytest.mark.django_db
    def test_are_those_of_one_workspace(self) -> None:
        first, second = WorkspaceFactory(), WorkspaceFactory()
        client = StaffClient(workspace=first, role=Role.ADMIN)
        Membership.objects.create(workspace=second, user=client.user, role=Role.ADMIN)

        assert client.get(INDEX).context["first_steps"] == []
        assert client.get(INDEX, {"workspace": second.pk}).context["first_steps"] != []
