"""The page on which staff define a program's sequence."""

from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.tests.staff_client import StaffClient
from enrollments.models import ProgramInstance
from enrollments.tests.factories import InstanceFactory, ProgramFactory
from partners.models import PartnerSequence
from partners.queries import get_active_sequence
from partners.sequences import GroupDraft, ItemDraft, define_sequence, read_groups
from partners.states import GroupRule

from .factories import NOON, STAFF, ProviderFactory, approved, define

pytestmark = pytest.mark.django_db


@pytest.fixture
def instance() -> ProgramInstance:
    """Return an instance of a program whose workspace has the partners north and south."""
    instance = InstanceFactory(price=None)
    for slug in ("north", "south"):
        ProviderFactory(workspace=instance.workspace, slug=slug)
    return instance


@pytest.fixture
def staff(instance: ProgramInstance) -> Client:
    return StaffClient(workspace=instance.workspace, role=Role.OWNER)


def address(instance: ProgramInstance) -> str:
    return f"{reverse('admin:partners_partnersequence_editor')}?program={instance.program_id}"


def part(*steps: tuple[str, str], rule: str = "all_in_order", least: str = "", name: str = "") -> dict[str, Any]:
    return {"steps": steps, "rule": rule, "at_least": least, "name": name}


def typed(*parts: dict[str, Any], act: str = "preview", **more: str) -> dict[str, str]:
    """Return what a browser submits for these parts when a button is pressed."""
    sent = {"act": act, "groups": str(len(parts)), **more}
    for place, each in enumerate(parts):
        sent |= {f"{name}_{place}": each[name] for name in ("rule", "at_least", "name")}
        sent[f"steps_{place}"] = str(len(each["steps"]))
        for number, (partner, course) in enumerate(each["steps"]):
            sent |= {f"partner_{place}_{number}": partner, f"course_{place}_{number}": course}
    return sent


def text(answer: Any) -> str:
    return unescape(answer.content.decode())


def steps_on(answer: Any) -> list[list[str]]:
    """Return the courses on the page, part by part."""
    return [[step["fields"][1].value() for step in part["steps"]] for part in answer.context["form"].parts]


def publish(staff: Client, instance: ProgramInstance, *parts: dict[str, Any]) -> Any:
    """Preview, then publish what was previewed."""
    seen = staff.post(address(instance), typed(*parts))
    told = {"seen": seen.context["seen"], "replaces": str(seen.context["replaces"])}
    return staff.post(address(instance), typed(*parts, act="publish", **told), follow=True)


BASICS = part(("north", "1"), ("south", "2"), name="Basics")
ELECTIVES = part(("north", "3"), ("north", "4"), ("south", "5"), rule="at_least", least="2")


class TestThePage:
    def test_begins_with_an_empty_step(self, staff: Client, instance: ProgramInstance) -> None:
        answer = staff.get(address(instance))

        assert answer.status_code == 200
        assert steps_on(answer) == [[""]]

    def test_shows_the_present_version_to_go_on_from(self, staff: Client, instance: ProgramInstance) -> None:
        publish(staff, instance, BASICS, ELECTIVES)

        answer = staff.get(address(instance))

        assert steps_on(answer) == [["1", "2"], ["3", "4", "5"]]
        assert "Version 1 applies now" in text(answer)

    def test_is_reached_from_the_list_and_from_a_version(self, staff: Client, instance: ProgramInstance) -> None:
        define_button = reverse("admin:partners_partnersequence_define")

        answer = staff.post(define_button, {"program": instance.program_id})
        assert answer["Location"] == address(instance)

        define(instance, GroupDraft((ItemDraft("north", "1"),)))
        version = PartnerSequence.objects.get()
        answer = staff.get(reverse("admin:partners_partnersequence_define_another", args=[version.pk]))
        assert answer["Location"] == address(instance)

    @pytest.mark.parametrize("program", ["", "x", "-1", "0", "9" * 30, "１"])
    def test_of_no_program_is_not_found(self, staff: Client, program: str) -> None:
        page = reverse("admin:partners_partnersequence_editor")

        assert staff.get(page, {"program": program}).status_code == 404

    def test_of_another_workspace_is_not_found(self, staff: Client) -> None:
        other = ProgramFactory(workspace=WorkspaceFactory())
        page = reverse("admin:partners_partnersequence_editor")

        assert staff.get(page, {"program": other.pk}).status_code == 404

    def test_is_for_those_who_may_manage(self, instance: ProgramInstance) -> None:
        reviewer = StaffClient(workspace=instance.workspace, role=Role.REVIEWER)

        assert reviewer.get(address(instance)).status_code == 404
        assert reviewer.post(address(instance), typed(BASICS)).status_code == 404


