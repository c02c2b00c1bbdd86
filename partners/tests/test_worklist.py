"""The worklist of a partner without an API: exported as CSV, and imported with its results."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError

from accounts.models import Learner
from core.errors import Invalid
from enrollments.models import Enrollment
from enrollments.tests.factories import STAFF
from partners.interventions import skip_step
from partners.models import EnrollmentStep, Provider, StepTransition
from partners.worklist import Outcome, import_results
from tests.commands import run, run_json

from .breaches import breaches
from .factories import NOON, approved, statuses, steps_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def enrollment() -> Enrollment:
    made = approved(now=NOON)
    Provider.objects.update(adapter="manual", base_url="", api_key="")
    return made


@pytest.fixture
def step(enrollment: Enrollment) -> EnrollmentStep:
    return steps_of(enrollment)[0]


def bring(step: EnrollmentStep, text: str, **more: Any) -> Outcome:
    file = io.BytesIO(text.encode())
    return import_results(provider=step.provider, file=file, actor=STAFF, now=NOON, **more)


def faults(outcome: Outcome) -> list[tuple[int, str, str]]:
    return [(line, fault.field, fault.code) for line, fault in outcome.faults]


class TestTheWorklist:
    @pytest.mark.sqlite
    def test_comes_back_as_it_went_out_with_results(self, enrollment: Enrollment, step: EnrollmentStep) -> None:
        (row,) = csv.DictReader(io.StringIO(run("export_partner_worklist", step.provider.slug)))
        assert (row["step"], row["course"], row["status"]) == (step.cuid, "course-1", "queued")

        out = io.StringIO()
        writer = csv.DictWriter(out, list(row))
        writer.writeheader()
        writer.writerow({**row, "result": "completed", "external_id": "e-1"})
        outcome = bring(step, out.getvalue())

        assert (outcome.changed, outcome.faults) == (1, [])
        assert statuses(enrollment) == ["completed", "queued"]
        assert breaches(now=NOON) == set()

    def test_holds_nothing_that_a_spreadsheet_would_carry_out(self, step: EnrollmentStep) -> None:
        Learner.objects.update(first_name="=1+1")

        (row,) = csv.DictReader(io.StringIO(run("export_partner_worklist", step.provider.slug)))

        assert row["first_name"] == "'=1+1"

    def test_is_refused_for_an_unknown_partner(self) -> None:
        with pytest.raises(CommandError, match="no partner nowhere"):
            run("export_partner_worklist", "nowhere")


class TestAFileOfResults:
    def test_changes_nothing_when_it_is_brought_again(self, step: EnrollmentStep) -> None:
        text = f"step,result,external_id\n{step.cuid},completed,e-1\n"
        bring(step, text)
        before = StepTransition.objects.count()

        outcome = bring(step, text)

        assert (outcome.changed, outcome.unchanged, outcome.faults) == (0, 1, [])
        assert StepTransition.objects.count() == before

    def test_changes_nothing_when_it_is_rehearsed(self, enrollment: Enrollment, step: EnrollmentStep) -> None:
        outcome = bring(step, f"step,result,external_id\n{step.cuid},accepted,e-1\n", dry_run=True)

        assert outcome.changed == 1
        assert statuses(enrollment) == ["queued", "pending"]

    def test_may_be_separated_by_semicolons_and_passes_over_what_is_empty(
        self, enrollment: Enrollment, step: EnrollmentStep
    ) -> None:
        outcome = bring(step, f"\ufeffStep;Result;External_id\n\n{step.cuid};;\n{step.cuid};Accepted;'=7\n")

        assert (outcome.changed, outcome.unchanged) == (1, 0)
        assert statuses(enrollment) == ["in_progress", "pending"]
        assert steps_of(enrollment)[0].external_enrollment_id == "=7"

    def test_has_a_refusal_become_a_failed_step(self, enrollment: Enrollment, step: EnrollmentStep) -> None:
        text = f"step,result,reason\n{step.cuid},refused,{'Too young. ' * 500}\n"

        assert [bring(step, text).changed for _ in range(2)] == [1, 0]
        assert statuses(enrollment) == ["failed", "pending"]

    def test_names_line_and_column_of_each_mistake_and_takes_the_others(
        self, enrollment: Enrollment, step: EnrollmentStep
    ) -> None:
        second = steps_of(enrollment)[1]
        rows = [
            "unknown,accepted,e-1,",
            f"{second.cuid},accepted,e-1,",  # of another partner
            f"{step.cuid},done,e-1,",
            f"{step.cuid},accepted,,",
            f"{step.cuid},refused,,",
            f"{step.cuid},accepted,{'x' * 256},",
            f"{step.cuid},accepted,e-1,",
            f"{step.cuid},completed,e-2,",
            f"{step.cuid},refused,,Too late",
        ]

        outcome = bring(step, "\n".join(["step,result,external_id,reason", *rows]))

        assert faults(outcome) == [
            (2, "step", "step_not_found"),
            (3, "step", "step_not_found"),
            (4, "result", "unknown"),
            (5, "external_id", "required"),
            (6, "reason", "required"),
            (7, "external_id", "invalid"),
            (9, "external_id", "step_has_another_id"),
            (10, "result", "not_now"),
        ]
        assert outcome.changed == 1
        assert statuses(enrollment) == ["in_progress", "pending"]

    def test_does_not_undo_what_staff_decided(self, enrollment: Enrollment, step: EnrollmentStep) -> None:
        skip_step(step_id=step.pk, reason="Knows it", actor=STAFF, now=NOON)

        outcome = bring(step, f"step,result,external_id\n{step.cuid},completed,e-1\n")

        assert faults(outcome) == [(2, "result", "not_now")]
        assert statuses(enrollment) == ["skipped", "queued"]

    @pytest.mark.parametrize("text", ["", "step\nx\n", 'step,result\n"x,accepted\n'])
    def test_that_is_none_is_refused(self, step: EnrollmentStep, text: str) -> None:
        with pytest.raises(Invalid) as refusal:
            bring(step, text)

        assert refusal.value.errors[0].field == "file"

    def test_is_not_taken_for_a_partner_with_an_api(self, step: EnrollmentStep) -> None:
        Provider.objects.update(adapter="rest", base_url="https://acme.example.test")
        step.provider.refresh_from_db()

        with pytest.raises(Invalid, match="has an API"):
            bring(step, "step,result\n")

    def test_is_brought_by_a_command(self, step: EnrollmentStep, tmp_path: Path) -> None:
        file = tmp_path / "results.csv"
        file.write_text(f"step,result,external_id\n{step.cuid},accepted,e-1\nother,accepted,e-2\n")

        with pytest.raises(SystemExit) as ended:
            run_json("import_partner_results", step.provider.slug, str(file))
        file.write_text(f"step,result,external_id\n{step.cuid},accepted,e-1\n")

        assert ended.value.code == 1
        assert run_json("import_partner_results", step.provider.slug, str(file)) == {
            "dry_run": False,
            "changed": 0,
            "unchanged": 1,
            "faults": [],
        }
