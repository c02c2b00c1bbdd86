"""The page on which staff map our fields to the names in a partner's JSON."""

import json
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.tests.staff_client import StaffClient
from core.clock import utc_now
from core.signing import new_signing_secret
from partners.field_map import FieldMap
from partners.models import PartnerEvent, Provider
from partners.providers import change_provider

from .factories import ProviderFactory
from .test_inbox import post

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider() -> Provider:
    return ProviderFactory(name="Acme", webhook_secret=new_signing_secret())


@pytest.fixture
def staff(provider: Provider) -> Client:
    return StaffClient(workspace=provider.workspace, role=Role.OWNER)


def address(provider: Provider) -> str:
    return reverse("admin:partners_provider_field_map", args=[provider.pk])


def typed(act: str = "preview", *, seen: str = "", replaces: str = "", **changes: str) -> dict[str, str]:
    """Return what a browser submits from the page: our names, except for these changes."""
    sent = {"act": act, "seen": seen, "replaces": replaces or FieldMap({}).digest}
    for part, names in FieldMap({}).whole().items():
        for name, value in names.items():
            sent[f"{part}_{name}"] = ", ".join(value) if isinstance(value, list) else value
    return sent | changes


def text(answer: Any) -> str:
    return " ".join(unescape(answer.content.decode()).split())


def save(staff: Client, provider: Provider, **changes: str) -> Any:
    """Preview, then save what was previewed."""
    shown = staff.post(address(provider), typed(**changes)).context
    told = typed("save", seen=shown["seen"], replaces=shown["replaces"], **changes)
    return staff.post(address(provider), told, follow=True)


def examples(answer: Any) -> list[Any]:
    return [json.loads(example.text) for example in answer.context["examples"]]


class TestThePage:
    def test_shows_the_present_names_and_examples_of_them(self, staff: Client, provider: Provider) -> None:
        answer = staff.get(address(provider))

        assert answer.status_code == 200
        assert answer.context["form"]["answer_launchUrl"].value() == "launch_url"
        assert answer.context["form"]["words_eventProgress"].value() == "progress.updated, course.progress"
        request, one, listed, told = examples(answer)
        assert (request["course_id"], request["learner"]["first_name"]) == ("algebra-1", "Jane")
        assert (one["status"], listed["data"][0]["id"]) == ("completed", "enr-1")
        assert told["data"] == {"enrollmentId": "enr-1", "completedAt": "2026-03-02T16:59:00Z"}

    def test_is_reached_from_the_partner(self, staff: Client, provider: Provider) -> None:
        button = reverse("admin:partners_provider_map_fields", args=[provider.pk])

        assert staff.get(button)["Location"] == address(provider)

    def test_is_for_those_who_govern(self, provider: Provider) -> None:
        admin = StaffClient(workspace=provider.workspace, role=Role.ADMIN)

        assert admin.get(address(provider)).status_code == 403
        assert admin.post(address(provider), typed("save")).status_code == 403

    def test_of_another_workspace_is_not_found(self, staff: Client) -> None:
        other = ProviderFactory(workspace=WorkspaceFactory())

        assert staff.get(address(other)).status_code == 404

    def test_fills_in_our_names_without_saving_them(self, staff: Client, provider: Provider) -> None:
        save(staff, provider, answer_id="number")

        answer = staff.post(address(provider), typed("reset", answer_id="whatever"))

        assert answer.context["form"]["answer_id"].value() == "id"
        assert Provider.objects.get().field_map == {"answer": {"id": "number"}}


class TestAPreview:
    def test_shows_what_is_sent_and_read_and_saves_nothing(self, staff: Client, provider: Provider) -> None:
        changes = {"request_email": "student.mail", "request_learnerId": "", "lookup_enrollment": "data"}

        answer = staff.post(address(provider), typed(**changes, words_statusCompleted=" done , passed"))

        request, one, _, _ = examples(answer)
        assert request["student"] == {"mail": "jane@school.example"}
        assert "id" not in request["learner"]
        assert one["data"]["status"] == "done"
        assert Provider.objects.get().field_map == {}

    def test_puts_each_fault_beside_its_field_and_keeps_what_was_typed(self, staff: Client, provider: Provider) -> None:
        answer = staff.post(
            address(provider),
            typed(answer_id="", request_email="a b", words_eventCompleted="x" * 101, answer_launchUrl="links.start"),
        )

        assert answer.status_code == 422
        form = answer.context["form"]
        assert set(form.errors) == {"answer_id", "request_email", "words_eventCompleted"}
        assert form["answer_launchUrl"].value() == "links.start"
        assert "Nothing was saved" in text(answer)

    @pytest.mark.parametrize("value", ["x" * 5000, "{{ 7 }}", "<script>", "..", "a" * 201])
    def test_takes_no_name_that_is_none(self, staff: Client, provider: Provider, value: str) -> None:
        answer = staff.post(address(provider), typed(answer_launchUrl=value))

        assert answer.status_code == 422
        assert set(answer.context["form"].errors) == {"answer_launchUrl"}

    def test_says_how_many_messages_it_would_read(self, staff: Client, provider: Provider) -> None:
        post(provider, {"type": "done", "data": {"enrollmentId": "1", "who": "Jane Roe"}})
        post(provider, {"kind": "done", "data": {"enrollmentId": "1"}})

        before = text(staff.get(address(provider)))
        after = text(staff.post(address(provider), typed(event_event="kind")))

        assert "Of the latest 2, the present map can read 0." in before
        assert "With the map on this page, 1 of the latest 2 can be read." in after
        assert "kind is missing, where we read event." in after
        assert "<code>data.who</code>" in after
        assert "Jane Roe" not in after


class TestSaving:
    def test_keeps_what_differs_and_has_messages_read_again(self, staff: Client, provider: Provider) -> None:
        post(provider, {"type": "done", "data": {"enrollmentId": "1"}})
        PartnerEvent.objects.update(attempts=3)

        answer = save(staff, provider, event_event="type", words_eventCompleted="done")

        assert "The field map is saved" in text(answer)
        assert Provider.objects.get().field_map == {"event": {"event": "type"}, "words": {"eventCompleted": ["done"]}}
        assert (PartnerEvent.objects.get().attempts, PartnerEvent.objects.get().next_attempt_at <= utc_now()) == (
            0,
            True,
        )
        assert LogEntry.objects.get().change_message == "Changed the field map"

    def test_needs_a_preview_of_the_same(self, staff: Client, provider: Provider) -> None:
        seen = staff.post(address(provider), typed(answer_id="number")).context["seen"]

        answer = staff.post(address(provider), typed("save", seen=seen, answer_id="no"))

        assert answer.status_code == 422
        assert "You changed something after the preview" in text(answer)
        assert Provider.objects.get().field_map == {}

    def test_does_not_undo_what_a_colleague_saved_meanwhile(self, staff: Client, provider: Provider) -> None:
        seen = staff.post(address(provider), typed(answer_id="number")).context["seen"]
        change_provider(provider_id=provider.pk, field_map={"answer": {"id": "no"}}, now=utc_now())

        answer = staff.post(address(provider), typed("save", seen=seen, answer_id="number"))

        assert answer.status_code == 422
        assert "Somebody has changed the field map meanwhile" in text(answer)
        assert Provider.objects.get().field_map == {"answer": {"id": "no"}}