class TestItsButtons:
    @pytest.mark.parametrize(
        ("act", "becomes"),
        [
            ("add", [["1", "2"], ["3", "4", "5"], [""]]),
            ("add:0", [["1", "2", ""], ["3", "4", "5"]]),
            ("remove:0", [["3", "4", "5"]]),
            ("down:0", [["3", "4", "5"], ["1", "2"]]),
            ("up:0", [["1", "2"], ["3", "4", "5"]]),
            ("up:1:2", [["1", "2"], ["3", "5", "4"]]),
            ("up:1:0", [["1", "2", "3"], ["4", "5"]]),
            ("down:0:1", [["1"], ["2", "3", "4", "5"]]),
            ("down:1:2", [["1", "2"], ["3", "4", "5"]]),
            ("remove:1:1", [["1", "2"], ["3", "5"]]),
            ("remove:7:1", [["1", "2"], ["3", "4", "5"]]),
            ("up:1:9", [["1", "2"], ["3", "4", "5"]]),
            ("explode:0:0", [["1", "2"], ["3", "4", "5"]]),
            ("up:" + "9" * 40, [["1", "2"], ["3", "4", "5"]]),
        ],
    )
    def test_keep_what_was_typed(
        self, staff: Client, instance: ProgramInstance, act: str, becomes: list[list[str]]
    ) -> None:
        answer = staff.post(address(instance), typed(BASICS, ELECTIVES, act=act))

        assert (answer.status_code, steps_on(answer)) == (200, becomes)
        assert not PartnerSequence.objects.exists()

    def test_keep_what_is_not_valid_yet(self, staff: Client, instance: ProgramInstance) -> None:
        half = part(("nowhere", "1"), rule="at_least", least="many", name="Half")

        form = staff.post(address(instance), typed(half, act="add:0")).context["form"]

        assert [form[name].value() for name in ("partner_0_0", "at_least_0", "name_0")] == ["nowhere", "many", "Half"]


class TestThePreview:
    def test_says_what_changes_and_who_stays(self, staff: Client, instance: ProgramInstance) -> None:
        publish(staff, instance, BASICS)
        approved(instance)

        answer = staff.post(address(instance), typed(part(("north", "1"), ("south", "9"))))

        shown = " ".join(text(answer).split())
        assert "It becomes version 2" in shown
        assert "1 learner under way keeps the version" in shown
        assert "New:</span> 9 at south" in shown
        assert "No longer:</span> 2 at south" in shown
        assert PartnerSequence.objects.count() == 1

    def test_says_that_nothing_changes(self, staff: Client, instance: ProgramInstance) -> None:
        publish(staff, instance, BASICS)

        shown = text(staff.post(address(instance), typed(BASICS, part(("", "")))))

        assert "This is version 1 as it stands" in shown

    @pytest.mark.parametrize(
        ("parts", "field", "remedy"),
        [
            ([part(("", "1"))], "partner_0_0", "Choose the partner that teaches this course."),
            ([part(("north", ""))], "course_0_0", "Enter the partner's id for the course."),
            ([part(("nowhere", "1"))], "partner_0_0", "not one of the available choices"),
            ([part(("", ""), ("north", "1"), ("north", "1"))], "course_0_2", "A learner takes a course"),
            ([BASICS, part(("north", "3"), name="Basics")], "name_1", "Another group has this name"),
            ([part(("", ""), name="Basics")], "name_0", "A group needs a step at least."),
            ([part(("north", "1"), rule="lost")], "rule_0", "not one of the available choices"),
            ([part(("north", "1"), rule="at_least")], "at_least_0", "Give a number from 1 to 1"),
            ([part(("north", "1"), rule="at_least", least="２")], "at_least_0", "whole number"),
            ([part(("north", "1"), least="1")], "at_least_0", "Only the rule at_least takes it"),
            ([part(("north", "x" * 256))], "course_0_0", "at most 255 characters"),
        ],
    )
    def test_names_a_fault_beside_its_field_and_changes_nothing(
        self, staff: Client, instance: ProgramInstance, parts: list[dict[str, Any]], field: str, remedy: str
    ) -> None:
        answer = staff.post(address(instance), typed(*parts))

        errors = answer.context["form"].errors
        assert answer.status_code == 422
        assert list(errors) == [field]
        assert remedy in errors[field][0]
        assert not PartnerSequence.objects.exists()


class TestPublishing:
    def test_makes_the_version_that_was_previewed(self, staff: Client, instance: ProgramInstance) -> None:
        answer = publish(staff, instance, BASICS, ELECTIVES)

        assert "Published as version 1" in text(answer)
        sequence = get_active_sequence(program_id=instance.program_id)
        assert sequence is not None
        assert read_groups(sequence) == (
            GroupDraft((ItemDraft("north", "1"), ItemDraft("south", "2")), GroupRule.ALL_IN_ORDER, None, "Basics"),
            GroupDraft(
                (ItemDraft("north", "3"), ItemDraft("north", "4"), ItemDraft("south", "5")), GroupRule.AT_LEAST, 2
            ),
        )
        assert sequence.created_by.startswith("user:")
        assert LogEntry.objects.get().object_id == str(sequence.pk)

    def test_needs_a_preview_of_the_same(self, staff: Client, instance: ProgramInstance) -> None:
        seen = staff.post(address(instance), typed(BASICS)).context["seen"]

        answer = staff.post(address(instance), typed(ELECTIVES, act="publish", seen=seen, replaces="0"))

        assert answer.status_code == 422
        assert "You changed something after the preview" in text(answer)
        assert not PartnerSequence.objects.exists()

    def test_does_not_undo_what_a_colleague_published_meanwhile(self, staff: Client, instance: ProgramInstance) -> None:
        seen = staff.post(address(instance), typed(BASICS)).context["seen"]
        define_sequence(
            program_id=instance.program_id, groups=[GroupDraft((ItemDraft("south", "7"),))], actor=STAFF, now=NOON
        )

        answer = staff.post(address(instance), typed(BASICS, act="publish", seen=seen, replaces="0"))

        assert answer.status_code == 422
        assert "Somebody has published version 1 meanwhile" in text(answer)
        assert "No longer:</span> 7 at south" in " ".join(text(answer).split())
        assert PartnerSequence.objects.count() == 1
        assert answer.context["replaces"] == 1

    def test_of_nothing_ends_the_partners(self, staff: Client, instance: ProgramInstance) -> None:
        publish(staff, instance, BASICS)

        answer = publish(staff, instance)

        assert "no longer has partners" in text(answer)
        assert get_active_sequence(program_id=instance.program_id) is None
