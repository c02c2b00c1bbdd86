"""Instances with a form, and people who fill it in."""

import io
import re
from typing import Any

import factory
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from core.ids import new_cuid
from core.tests.factories import RowFactory
from enrollments.models import ApplicationQuestion, ProgramInstance
from enrollments.states import QuestionKind, ReviewMode

from .factories import InstanceFactory

PDF = b"%PDF-1.7\n1 0 obj\nendobj\n%%EOF\n"
_LINK = re.compile(r"/applications/\S+")


class QuestionFactory(RowFactory[ApplicationQuestion]):
    class Meta:
        model = ApplicationQuestion

    instance = factory.SubFactory(InstanceFactory)
    position = factory.Sequence(lambda n: n)
    label = factory.Sequence(lambda n: f"Question {n}")
    is_required = False


def instance_with_form(**fields: Any) -> ProgramInstance:
    """Return a free instance that staff review, with its form open."""
    return InstanceFactory(**{"takes_applications": True, "price": None, "review_mode": ReviewMode.MANUAL} | fields)


def ask(instance: ProgramInstance, kind: QuestionKind = QuestionKind.SHORT_TEXT, **fields: Any) -> ApplicationQuestion:
    return QuestionFactory(instance=instance, kind=kind, **fields)


def form_url(instance: ProgramInstance) -> str:
    return reverse("apply", args=[instance.program.code, instance.cuid])


def typed(**fields: Any) -> dict[str, Any]:
    """Return what Ann types for her daughter Mia."""
    return {
        "submission": new_cuid(),
        "website": "",
        "applicant": "guardian",
        "email": "ann@home.test",
        "first_name": "Mia",
        "last_name": "Doe",
        "grade_level": "7",
        "school": "Hill School",
    } | fields


def answer_to(question: ApplicationQuestion, value: Any) -> dict[str, Any]:
    return {f"q_{question.pk}": value}


def pdf(name: str = "report.pdf", content: bytes = PDF) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type="text/html")


def fill_in(instance: ProgramInstance, client: Client | None = None, **fields: Any) -> Any:
    """Send the form; return the page that it leads to."""
    return (client or Client()).post(form_url(instance), typed(**fields))


def mailed_link() -> str:
    """Return the URL in the newest mail."""
    found = _LINK.search(str(mail.outbox[-1].body))
    assert found is not None
    return found[0]


def press(link: str, do: str = "confirm", client: Client | None = None, **typed: str) -> Any:
    return (client or Client()).post(link, {"do": do} | typed)


def apply(instance: ProgramInstance, **fields: Any) -> Any:
    """Send the form and confirm the address; return the page that the button leads to."""
    fill_in(instance, **fields)
    return press(mailed_link())


def large(megabytes: float) -> io.BytesIO:
    return io.BytesIO(PDF + b"0" * int(megabytes * 1_000_000))
