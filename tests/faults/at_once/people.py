"""What staff and families do at once with the records of learners and their guardians."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from accounts.guardian_records import change_guardian, register_guardian
from accounts.guardians import set_guardian_address
from accounts.learner_records import change_learner
from accounts.merging import merge_learners
from accounts.models import Guardian
from accounts.name_changes import accept_name, ask_for_name
from enrollments.tests.factories import STAFF
from privacy.erasing import erase_learner
from privacy.states import ErasureReason

from ..any_order import pick
from .acting import Acting, Step


def people(act: Acting) -> Iterator[Step]:
    yield lambda: _merge_two(act)
    yield lambda: _erase_anybody(act)
    yield lambda: _rename_anybody(act)
    yield lambda: act.attempt(
        ask_for_name, learner_id=act.student().pk, first_name="Ida", last_name="Lake", actor=STAFF
    )
    yield lambda: act.attempt(accept_name, learner_id=act.student().pk, actor=STAFF)
    yield lambda: _link_a_guardian(act)
    yield lambda: _change_an_address(act)


def _merge_two(act: Acting) -> None:
    keep, drop = act.student(), act.student()
    act.attempt(merge_learners, keep_id=keep.pk, drop_id=drop.pk, actor=STAFF, reason="Twins")


def _erase_anybody(act: Acting) -> None:
    cuid = act.student().cuid
    act.attempt(
        erase_learner, workspace_id=act.workspace.pk, learner_cuid=cuid, reason=ErasureReason.ASKED, actor=STAFF
    )


def _rename_anybody(act: Acting) -> None:
    cuid, name = act.student().cuid, act.chance.choice(["Ada", "Grace", "Jane"])

    def rename_anybody(*, now: dt.datetime) -> None:
        change_learner(workspace_id=act.workspace.pk, cuid=cuid, changes={"first_name": name})

    act.attempt(rename_anybody)


def _link_a_guardian(act: Acting) -> None:
    learners: dict[str, Any] = {"learner_ids": [act.student().cuid, act.student().cuid]}
    if act.yes():
        address = f"new{act.chance.randrange(10**9)}@home.test"

        def register_a_guardian(*, now: dt.datetime) -> None:
            register_guardian(workspace_id=act.workspace.pk, external_id=None, email=address, **learners)

        act.attempt(register_a_guardian)
    else:
        guardian = pick(Guardian.objects.all(), act.nth())
        act.attempt(change_guardian, workspace_id=act.workspace.pk, guardian_id=guardian.pk, changes=learners)


def _change_an_address(act: Acting) -> None:
    guardian = pick(Guardian.objects.all(), act.nth())
    act.attempt(set_guardian_address, guardian_id=guardian.pk, email=f"g{act.nth()}@home.test")
