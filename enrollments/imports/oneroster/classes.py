"""Matching roster classes to program instances: the instance whose external id is the class's sourcedId or code, or
else the only instance of the program with the course's code.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Q

from core.errors import FieldError

from ...models import ProgramInstance
from ...queries import why_closed
from ..reading import Record
from .rows import RosterBatch

About = Mapping[str, Any]  # what the roster says about a class, as `reading.py` represents it


class Instances:
    """The instances that any of these classes may match, read in one statement."""

    def __init__(self, workspace_id: int, classes: Iterable[About], now: dt.datetime) -> None:
        ids: set[str] = set()
        codes: set[str] = set()
        for about in classes:
            ids.update(about["ids"])
            codes.update(about["codes"])
        named = Q(external_id__among=list(ids)) | Q(program__code__among=list(codes))
        found = ProgramInstance.objects.filter(named, workspace=workspace_id).select_related("program", "workspace")
        self._now = now
        self._by_id: dict[str, ProgramInstance] = {}
        self._by_code: dict[str, list[ProgramInstance]] = defaultdict(list)
        for instance in found.order_by("pk"):
            if instance.external_id is not None:
                self._by_id[instance.external_id] = instance
            self._by_code[instance.program.code].append(instance)

    def find_open(self, about: About) -> ProgramInstance | FieldError:
        """Return the instance to enroll in, or why there is none."""
        known = self.find_any(about)
        sourced_id = about["ids"][0] if about["ids"] else ""
        if len(known) == 1:
            closed = why_closed(known[0], self._now)
            if not closed:
                return known[0]
            remedy = f"{known[0].name} takes no enrollments any more. Reopen it, or give its external id to another."
            return FieldError("sourcedId", "closed", remedy)
        if not known:
            remedy = f"Give the program instance the external id {sourced_id}, or its program the code of the course."
            return FieldError("sourcedId", "no_instance", f"No program instance is this class. {remedy}")
        remedy = f"Give the right one the external id {sourced_id}."
        return FieldError("sourcedId", "ambiguous", f"{len(known)} program instances may be this class. {remedy}")

    def find_any(self, about: About) -> list[ProgramInstance]:
        """Return the instances, open or closed, that the class may match: only the best guess if there is one."""
        for name in about["ids"]:
            if name in self._by_id:
                return [self._by_id[name]]
        found = [instance for code in about["codes"] for instance in self._by_code.get(code, [])]
        for narrow in (self._is_open, lambda instance: _meets(instance, about["terms"])):
            if len(found) > 1:
                found = [instance for instance in found if narrow(instance)] or found
        return found

    def _is_open(self, instance: ProgramInstance) -> bool:
        return not why_closed(instance, self._now)


def _meets(instance: ProgramInstance, terms: Sequence[Sequence[str]]) -> bool:
    """Return whether the instance runs during one of the class's terms."""
    begins = str(instance.start_date or "")
    ends = str(instance.end_date or "9999")
    return any(begins <= (end or "9999") and start <= ends for start, end in terms)


def match_classes(batch: RosterBatch, records: Sequence[Record]) -> None:
    """Report for each class whether it matches an instance."""
    instances = Instances(batch.job.workspace_id, [record.document["class"] for record in records], batch.now)
    for record in records:
        found = instances.find_open(record.document["class"])
        batch.rows["classes_unmatched" if isinstance(found, FieldError) else "classes_matched"] += 1
        if isinstance(found, FieldError):
            batch.tell(record, found)
