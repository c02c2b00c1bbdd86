"""The worklist of a partner without an API in the back office."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import Workspace
from accounts.states import Role
from backoffice.tests.staff_client import StaffClient
from partners.models import EnrollmentStep, Provider

from .factories import NOON, approved, steps_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def step() -> EnrollmentStep:
    made = steps_of(approved(now=NOON))[0]
    Provider.objects.update(adapter="manual", base_url="", api_key="")
    return made


@pytest.fixture
def staff(step: EnrollmentStep) -> Client:
    return StaffClient(workspace=step.enrollment.workspace, role=Role.REVIEWER)


def page(step: EnrollmentStep, action: str) -> str:
    return reverse(f"admin:partners_provider_{action}", args=[step.provider_id])


def send(staff: Client, step: EnrollmentStep, text: str) -> Any:
    return staff.post(page(step, "results"), {"file": SimpleUploadedFile("results.csv", text.encode())})


def status_of(step: EnrollmentStep) -> str:
    return EnrollmentStep.objects.get(pk=step.pk).status


class TestTheWorklist:
    def test_is_a_file_of_those_whom_the_partner_teaches(self, staff: Client, step: EnrollmentStep) -> None:
        answer = staff.post(page(step, "worklist"))

        assert answer["Content-Disposition"] == f'attachment; filename="worklist-{step.provider.slug}.csv"'
        assert step.cuid in answer.content.decode("utf-8-sig")

    def test_is_not_for_those_who_only_look(self, step: EnrollmentStep) -> None:
        workspace = Workspace.objects.get(pk=step.enrollment.workspace_id)

        answer = StaffClient(workspace=workspace, role=Role.VIEWER).post(page(step, "worklist"))

        assert answer.status_code == 403


class TestAFileOfResults:
    def test_is_previewed_and_then_recorded_as_it_was_seen(self, staff: Client, step: EnrollmentStep) -> None:
        text = f"step,result,external_id\n{step.cuid},accepted,e-1\nnobody,accepted,e-2\n"

        seen = send(staff, step, text)

        assert "To be recorded: 1." in seen.content.decode()
        assert "Line 3, step:" in seen.content.decode()
        assert status_of(step) == "queued"

        held = seen.context["form"]["held"].value()
        staff.post(page(step, "results"), {"held": held, "_confirm": "1"})

        assert status_of(step) == "in_progress"

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("", "The submitted file is empty."),
            ("step,outcome\n", "Missing in the header: result."),
            ("step,result\n" + "nobody,accepted\n" * 1001, "1,000 are taken at once"),
            ("x" * 5_000_001, "The file is larger than 5 MB."),
        ],
    )
    def test_that_is_no_such_file_is_refused(self, staff: Client, step: EnrollmentStep, text: str, told: str) -> None:
        answer = send(staff, step, text)

        assert told in answer.content.decode()
        assert status_of(step) == "queued"

    @pytest.mark.parametrize("held", ["", "no base64", "eJw="])
    def test_has_to_be_chosen(self, staff: Client, step: EnrollmentStep, held: str) -> None:
        answer = staff.post(page(step, "results"), {"held": held, "_confirm": "1"})

        assert "Choose the file" in answer.content.decode()
        assert status_of(step) == "queued"
