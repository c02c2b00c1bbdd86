"""Breaches of the invariant of what waits for staff, and near misses."""

from accounts.models import StaffTask
from accounts.tests.factories import LearnerFactory

from .world import World, a_task_about, breaks, spares


@breaks("backoffice.open_tasks_are_about_rows_that_exist")
def a_question_about_somebody_who_is_gone(world: World) -> str:
    workspace = world.cohort.instance.workspace
    learner = LearnerFactory(workspace=workspace)
    task = a_task_about(f"learner:{learner.pk}/learner:{learner.pk + 1}", workspace)
    return f"staff task {task.pk}"


@spares("backoffice.open_tasks_are_about_rows_that_exist")
def a_question_that_was_answered_before(world: World) -> None:
    a_question_about_somebody_who_is_gone(world)
    StaffTask.objects.filter(kind="to_decide").update(status="done")


@spares("backoffice.open_tasks_are_about_rows_that_exist")
def a_question_about_what_has_no_page(world: World) -> None:
    a_task_about("stripe-event:evt_1", world.cohort.instance.workspace)
