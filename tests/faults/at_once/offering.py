"""What staff and integrators change at once about what is offered: programs, instances, prices, and refund policies."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from billing.refund_policy import RefundTier
from enrollments.models import Program, ProgramInstance
from enrollments.programs import change_instance, change_program, create_instance, create_program, make_default
from enrollments.refund_rules import set_refund_policy
from enrollments.tests.factories import STAFF

from ..any_order import NOT_THE_SECOND, pick
from .acting import Acting, Step

TIERS = [RefundTier(days_before_start=-90, kept_percent=20), RefundTier(days_before_start=-180, kept_percent=50)]


def offers(act: Acting) -> Iterator[Step]:
    choose = act.chance.choice
    yield lambda: _change_an_instance(act, {"capacity": choose([None, None, 1, 3, 6])})
    yield lambda: _change_an_instance(act, {"criteria": choose([[], [NOT_THE_SECOND]]), "name": "Spring"})
    yield lambda: _change_an_instance(act, {"price_minor": choose([4900, 5900]), "currency": "usd"})
    yield lambda: _change_an_instance(act, {"refund_tiers": choose([[], TIERS[:1], TIERS]), "is_default": True})
    yield lambda: _change_an_instance(act, {"external_id": choose([None, "class-1", "class-2"])})
    yield lambda: _change_an_instance(act, {"active": False}, {"active": True})
    yield lambda: _make_a_default(act)
    yield lambda: _make_a_default(act)
    yield lambda: _switch_a_program_off_and_on(act)
    yield lambda: _set_a_refund_policy(act)
    yield lambda: _create_a_program(act)
    yield lambda: _create_an_instance(act)


def _instance(act: Acting) -> ProgramInstance:
    chosen = act.chance.choice([act.instance, act.cohort.instance])
    return ProgramInstance.objects.select_related("program").get(pk=chosen.pk)


def _change_an_instance(act: Acting, *changes: dict[str, Any]) -> None:
    cuid = _instance(act).cuid
    for each in changes:
        act.attempt(change_instance, workspace_id=act.workspace.pk, cuid=cuid, changes=each, actor=STAFF)


def _make_a_default(act: Acting) -> None:
    instance = pick(ProgramInstance.objects.all(), act.nth())

    def make_the_default(*, now: dt.datetime) -> None:
        make_default(instance_id=instance.pk)

    act.attempt(make_the_default)


def _switch_a_program_off_and_on(act: Acting) -> None:
    code = _instance(act).program.code

    def switch_a_program(*, is_on: bool, now: dt.datetime) -> None:
        change_program(workspace_id=act.workspace.pk, code=code, changes={"active": is_on})

    act.attempt(switch_a_program, is_on=False)
    act.attempt(switch_a_program, is_on=True)


def _set_a_refund_policy(act: Acting) -> None:
    instance = _instance(act)
    act.attempt(
        set_refund_policy,
        program=instance.program,
        instance=act.chance.choice([None, instance]),
        tiers=act.chance.choice([[], TIERS[:1], TIERS]),
        currency="usd",
        actor=STAFF,
    )


def _create_a_program(act: Acting) -> None:
    number = act.chance.randrange(4)

    def create_a_program(*, now: dt.datetime) -> None:
        create_program(workspace_id=act.workspace.pk, code=f"NEW-{number}", title="New", listed=act.yes())

    act.attempt(create_a_program)


def _create_an_instance(act: Acting) -> None:
    program = pick(Program.objects.filter(workspace=act.workspace), act.nth())
    facts = {"name": "Autumn", "external_id": act.chance.choice([None, "class-1", "class-2"]), "capacity": 2}
    act.attempt(create_instance, workspace_id=act.workspace.pk, program_code=program.code, facts=facts, actor=STAFF)
