"""The fields of a sequence on its page: parts, each with a rule and its steps, as they were typed.

Adding, moving, and removing work on raw text that need not be valid yet, so nothing that was typed is lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms

from backoffice.actions import StaffForm
from core.errors import DomainError, read_item
from core.forms import WholeNumberField
from core.numbers import counted, parse_whole_number
from core.text import limit_of

from ..models import Provider, SequenceGroup, SequenceItem
from ..sequences import MAX_STEPS, GroupDraft, ItemDraft
from ..states import GroupRule

_FIELDS = {"partner": "partner", "courseId": "course"}
_GROUP_FIELDS = {"name": "name", "rule": "rule", "atLeast": "at_least", "": "name"}


@dataclass(slots=True)
class StepText:
    partner: str = ""
    course: str = ""


@dataclass(slots=True)
class GroupText:
    name: str = ""
    rule: str = GroupRule.ALL_IN_ORDER
    at_least: str = ""
    steps: list[StepText] = field(default_factory=list)


def texts_of(groups: tuple[GroupDraft, ...]) -> list[GroupText]:
    """Return a sequence as the page shows it; an empty one has one part with a blank step."""
    return [
        GroupText(
            group.name, group.rule, str(group.at_least or ""), [StepText(i.partner, i.course_id) for i in group.items]
        )
        for group in groups
    ] or [GroupText(steps=[StepText()])]


def read_texts(data: Mapping[str, str]) -> list[GroupText]:
    """Parse what was typed, up to the limits of a sequence."""
    groups = []
    left = MAX_STEPS
    for place in range(_count(data, "groups")):
        steps = [
            StepText(data.get(f"partner_{place}_{number}", ""), data.get(f"course_{place}_{number}", ""))
            for number in range(min(left, _count(data, f"steps_{place}")))
        ]
        left -= len(steps)
        rule = data.get(f"rule_{place}", "")
        groups.append(GroupText(data.get(f"name_{place}", ""), rule, data.get(f"at_least_{place}", ""), steps))
    return groups


def _count(data: Mapping[str, str], name: str) -> int:
    return min(parse_whole_number(data.get(name, "")) or 0, MAX_STEPS)


def change(groups: list[GroupText], act: str) -> None:
    """Carry out a button's action: `add`, or `up`, `down`, `remove`, or `add` with a part, and possibly one of its
    steps: `up:1:0`. An impossible action changes nothing.
    """
    verb, *numbers = act.split(":")
    places = [parse_whole_number(number) for number in numbers]
    if not places and verb == "add":
        if len(groups) < MAX_STEPS:
            groups.append(GroupText(steps=[StepText()]))
        return
    place = places[0] if places else None
    if place is None or place >= len(groups):
        return
    if len(places) == 1:
        _change_group(groups, place, verb)
    elif places[1] is not None and places[1] < len(groups[place].steps):
        _change_step(groups, place, places[1], verb)


def _change_group(groups: list[GroupText], place: int, verb: str) -> None:
    if verb == "add":
        groups[place].steps.append(StepText())
    elif verb == "remove":
        del groups[place]
    else:
        _move(groups, place, verb)


def _change_step(groups: list[GroupText], place: int, number: int, verb: str) -> None:
    """Move or remove a step; one that is moved past the end of its part goes into the next part."""
    steps = groups[place].steps
    if verb == "remove":
        del steps[number]
    elif verb == "up" and number == 0 and place > 0:
        groups[place - 1].steps.append(steps.pop(0))
    elif verb == "down" and number == len(steps) - 1 and place < len(groups) - 1:
        groups[place + 1].steps.insert(0, steps.pop())
    else:
        _move(steps, number, verb)


def _move(items: list[Any], place: int, verb: str) -> None:
    other = {"up": place - 1, "down": place + 1}.get(verb, place)
    if 0 <= other < len(items):
        items[place], items[other] = items[other], items[place]


class SequenceForm(StaffForm):
    """Fields for each part and each step. `row` is the program. Empty rows are left out."""

    def __init__(self, *args: Any, groups: list[GroupText], **kwargs: Any) -> None:
        self.groups = groups
        super().__init__(*args, **kwargs)

    def prepare(self) -> None:
        known = Provider.objects.filter(workspace=self.row.workspace_id).order_by("name", "pk")
        partners = [("", "Choose a partner"), *((each.slug, _described(each)) for each in known)]
        for place, group in enumerate(self.groups):
            self.fields[f"name_{place}"] = forms.CharField(
                label="Name", required=False, max_length=limit_of(SequenceGroup, "name"), initial=group.name
            )
            self.fields[f"rule_{place}"] = forms.ChoiceField(
                label="What learners have to do", choices=GroupRule.choices, initial=group.rule
            )
            self.fields[f"at_least_{place}"] = WholeNumberField(
                label="How many", required=False, min_value=1, max_value=MAX_STEPS, initial=group.at_least
            )
            for number, step in enumerate(group.steps):
                self.fields[f"partner_{place}_{number}"] = forms.ChoiceField(
                    label="Partner", required=False, choices=partners, initial=step.partner
                )
                self.fields[f"course_{place}_{number}"] = forms.CharField(
                    label="Course id",
                    required=False,
                    max_length=limit_of(SequenceItem, "course_id"),
                    initial=step.course,
                )

    @property
    def parts(self) -> list[dict[str, Any]]:
        """Return what the page shows for each part."""
        before = 0
        parts = []
        for place, group in enumerate(self.groups):
            steps = [
                {
                    "number": before + number + 1,
                    "act": f"{place}:{number}",
                    "fields": (self[f"partner_{place}_{number}"], self[f"course_{place}_{number}"]),
                }
                for number in range(len(group.steps))
            ]
            before += len(steps)
            fields = [self[f"{name}_{place}"] for name in ("name", "rule", "at_least")]
            parts.append({"place": place, "number": place + 1, "fields": fields, "steps": steps, "size": len(steps)})
        return parts

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        for place, group in enumerate(self.groups):
            for number in range(len(group.steps)):
                partner = f"partner_{place}_{number}"
                course = f"course_{place}_{number}"
                if cleaned.get(course) and cleaned.get(partner) == "":
                    self.add_error(partner, "Choose the partner that teaches this course.")
                if cleaned.get(partner) and cleaned.get(course) == "":
                    self.add_error(course, "Enter the partner's id for the course.")
        return cleaned

    def drafts(self) -> list[tuple[int, list[int], GroupDraft]]:
        """Return the parts that are filled in, with their positions on the page and those of their steps."""
        found = []
        for place, group in enumerate(self.groups):
            taken = [n for n in range(len(group.steps)) if self.cleaned_data[f"partner_{place}_{n}"]]
            name = self.cleaned_data[f"name_{place}"]
            items = tuple(
                ItemDraft(self.cleaned_data[f"partner_{place}_{n}"], self.cleaned_data[f"course_{place}_{n}"])
                for n in taken
            )
            if items or name:
                rule = self.cleaned_data[f"rule_{place}"]
                least = self.cleaned_data[f"at_least_{place}"]
                found.append((place, taken, GroupDraft(items, rule, least, name)))
        return found

    def show(self, refusal: DomainError, drafts: list[tuple[int, list[int], GroupDraft]]) -> None:
        """Put each fault next to the field it concerns."""
        steps = [f"{place}_{number}" for place, numbers, _ in drafts for number in numbers]
        groups = [str(place) for place, _, _ in drafts]
        for fault in refusal.errors:
            item = read_item(fault.field)
            if item is not None and item[0] == "steps" and item[2] in _FIELDS:
                self.add_error(f"{_FIELDS[item[2]]}_{steps[item[1]]}", fault.detail)
            elif item is not None and item[0] == "groups" and item[2] in _GROUP_FIELDS:
                self.add_error(f"{_GROUP_FIELDS[item[2]]}_{groups[item[1]]}", fault.detail)
            else:
                self.add_error(None, fault.detail)
        if not refusal.errors:
            self.add_error(None, refusal.detail)


def _described(provider: Provider) -> str:
    days = counted(provider.expected_days, "day")
    return f"{provider.name} ({days}{', paused' if provider.paused_at else ''})"
