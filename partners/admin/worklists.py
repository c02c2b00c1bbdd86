"""The worklist, in the back office, of a partner without an API: exported as a file, and imported with results."""

import base64
import binascii
import csv
import io
import zlib
from typing import Any

from django import forms
from django.http import HttpResponse

from backoffice.actions import StaffForm
from backoffice.previews import Preview
from backoffice.scoping import actor_of
from core.clock import utc_now

from ..models import Provider
from ..states import Adapter
from ..worklist import Outcome, import_results, list_work

MAX_BYTES = 5_000_000
MAX_RESULTS = 1_000  # in one file, since the person who uploads it waits for the result
MAX_HELD = 800_000  # characters that a form may carry in addition to files
FAULTS_TOLD = 50


class ResultsForm(StaffForm):
    """Accepts a file, and carries its contents through the preview: exactly what was previewed is recorded."""

    file = forms.FileField(
        required=False,
        label="File of results",
        help_text="The worklist as CSV of at most 5 MB, with accepted, completed or refused in the column result of at "
        "most 1,000 lines.",
    )
    held = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        file = cleaned.get("file")
        if file is not None and file.size > MAX_BYTES:
            self.add_error("file", "The file is larger than 5 MB. Send it in parts.")
        elif file is not None:
            cleaned["content"] = file.read()
            self._hold(cleaned["content"])
        elif cleaned.get("held"):
            cleaned["content"] = _unpack(cleaned["held"])
            if cleaned["content"] is None:
                self.add_error("file", "Choose the file again.")
        elif "file" not in self.errors:
            self.add_error("file", "Choose the file.")
        return cleaned

    def _hold(self, content: bytes) -> None:
        held = base64.b64encode(zlib.compress(content, 9)).decode()
        if len(held) > MAX_HELD:
            self.add_error("file", "The file has too much in it for one page. Send it in parts.")
        self.data = {**self.data, "held": held}


def _unpack(held: str) -> bytes | None:
    """Return what a form carries; None if we did not produce it."""
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(base64.b64decode(held, validate=True), MAX_BYTES + 1)
    except (binascii.Error, ValueError, zlib.error):
        return None
    return content if unpacking.eof and len(content) <= MAX_BYTES else None


def has_no_api(provider: Provider) -> bool:
    return provider.adapter == Adapter.MANUAL


def worklist_file(provider: Provider) -> HttpResponse:
    """Return the file, which begins with the mark by which spreadsheets recognize UTF-8."""
    out = io.StringIO()
    csv.writer(out).writerows(list_work(provider))
    response = HttpResponse(out.getvalue().encode("utf-8-sig"), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="worklist-{provider.slug}.csv"'
    response["Cache-Control"] = "no-store"
    return response


def foresee_results(provider: Provider, form: StaffForm) -> Preview:
    """Preview what the file would change, and the mistakes in it."""
    found = record_results(form, provider, is_rehearsal=True)
    sentences = [
        f"To be recorded: {found.changed:,}.",
        f"Known already, and left as they are: {found.unchanged:,}.",
        f"Lines with a mistake, which change nothing: {len(found.faults):,}.",
        *describe_faults(found),
    ]
    return Preview(tuple(sentences), mails="Families are mailed as after any other completion.")


def record_results(form: StaffForm, provider: Provider, *, is_rehearsal: bool = False) -> Outcome:
    return import_results(
        provider=provider,
        file=io.BytesIO(form.cleaned_data["content"]),
        at_most=MAX_RESULTS,
        dry_run=is_rehearsal,
        actor=actor_of(form.request),
        now=utc_now(),
    )


def describe_faults(found: Outcome) -> list[str]:
    """Describe the first mistakes by line and column."""
    told = [f"Line {line:,}, {fault.field}: {fault.detail}" for line, fault in found.faults[:FAULTS_TOLD]]
    if len(found.faults) > FAULTS_TOLD:
        told.append(f"… and {len(found.faults) - FAULTS_TOLD:,} more.")
    return told
