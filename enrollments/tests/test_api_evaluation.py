"""Evaluating an instance and trying criteria, over HTTP and with the command."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.models import Workspace
from accounts.tests.factories import WorkspaceFactory
from core.clock import utc_now
from enrollments.eligibility.criteria import list_criteria
from enrollments.evaluation import evaluate_candidates
from enrollments.models import EligibilityVerdict, Enrollment, EvaluationJob, ProgramInstance
from events.models import OutboxEvent
from notifications.models import Notification

from .criteria import set_criterion
from .factories import CandidateFactory, InstanceFactory
from .integrators import Api, fields

pytestmark = pytest.mark.django_db

ADULT = {"name": "Age", "expression": "metadata.age >= 18", "otherwise": "Too young"}


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def api(workspace: Workspace) -> Api:
    return Api(workspace)


@pytest.fixture
def instance(workspace: Workspace) -> ProgramInstance:
    return set_criterion(InstanceFactory(workspace=workspace), "metadata.age >= 18", otherwise="Too young")


def enroll(instance: ProgramInstance, **metadata: Any) -> Enrollment:
    return CandidateFactory(instance=instance, workspace=instance.workspace, metadata=metadata)


@pytest.mark.sqlite
class TestEvaluatingAnInstance:
    def test_is_accepted_and_can_be_followed(self, api: Api, instance: ProgramInstance) -> None:
        enroll(instance, age=18)
        enroll(instance, age=17)
        enroll(instance)

        asked = api.post(f"/api/programInstances/{instance.cuid}/evaluate", {})
        again = api.post(f"/api/programInstances/{instance.cuid}/evaluate/", {})
        evaluate_candidates(job_id=EvaluationJob.objects.get().pk, now=utc_now())
        followed = api.get(f"/api/jobs/{asked.json()['id']}").json()

        assert (asked.status_code, asked.json()["status"], asked.json()["total"]) == (202, "queued", 3)
        assert again.json()["id"] == asked.json()["id"]
        assert (followed["status"], followed["done"]) == ("completed", 3)
        assert followed["counts"] == {"eligible": 1, "ineligible": 1, "undecided": 1}

    def test_of_another_workspace_is_not_found(self, api: Api) -> None:
        theirs = InstanceFactory()

        answer = api.post(f"/api/programInstances/{theirs.cuid}/evaluate", {})

        assert (answer.status_code, EvaluationJob.objects.count()) == (404, 0)


class TestTryingCriteria:
    def test_counts_and_lists_what_everybody_would_become(self, api: Api, instance: ProgramInstance) -> None:
        young = enroll(instance, age=17)

        answer = api.post(
            f"/api/programInstances/{instance.cuid}/criteria/try",
            {"criteria": [ADULT], "sample": {"metadata": {"age": 30}}},
        ).json()

        assert (answer["total"], answer["changing"]) == (1, 1)
        assert answer["counts"] == {"eligible": 0, "ineligible": 1, "undecided": 0}
        assert answer["enrollments"] == [
            {
                "id": young.cuid,
                "status": "candidate",
                "wouldBe": "ineligible",
                "outcome": "ineligible",
                "reason": "Too young",
            }
        ]
        assert answer["sample"]["outcome"] == "eligible"
        assert answer["sample"]["answers"][0]["inputs"] == {"metadata.age": 30}
        assert EligibilityVerdict.objects.count() == OutboxEvent.objects.count() == 0

    def test_names_what_is_wrong(self, api: Api, instance: ProgramInstance) -> None:
        url = f"/api/programInstances/{instance.cuid}/criteria/try"

        faulty = api.post(url, {"criteria": [ADULT, ADULT | {"name": "B", "expression": "metadata.age >"}]})
        unknown = api.post(url, {"criteria": [ADULT], "sample": {"ag": 1}})

        assert (faulty.status_code, fields(faulty)) == (422, ["criteria[1].expression"])
        assert "Line 1, column 15" in faulty.json()["errors"][0]["detail"]
        assert (unknown.status_code, fields(unknown)) == (422, ["sample.ag"])
        assert [criterion.name for criterion in list_criteria(instance.pk)] == ["The only one"]

    def test_tells_families_unless_the_caller_says_otherwise(self, api: Api, instance: ProgramInstance) -> None:
        path = f"/api/programInstances/{instance.cuid}/evaluate"

        wrong = api.post(path, {"tellFamilies": "perhaps"})
        quiet = api.post(path, {"tellFamilies": False})
        EvaluationJob.objects.update(status="completed", finished_at=utc_now())
        told = api.post(path, {})

        assert (wrong.status_code, fields(wrong)) == (422, ["tellFamilies"])
        assert [EvaluationJob.objects.get(cuid=made.json()["id"]).options for made in (quiet, told)] == [
            {"are_families_told": False},
            {"are_families_told": True},
        ]


class TestTheCommand:
    def run(self, *arguments: str) -> dict[str, Any]:
        printed = StringIO()
        call_command("evaluate_eligibility", *arguments, "--json", stdout=printed)
        found: dict[str, Any] = json.loads(printed.getvalue())
        return found

    @pytest.mark.sqlite
    def test_evaluates_here_and_now(self, instance: ProgramInstance) -> None:
        young = enroll(instance, age=17)

        report = self.run("--instance", instance.cuid)

        assert (report["status"], report["done"], report["ineligible"]) == ("completed", 1, 1)
        assert Enrollment.objects.get(pk=young.pk).eligibility_status == "ineligible"

    def test_tells_families_unless_it_is_told_not_to(self, instance: ProgramInstance) -> None:
        enroll(instance, age=18)
        self.run("--instance", instance.cuid, "--tell-nobody")
        nobody = Notification.objects.count()
        enroll(instance, age=19)

        self.run("--instance", instance.cuid)

        assert (nobody, Notification.objects.count()) == (0, 1)

    def test_only_counts_with_dry_run(self, instance: ProgramInstance) -> None:
        young = enroll(instance, age=17)

        report = self.run("--instance", str(instance.pk), "--dry-run")

        assert (report["done"], report["eligible"], report["ineligible"]) == (1, 0, 1)
        assert Enrollment.objects.get(pk=young.pk).eligibility_status == "candidate"
        assert EvaluationJob.objects.count() == 0

    def test_refuses_an_instance_that_does_not_exist(self) -> None:
        with pytest.raises(CommandError, match="no program instance"):
            self.run("--instance", "c" * 24)
