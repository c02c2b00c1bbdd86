import pytest
from django.urls import reverse

from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.tests.staff_client import StaffClient, said
from core.clock import utc_now
from notifications.models import Notification
from notifications.sending import notify

from .factories import KIND, Letters

pytestmark = pytest.mark.django_db


def given_up() -> Notification:
    notify(
        workspace_id=WorkspaceFactory().pk,
        kind=KIND,
        recipient="parent@example.test",
        subject_key="package:12",
        now=utc_now(),
    )
    Notification.objects.update(status="dead", attempts=10)
    return Notification.objects.get()


class TestSendingAgain:
    def test_is_a_button_for_reviewers(self, written: Letters) -> None:
        notification = given_up()
        reviewer = StaffClient(workspace=notification.workspace, role=Role.REVIEWER)

        response = reviewer.confirm(reverse("admin:notifications_notification_resend", args=[notification.pk]))

        again = Notification.objects.get()
        assert said(response) == ["The email is on its way."]
        assert (again.status, again.attempts, again.resends) == ("pending", 0, 1)

    @pytest.mark.parametrize(("role", "at_home", "status"), [(Role.VIEWER, True, 403), (Role.OWNER, False, 404)])
    def test_is_refused_to_others(self, written: Letters, role: Role, at_home: bool, status: int) -> None:
        notification = given_up()
        workspace = notification.workspace if at_home else WorkspaceFactory()
        other = StaffClient(workspace=workspace, role=role)

        response = other.post(reverse("admin:notifications_notification_resend", args=[notification.pk]))

        assert response.status_code == status
        assert Notification.objects.get().status == "dead"


class TestSendingSeveralAgain:
    def test_says_beforehand_how_many_of_each_kind_go_to_how_many_people(self, written: Letters) -> None:
        first = given_up()
        for number in (1, 2):
            notify(
                workspace_id=first.workspace_id,
                kind=KIND,
                recipient="other@example.test",
                subject_key=f"package:{number}",
                now=utc_now(),
            )
        Notification.objects.update(status="dead", attempts=10)
        reviewer = StaffClient(workspace=first.workspace, role=Role.REVIEWER)
        chosen = {
            "action": "resend_selected",
            "_selected_action": list(Notification.objects.values_list("pk", flat=True)),
            "_confirmed": "1",
        }

        page = reviewer.post(reverse("admin:notifications_notification_changelist"), chosen)

        ((_, preview),) = page.context["previews"]
        assert preview.sentences == ("3 can be done.", "Again: test news: 3.")
        assert preview.mails == "Mails: 3, to 2 addresses."
        assert set(Notification.objects.values_list("status", flat=True)) == {"dead"}

    def test_names_each_by_its_kind_and_its_reader(self, written: Letters) -> None:
        notification = given_up()
        reviewer = StaffClient(workspace=notification.workspace, role=Role.REVIEWER)

        page = reviewer.get(reverse("admin:notifications_notification_resend", args=[notification.pk]))

        assert page.context["described"] == "Test news, to parent@example.test"


class TestTheSearch:
    @pytest.mark.parametrize(
        ("typed", "is_found"),
        [("Parent@ex", True), ("example.test", False), ("package:12", True), ("package:1", False)],
    )
    def test_finds_by_the_beginning_of_the_address_and_by_the_whole_subject(
        self, written: Letters, typed: str, is_found: bool
    ) -> None:
        notification = given_up()
        owner = StaffClient(workspace=notification.workspace, role=Role.OWNER)

        page = owner.get(reverse("admin:notifications_notification_changelist"), {"q": typed})

        assert list(page.context["cl"].result_list) == [notification] * is_found
