"""The partners that a program's learners go through: parse, call one use case, render."""

from dataclasses import replace
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import principal_of
from core.clock import utc_now
from core.errors import FieldError, Invalid, invalid_fields, item_of, read_item, refuse
from core.http.idempotency import idempotent
from enrollments.models import Program
from enrollments.programs import get_program

from ..queries import count_under_way, get_active_sequence
from ..sequences import GroupDraft, ItemDraft, define_sequence, read_groups
from ..states import GroupRule
from .examples import DEFINE_SEQUENCE
from .serializers import SequenceBody, SequenceSerializer

TAGS = ["Partners"]


class PartnerSequenceView(APIView):
    """The partners that a program's learners go through, in versions."""

    required_scopes = {"GET": "partners:read", "PUT": "partners:write"}

    @extend_schema(tags=TAGS, operation_id="get_partner_sequence", responses=SequenceSerializer)
    def get(self, request: Request, code: str) -> Response:
        """Return the current version, and how many learners are active in each version.

        Without a sequence, `version` is null and there are no steps.
        """
        return Response(_shown(_find_program(request, code)))

    @extend_schema(
        tags=TAGS,
        operation_id="define_partner_sequence",
        request=SequenceBody,
        responses=SequenceSerializer,
        examples=[DEFINE_SEQUENCE],
    )
    @idempotent
    def put(self, request: Request, code: str) -> Response:
        """Define the sequence for future learners, as a new version.

        Learners who are active keep theirs. An unchanged sequence creates no version; without steps, the program has no
        partners any more. Steps are taken in their order. Steps that name a group must be adjacent and follow its rule;
        steps without a group are taken one after another.
        """
        body = SequenceBody(data=request.data)
        body.is_valid(raise_exception=True)
        program = _find_program(request, code)
        drafts, places = _read(body.validated_data["steps"], body.validated_data["groups"])
        try:
            define_sequence(program_id=program.pk, groups=drafts, actor=principal_of(request).actor, now=utc_now())
        except Invalid as refusal:
            raise _at_the_callers_places(refusal, places) from refusal
        return Response(_shown(program))


def _find_program(request: Request, code: str) -> Program:
    return get_program(workspace_id=principal_of(request).workspace_id, code=code)


def _read(steps: list[dict[str, Any]], groups: list[dict[str, Any]]) -> tuple[list[GroupDraft], list[int | None]]:
    """Return the groups in the order of their steps, with groups without steps at the end, and the position at which
    the caller named each; None for steps without a group. Raises Invalid for a step whose group is not named, or that
    is apart from it.
    """
    place_of = {group["name"]: place for place, group in reversed(list(enumerate(groups)))}
    drafts: list[GroupDraft] = []
    places: list[int | None] = []
    faults = []
    for number, step in enumerate(steps):
        name = step["group"] or ""
        item = ItemDraft(step["partner"], step["courseId"])
        place = place_of.get(name)
        if name and place is None:
            faults.append(
                FieldError(item_of("steps", number, "group"), "not_found", f"Name the group {name} in groups.")
            )
        elif drafts and places[-1] == place:
            drafts[-1] = replace(drafts[-1], items=(*drafts[-1].items, item))
        elif place is not None and place in places:
            remedy = f"Put it next to the other steps of {name}: a group is worked through before the next one."
            faults.append(FieldError(item_of("steps", number, "group"), "apart", remedy))
        else:
            drafts.append(_draft(groups[place], item) if place is not None else GroupDraft((item,)))
            places.append(place)
    refuse(faults)
    for place, group in enumerate(groups):
        if place not in places:
            drafts.append(_draft(group))
            places.append(place)
    return drafts, places


def _draft(group: dict[str, Any], *items: ItemDraft) -> GroupDraft:
    return GroupDraft(items, group["rule"], group["atLeast"], group["name"])


def _at_the_callers_places(refusal: Invalid, places: list[int | None]) -> Invalid:
    """Move the faults to the caller's positions; the use case counts groups in step order, unnamed ones included."""

    def moved(fault: FieldError) -> FieldError:
        item = read_item(fault.field)
        if item is None or item[0] != "groups":
            return fault
        place = places[item[1]]
        return fault if place is None else replace(fault, field=item_of("groups", place, item[2]))

    return invalid_fields([moved(fault) for fault in refusal.errors])


def _shown(program: Program) -> dict[str, Any]:
    """Return the body with which `put` would define the same sequence again."""
    sequence = get_active_sequence(program_id=program.pk)
    steps: list[dict[str, Any]] = []
    groups: list[dict[str, Any]] = []
    before = ""
    for number, draft in enumerate(read_groups(sequence) if sequence else (), start=1):
        stands_alone = draft.rule == GroupRule.ALL_IN_ORDER and (not steps or before)
        before = draft.name or ("" if stands_alone else f"Group {number}")
        steps += [
            {"partner": item.partner, "courseId": item.course_id, "group": before or None} for item in draft.items
        ]
        if before:
            groups.append({"name": before, "rule": draft.rule, "atLeast": draft.at_least})
    under_way = count_under_way(program_id=program.pk)
    shown = {
        "version": sequence.version if sequence else None,
        "createdAt": sequence.created_at if sequence else None,
        "steps": steps,
        "groups": groups,
        "underWay": [{"version": version, "learners": learners} for version, learners in under_way.items()],
    }
    return dict(SequenceSerializer(shown).data)
