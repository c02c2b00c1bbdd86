"""Imports and exports in GraphQL: their progress, and the actions on them. REST uploads and downloads the files."""

from typing import Any

import strawberry
from django.db.models import QuerySet
from strawberry import Info

from accounts.graphql.doors import Needs, caller_of
from core.clock import utc_now
from core.graphql.connections import FIRST, After, Connection, First, by_number
from core.graphql.shapes import body, checked, shape

from ..api.programs.exports import ExportBody, ExportSerializer, find_export, order_export
from ..api.programs.imports import ImportFaultSerializer, ImportSerializer, first_faults
from ..imports.job import get_import, undo_import
from ..models import ImportFault as ImportFaultRow
from .types import READ, WRITE


@shape(ImportFaultSerializer)
class ImportFault:
    """What is wrong with a line of a file."""


@shape(ImportSerializer, leaving=["errors"])
class Import:
    """A file of candidates being imported."""

    @strawberry.field(description="What is wrong with the first lines at fault; `importErrors` has them all.")
    def errors(self, root: strawberry.Parent[Any]) -> list[ImportFault]:
        found: Any = list(first_faults(root))
        return list(found)


@shape(ExportSerializer)
class Export:
    """A file to which enrollments are written."""


@body(ExportBody)
class NewExport:
    """Which enrollments to write, and in which format; filters are combined with AND."""


@strawberry.type
class FilesQuery:
    """Imports and exports of enrollments."""

    @strawberry.field(name="import", extensions=[Needs(READ)], description="The progress of an import.")
    def import_(self, info: Info, id: strawberry.ID) -> Import:
        return get_import(workspace_id=caller_of(info).workspace_id, cuid=id)  # type: ignore[return-value]

    @strawberry.field(extensions=[Needs(READ)], description="The faults of an import's lines, latest first.")
    def import_errors(
        self, info: Info, id: strawberry.ID, first: First = FIRST, after: After = None
    ) -> Connection[ImportFault]:
        job = get_import(workspace_id=caller_of(info).workspace_id, cuid=id)
        faults: QuerySet[ImportFaultRow] = job.faults.all()
        return by_number(faults, first=first, after=after)

    @strawberry.field(extensions=[Needs(READ)], description="The progress of an export, and the address of its file.")
    def export(self, info: Info, id: strawberry.ID) -> Export:
        return find_export(workspace_id=caller_of(info).workspace_id, cuid=id)  # type: ignore[return-value]


@strawberry.type
class FilesMutation:
    """Starting and controlling imports and exports."""

    @strawberry.mutation(
        extensions=[Needs(WRITE)],
        description="Delete the enrollments that an import made and change back what it changed, unless something was "
        "decided since.",
    )
    def undo_import(self, info: Info, id: strawberry.ID) -> Import:
        caller = caller_of(info)
        found = get_import(workspace_id=caller.workspace_id, cuid=id)
        return undo_import(job_id=found.pk, actor=caller.actor, now=utc_now())  # type: ignore[return-value]

    @strawberry.mutation(extensions=[Needs(READ)], description="Export the enrollments of an instance to a file.")
    def export_enrollments(self, info: Info, input: NewExport) -> Export:
        asked = checked(ExportBody, input)
        return order_export(caller_of(info), asked)  # type: ignore[return-value]
