"""Replaying a roster of learners who are not enrolled yet against supposed seats, line by line: nothing is written, and
no more than one line of the file is in memory at a time.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO

from core.errors import FieldError, Invalid, invalid_field
from core.money import Money

from ..allocations.replay import Asked, Funding, Supply
from ..identification import ByInfo, ByLead, Identification
from ..models import DistrictSeatAllocation, ProgramInstance
from .candidates import Candidate, read_candidate
from .reading import Format, Record, read_records

MOST_LINES = 10_000


@dataclass(frozen=True, slots=True)
class FundedLine:
    """Who would pay for the learner of a line, or what is wrong with the line; `allocation_id` is the supposed one."""

    number: int
    name: str = ""
    funding: Funding | None = None
    allocation_id: int | None = None
    fault: FieldError | None = None


@dataclass(slots=True)
class RosterOutcome:
    """The totals over all lines: how many each funder would pay for, how many seats of each supposed allocation are
    taken, and how many lines are faulty.
    """

    price: Money | None
    counted: Counter[Funding] = field(default_factory=Counter)
    taken: Counter[int] = field(default_factory=Counter)
    faults: int = 0

    def count(self, line: FundedLine) -> None:
        if line.funding is None:
            self.faults += 1
            return
        self.counted[line.funding] += 1
        if line.allocation_id is not None:
            self.taken[line.allocation_id] += 1

    @property
    def parents_pay(self) -> dict[str, int]:
        """Return the amounts by currency, at the current price of the program."""
        if self.price is None or not self.counted[Funding.PARENT]:
            return {}
        return {self.price.currency: self.counted[Funding.PARENT] * self.price.minor}


def fund_roster(
    *,
    instance: ProgramInstance,
    tenant_id: int,
    file: IO[bytes],
    kind: Format,
    supply: Iterable[DistrictSeatAllocation],
    now: dt.datetime,
) -> tuple[RosterOutcome, Iterator[FundedLine]]:
    """Suppose that the learners of the file, all from this district, request the program in the order of their lines.
    The outcome is complete once the lines have been read.

    Everybody is assumed to meet the program's criteria. A faulty line says why, and the others continue. Raises
    UnreadableFile, and Invalid for more than MOST_LINES, now or while the lines are read.
    """
    _, records = read_records(file, kind)
    outcome = RosterOutcome(instance.price.money if instance.price else None)
    return outcome, _counted(outcome, _lines(records, instance.pk, tenant_id, Supply(supply), now))


def _counted(outcome: RosterOutcome, lines: Iterator[FundedLine]) -> Iterator[FundedLine]:
    for line in lines:
        outcome.count(line)
        yield line


def _lines(
    records: Iterator[Record], instance_id: int, tenant_id: int, supply: Supply, now: dt.datetime
) -> Iterator[FundedLine]:
    seen: dict[object, int] = {}
    for number, record in enumerate(records, start=1):
        if number > MOST_LINES:
            raise invalid_field("file", "out_of_range", f"Give at most {MOST_LINES:,} learners at a time.")
        read = _read(record)
        if isinstance(read, FieldError):
            yield FundedLine(record.line, fault=read)
            continue
        before = seen.setdefault(_person(read.identification), record.line)
        if before != record.line:
            fault = FieldError("row", "twice", f"This is the learner of line {before:,}. Take one of the two out.")
            yield FundedLine(record.line, _name(read.identification), fault=fault)
            continue
        asked = Asked(now, 0, record.line, record.line, instance_id, tenant_id, Funding.PARENT)
        answer = supply.answer(asked, now)
        yield FundedLine(record.line, _name(read.identification), answer.funding, answer.allocation_id)


def _read(record: Record) -> Candidate | FieldError:
    """Return the candidate of a line, or its first fault."""
    if record.fault is not None:
        return record.fault
    try:
        return read_candidate(record.line, record.document)
    except Invalid as refusal:
        return refusal.errors[0]


def _person(who: Identification) -> object:
    """Return a key that two lines about the same learner share."""
    return who.lead_id if isinstance(who, ByLead) else who


def _name(who: Identification) -> str:
    return f"{who.first_name} {who.last_name}".strip() if isinstance(who, ByInfo | ByLead) else ""
