"""The list of erased people, kept separately from backups: a backup does not know who was erased after it.

It contains ids that lead to nobody, reason codes, and times.
"""

import datetime as dt
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from accounts.models import Learner
from core.actors import Actor
from core.errors import Invalid, invalid_field, item_of
from core.ids import is_cuid

from .models import Erasure
from .states import ErasureReason

FORMAT: Final = "erasures-1"


@dataclass(frozen=True, slots=True)
class ErasureList:
    """Everybody who was erased up to that time."""

    made_at: dt.datetime
    erasures: tuple[Erasure, ...]

    @property
    def cuids(self) -> set[str]:
        return {erasure.learner_cuid for erasure in self.erasures}


def list_erasures(*, now: dt.datetime) -> ErasureList:
    """List the erasures, including learners merged into somebody erased: older backups know them separately."""
    own = list(Erasure.objects.order_by("erased_at", "pk"))
    merged = Learner.objects.filter(erased_at__isnull=False, merged_into__isnull=False).order_by("pk")
    by_cuid = {erasure.learner_cuid: erasure for erasure in own}
    also = [
        Erasure(learner_cuid=cuid, reason=erasure.reason, actor=erasure.actor, erased_at=erasure.erased_at)
        for cuid, into in merged.values_list("cuid", "merged_into__cuid")
        if cuid not in by_cuid and (erasure := by_cuid.get(str(into)))
    ]
    return ErasureList(now, (*own, *also))


def write_erasures(path: Path, erasures: ErasureList) -> None:
    """Write the list to this file, replacing an existing one atomically."""
    document = {
        "format": FORMAT,
        "made_at": erasures.made_at.isoformat(),
        "erasures": [
            {
                "learner": each.learner_cuid,
                "reason": each.reason,
                "actor": each.actor,
                "erased_at": each.erased_at.isoformat(),
            }
            for each in erasures.erasures
        ],
    }
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.touch(mode=0o600)
    with unfinished.open("w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def read_erasures(path: Path) -> ErasureList:
    """Return the list. Raises Invalid with what is wrong with the file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Invalid(f"There is no file {path}.") from error
    except (OSError, ValueError) as error:
        raise Invalid(f"{path} can't be read as a list of erasures: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise Invalid(f"{path} is no list of erasures: `manage.py export_erasures` writes one.")
    rows = document.get("erasures")
    if not isinstance(rows, list):
        raise invalid_field("erasures", "invalid", "Give a list.")
    return ErasureList(
        _read_time("made_at", document.get("made_at")),
        tuple(_read_erasure(number, row) for number, row in enumerate(rows)),
    )


def _read_erasure(number: int, row: Any) -> Erasure:
    def at(name: str) -> str:
        return item_of("erasures", number, name)

    if not isinstance(row, dict):
        raise invalid_field(at(""), "invalid", "Give an object.")
    learner, reason, actor = (str(row.get(name, "")) for name in ("learner", "reason", "actor"))
    if not is_cuid(learner):
        raise invalid_field(at("learner"), "invalid", "Give the id of a learner.")
    if reason not in ErasureReason.values:
        raise invalid_field(at("reason"), "invalid", f"Give one of {', '.join(ErasureReason.values)}.")
    try:
        told = str(Actor.read(actor))
    except ValueError as error:
        raise invalid_field(at("actor"), "invalid", "Give an actor, like user:7 or system.") from error
    return Erasure(
        learner_cuid=learner, reason=reason, actor=told, erased_at=_read_time(at("erased_at"), row.get("erased_at"))
    )


def _read_time(field: str, value: Any) -> dt.datetime:
    refusal = invalid_field(field, "invalid", "Give a time with its offset, like 2026-11-29T06:00:00+00:00.")
    try:
        moment = dt.datetime.fromisoformat(str(value))
    except ValueError as error:
        raise refusal from error
    if moment.tzinfo is None:
        raise refusal
    return moment
