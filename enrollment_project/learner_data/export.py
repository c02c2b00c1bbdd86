"""All data stored about a learner, as a zip: a page to read, a JSON file for each kind of data, and the documents."""

import datetime as dt
import json
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, Any

import structlog
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils.text import get_valid_filename

from accounts.models import FamilySignIn, Learner
from backoffice.auditing.recording import record_departure
from billing.invoice_files import fetch_invoice, is_kept_by_vendor
from billing.invoice_files import file_name as name_of_invoice
from billing.models import Invoice
from billing.states import UNISSUED_INVOICES
from cohorts.models import StudentPackage
from core.actors import Actor
from core.errors import NotFound
from enrollments.application.answers import tell_answers
from enrollments.models import ApplicationFile, Enrollment, EnrollmentDecision
from partners.certificate_paper import file_name as name_of_certificate
from partners.certificate_paper import render_certificate
from partners.models import Certificate

from .stored import KINDS, StoredKind, count_stored

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of data in the zip, as its page describes it."""

    kind: StoredKind
    count: int

    @property
    def file(self) -> str:
        return f"data/{self.kind.name}.json"


def get_learner(*, cuid: str) -> Learner:
    """Return a learner who was not merged or erased. Raise NotFound."""
    learner = Learner.objects.live().filter(cuid=cuid).select_related("workspace").first()
    if learner is None:
        raise NotFound("There is no such learner, or it was merged into another one.")
    return learner


def list_parts(learner: Learner) -> list[Part]:
    """Return the kinds of data stored about the learner, in the order of the page."""
    counts = count_stored([learner.pk])[learner.pk]
    return [Part(kind, counts[kind.name]) for kind in KINDS if counts.get(kind.name)]


def export_learner(
    *, learner: Learner, reader: str, sign_ins: Sequence[FamilySignIn] = (), actor: Actor, now: dt.datetime
) -> IO[bytes]:
    """Write the zip to a temporary file and rewind it; closing the file deletes it. Holds one row at a time in memory.

    `reader` is the recipient's address: the zip contains invoices issued to that address and no others. `sign_ins` are
    the recipient's own, when the family itself downloads the zip. Documents kept by an invoicing service are not
    fetched; families find them beside the enrollment. The audit log records who took the zip.
    """
    parts = list_parts(learner)
    made = TemporaryFile()  # noqa: SIM115  # the caller closes it
    try:
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
            for part in parts:
                with archive.open(part.file, "w") as out:
                    _write_rows(out, part.kind.list_rows(learner.pk))
            papers = [
                *_write_answers(archive, learner),
                *_write_files(archive, learner),
                *_write_certificates(archive, learner),
                *_write_invoices(archive, learner, reader),
            ]
            browsers = _write_sign_ins(archive, sign_ins)
            context = {"learner": learner, "parts": parts, "papers": papers, "browsers": browsers, "now": now}
            page = render_to_string("family/export.html", context)
            archive.writestr("index.html", page)
        record_departure(
            actor=actor,
            action="Downloaded all that is stored",
            model=Learner._meta.label_lower,
            object_id=learner.pk,
            workspace_id=learner.workspace_id,
            now=now,
        )
    except BaseException:
        made.close()
        raise
    made.seek(0)
    log.info("learner_exported", learner=learner.pk, workspace=learner.workspace_id, actor=str(actor))
    return made


def _write_rows(out: IO[bytes], rows: Iterator[dict[str, Any]]) -> None:
    out.write(b"[")
    for index, row in enumerate(rows):
        out.write(b",\n" if index else b"\n")
        out.write(json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False).encode())
    out.write(b"\n]\n")


def _write_sign_ins(archive: zipfile.ZipFile, sign_ins: Sequence[FamilySignIn]) -> str:
    """Write the browsers in which the recipient is signed in; return the file's name, or nothing if there are none."""
    if not sign_ins:
        return ""
    name = "data/browsers.json"
    columns = ("browser", "system", "began_at", "last_used_date")
    with archive.open(name, "w") as out:
        _write_rows(out, ({column: getattr(each, column) for column in columns} for each in sign_ins))
    return name


def _write_answers(archive: zipfile.ZipFile, learner: Learner) -> Iterator[str]:
    """Write the answers given in application forms, with the questions as worded."""
    name = "data/answers.json"
    applied = Enrollment.objects.filter(learner=learner, applications__isnull=False).distinct().order_by("pk")
    rows = [
        {"enrollment": enrollment.cuid, "question": told.question, "answer": told.text}
        for enrollment in applied
        for told in tell_answers(enrollment)
    ]
    if rows:
        with archive.open(name, "w") as out:
            _write_rows(out, iter(rows))
        yield name


def _write_files(archive: zipfile.ZipFile, learner: Learner) -> Iterator[str]:
    """Write the files uploaded with applications. Skip a file that a crash left without content."""
    uploaded = ApplicationFile.objects.filter(application__enrollment__learner=learner).order_by("pk")
    for file in uploaded.iterator(chunk_size=100):
        name = f"files/{file.cuid}-{get_valid_filename(file.name)}"
        try:
            content = file.content.open("rb")
        except FileNotFoundError:
            continue
        with content, archive.open(name, "w") as out:
            shutil.copyfileobj(content, out)
        yield name


def _write_certificates(archive: zipfile.ZipFile, learner: Learner) -> Iterator[str]:
    valid = Certificate.objects.live().filter(enrollment__learner=learner).select_related("enrollment__workspace")
    for certificate in valid.order_by("pk"):
        name = f"certificates/{name_of_certificate(certificate)}"
        archive.writestr(name, render_certificate(certificate))
        yield name


def _write_invoices(archive: zipfile.ZipFile, learner: Learner, reader: str) -> Iterator[str]:
    bought = StudentPackage.objects.filter(learner=learner, payment__isnull=False).values("payment")
    funded = EnrollmentDecision.objects.filter(learner=learner, payment__isnull=False).values("payment")
    of_learner = Invoice.objects.filter(Q(payment__in=bought) | Q(payment__in=funded))
    written_to_them = (
        of_learner.filter(buyer_email=reader).exclude(buyer_email="").exclude(status__in=UNISSUED_INVOICES)
    )
    for invoice in written_to_them.select_related("corrects", "payment").order_by("pk"):
        if is_kept_by_vendor(invoice):
            continue
        name = f"invoices/{name_of_invoice(invoice)}"
        archive.writestr(name, fetch_invoice(invoice))
        yield name
