"""An enrollment's story on the pages of everything it involves."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.api_keys import create_api_key
from accounts.models import Learner, StaffTask, Workspace
from accounts.roles import get_staff_access
from accounts.staff_tasks import raise_staff_task
from accounts.states import Role
from accounts.task_kinds import UNANSWERED
from accounts.tests.factories import MembershipFactory, UserFactory, WorkspaceFactory
from backoffice.actors import name_actors
from backoffice.tests.staff_client import StaffClient
from core.actors import Actor
from core.clock import utc_now
from enrollments.lifecycle import evaluate_enrollment, submit_enrollment
from enrollments.models import Enrollment
from enrollments.task_kinds import NOT_EVALUATED
from enrollments.tests.factories import CandidateFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def reviewer(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.REVIEWER)


@pytest.fixture
def enrollment(workspace: Workspace, reviewer: StaffClient) -> Enrollment:
    reviewer.user.first_name = "Rita"
    reviewer.user.save()
    candidate = CandidateFactory(workspace=workspace)
    evaluate_enrollment(enrollment_id=candidate.pk, actor=Actor("user", reviewer.user.pk), now=utc_now())
    return submit_enrollment(enrollment_id=candidate.pk, actor=Actor("user", reviewer.user.pk), now=utc_now())


def page_of(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def raise_tasks(enrollment: Enrollment, count: int) -> None:
    now = utc_now()
    StaffTask.objects.bulk_create(
        StaffTask(
            workspace=enrollment.workspace,
            kind=UNANSWERED.name,
            subject=f"enrollment:{enrollment.cuid}",
            summary=f"Task {number}",
            status="done",
            created_at=now,
        )
        for number in range(count)
    )


class TestTheStory:
    def test_tells_what_happened_and_who_did_it(self, enrollment: Enrollment, reviewer: StaffClient) -> None:
        for row in (enrollment, enrollment.learner):
            story = reviewer.get(page_of(row)).context["story"]

            changed = [line for line in story.lines if line.happening.title == f"{enrollment.instance}: eligibility"]
            assert {line.by for line in changed} == {reviewer.user.get_full_name()}
            assert [line.at for line in story.lines] == sorted((line.at for line in story.lines), reverse=True)
            assert any(str(line.happening.title).startswith("Mail: ") for line in story.lines)

    def test_tells_of_tasks_that_name_the_enrollment_by_number(
        self, enrollment: Enrollment, reviewer: StaffClient
    ) -> None:
        subject = f"enrollment:{enrollment.pk}"
        raise_staff_task(workspace_id=enrollment.workspace_id, kind=NOT_EVALUATED, subject=subject, summary="No age.")

        story = reviewer.get(page_of(enrollment)).context["story"]

        assert [line.happening.title for line in story.lines].count("No age.") == 1

    def test_is_told_page_by_page_without_losing_what_happened_at_once(
        self, enrollment: Enrollment, reviewer: StaffClient
    ) -> None:
        raise_tasks(enrollment, 60)
        told: list[str] = []
        url = page_of(enrollment)
        while url:
            story = reviewer.get(url).context["story"]
            told += [str(line.happening.title) for line in story.lines]
            url = page_of(enrollment) + story.older_url.partition("#")[0] if story.older_url else ""

        tasks = [title for title in told if re.fullmatch(r"Task \d+", title)]
        assert sorted(tasks) == sorted({f"Task {number}" for number in range(60)})

    @pytest.mark.parametrize(
        "query",
        [
            {"before": "x"},
            {"before": "2026-01-01"},
            {"before": "9999-99-99T00:00:00Z"},
            {"before": "0001-01-01T00:00Z"},
        ],
    )
    def test_knows_its_places(self, enrollment: Enrollment, reviewer: StaffClient, query: dict[str, str]) -> None:
        assert reviewer.get(page_of(enrollment), query).status_code == 400

    def test_asks_as_much_for_a_long_one_as_for_a_short_one(
        self, enrollment: Enrollment, reviewer: StaffClient
    ) -> None:
        raise_tasks(enrollment, 1)
        reviewer.get(page_of(enrollment))
        with CaptureQueriesContext(connection) as short:
            reviewer.get(page_of(enrollment))
        raise_tasks(enrollment, 10)
        with CaptureQueriesContext(connection) as long:
            reviewer.get(page_of(enrollment))

        assert len(long) == len(short)


class TestAnActor:
    def test_is_named_to_colleagues_only(self, workspace: Workspace, reviewer: StaffClient) -> None:
        colleague = MembershipFactory(workspace=workspace, user__first_name="Ana").user
        elsewhere = MembershipFactory(user__first_name="Eve").user
        parent = UserFactory(first_name="Pam", is_staff=False)
        key, _ = create_api_key(workspace_id=workspace.pk, name="Portal", scopes=["decisions:read"], now=utc_now())
        theirs, _ = create_api_key(
            workspace_id=WorkspaceFactory().pk, name="Secret", scopes=["decisions:read"], now=utc_now()
        )
        users = [f"user:{user.pk}" for user in (colleague, elsewhere, parent)]

        names = name_actors(
            get_staff_access(reviewer.user), [*users, f"key:{key.pk}", f"key:{theirs.pk}", "system", "user:0"]
        )

        assert [names[text] for text in users] == [colleague.get_full_name(), "Former staff", "The family"]
        assert names[f"key:{key.pk}"] == "API key Portal"
        assert names[f"key:{theirs.pk}"] == f"Key {theirs.pk}"
        assert names["system"] == "The platform"
        assert names["user:0"] == "User 0"


def test_a_learner_without_anything_has_an_empty_story(workspace: Workspace, reviewer: StaffClient) -> None:
    learner = Learner.objects.create(workspace=workspace, first_name="A", last_name="B", email="a@example.test")

    assert reviewer.get(page_of(learner)).context["story"].lines == []
