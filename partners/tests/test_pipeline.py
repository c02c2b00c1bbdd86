"""The progress of learners at partners: the figures, over HTTP and on the command line."""

import datetime as dt
import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from core.actors import SYSTEM
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import ProgramInstance
from enrollments.tests.factories import STAFF
from enrollments.tests.integrators import Api
from partners.acceptance import record_refusal
from partners.interventions import skip_step
from partners.models import Provider
from partners.pipeline import PartnerFigures, pipeline_of, pipelines_of
from partners.states import GroupRule

from .factories import NOON, ProviderFactory, accept, approved, complete, instance_with, steps_of

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)
NOW = NOON + 30 * DAY


def busy() -> ProgramInstance:
    """Return two partners in order; at the first one there is a learner in every state at NOW."""
    instance = instance_with((2, GroupRule.ALL_IN_ORDER))

    def first(begun: dt.datetime) -> Any:
        return steps_of(approved(instance, now=begun))[0]

    complete(accept(first(NOON), now=NOON), now=NOON + 2 * DAY)
    complete(accept(first(NOON), now=NOON), now=NOON + 5 * DAY)
    accept(first(NOON), now=NOON)
    first(NOW)
    record_refusal(step_id=first(NOW).pk, reason="No such course", actor=SYSTEM, now=NOW)
    skip_step(step_id=first(NOW).pk, reason="Knows it", actor=STAFF, now=NOW)
    left = accept(first(NOON), now=NOON)
    unenroll_enrollment(enrollment_id=left.enrollment_id, actor=STAFF, reason="Moved away", now=NOON + DAY)
    return instance


def figures(instance: ProgramInstance) -> list[PartnerFigures]:
    """Return the figures in the order of the sequence."""
    found = pipeline_of(workspace_id=instance.workspace_id, now=NOW)
    return sorted(found, key=lambda each: each.provider.pk)


class TestTheFigures:
    def test_count_each_step_once(self) -> None:
        first, second = figures(busy())

        counts = (first.pending, first.in_progress, first.completed, first.failed, first.skipped, first.withdrawn)
        assert counts == (1, 1, 2, 1, 1, 1)
        assert (second.pending, second.withdrawn) == (6, 1)

    def test_tell_how_many_complete_how_many_leave_and_how_long_it_takes(self) -> None:
        first, second = figures(busy())

        assert (first.begun, first.completion_rate, first.drop_off_rate) == (4, 0.5, 0.25)
        assert first.median_days == 3.5
        assert (second.completion_rate, second.drop_off_rate, second.median_days) == (None, None, None)

    def test_tell_the_last_four_weeks_from_those_before(self) -> None:
        first, _ = figures(busy())

        assert (first.lately, first.before) == (1, 1)  # after 5 days and after 2, of 30

    def test_tell_who_is_later_than_agreed_and_who_is_stuck_the_longest_first(self) -> None:
        first, second = figures(busy())

        assert (first.sla_breaches, second.sla_breaches) == (1, 2)  # in progress; never accepted
        assert first.stuck_count == 2
        assert [(each.step.status, each.days) for each in first.stuck] == [("in_progress", 30), ("failed", 0)]

    def test_mark_the_partner_that_holds_up_the_most(self) -> None:
        first, second = figures(busy())

        # The second partner was never asked about two learners, nor about the one who skipped.
        assert (first.stuck_count, second.stuck_count) == (2, 2)
        assert (first.is_bottleneck, second.is_bottleneck) == (True, False)

    @pytest.mark.sqlite
    def test_mark_nobody_where_nobody_is_stuck(self) -> None:
        provider = ProviderFactory()

        [alone] = pipeline_of(workspace_id=provider.workspace_id, now=NOW)

        assert (alone.is_bottleneck, alone.stuck, alone.completed) == (False, [], 0)

    def test_take_as_many_queries_for_many_partners(self, django_assert_num_queries: Any) -> None:
        instance = busy()
        ProviderFactory.create_batch(5, workspace=instance.workspace)
        busy()

        with django_assert_num_queries(10):
            pipeline_of(workspace_id=instance.workspace_id, now=NOW)

    def test_of_several_workspaces_take_no_more_and_mark_a_partner_in_each(
        self, django_assert_num_queries: Any
    ) -> None:
        instances = [busy(), busy()]

        with django_assert_num_queries(10):
            found = pipelines_of(workspace_ids=[each.workspace_id for each in instances], now=NOW)

        for instance in instances:
            alone = pipeline_of(workspace_id=instance.workspace_id, now=NOW)
            assert found[instance.workspace_id] == alone
            assert [each.is_bottleneck for each in alone].count(True) == 1

    def test_show_the_longest_at_each_partner_and_count_them_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("partners.pipeline.STUCK_SHOWN", 1)

        first, second = figures(busy())

        assert (first.stuck_count, second.stuck_count) == (2, 2)
        assert [each.days for each in first.stuck] == [30]
        assert len(second.stuck) == 1


class TestThePipelineByRest:
    def test_has_the_same_figures_and_no_other_workspace(self) -> None:
        instance = busy()
        busy()

        answer = Api(instance.workspace).get("/api/partners/pipeline/").json()

        slugs = set(Provider.objects.filter(workspace=instance.workspace).values_list("slug", flat=True))
        assert {row["partner"] for row in answer["partners"]} == slugs
        row = next(row for row in answer["partners"] if row["completed"])
        assert (row["pending"], row["inProgress"], row["failed"], row["completionRate"]) == (1, 1, 1, 0.5)
        assert {found["whoseTurn"] for found in row["stuck"]} == {"learner", "partner", "us"}


class TestPipelineReport:
    def test_prints_the_same_as_one_object(self) -> None:
        instance = busy()
        out = StringIO()

        call_command("pipeline_report", workspace=instance.workspace.slug, json=True, stdout=out)

        rows = json.loads(out.getvalue())["partners"]
        assert sorted((row["completed"], row["skipped"], row["failed"]) for row in rows) == [(0, 0, 0), (2, 1, 1)]

    def test_says_it_in_words(self) -> None:
        instance = busy()
        out = StringIO()

        call_command("pipeline_report", workspace=instance.workspace.slug, stdout=out)

        assert "1 pending, 1 in progress, 2 completed, 1 failed, 1 skipped" in " ".join(out.getvalue().split())
