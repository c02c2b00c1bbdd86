"""Breaches of the invariants of a course's steps and sessions, and of its tenancy, and near misses."""

from accounts.tests.factories import LearnerFactory, WorkspaceFactory
from cohorts.learning.completion import complete_due_courses
from cohorts.models import ClassSession, CohortSession, CourseStep, CourseStepOption, GroupClass, StepProgress
from cohorts.tests.factories import CohortFactory, CourseFactory
from core.clock import utc_now
from enrollments.models import Enrollment
from tests.constraints import drop_constraint

from .cohorts import a_revoked_package_whose_place_is_released, packages, places, progress, unscheduled_cohort
from .world import Rows, World, breaks, copy, spares

# --- Steps and sessions -----------------------------------------------------------------------------------------------


@breaks("cohorts.booked_counts_equal_their_holders")
def a_session_that_counts_too_many(world: World) -> str:
    session = ClassSession.objects.filter(booked_count=0, cohort_sessions__cohort=world.cohort).order_by("pk")[0]
    ClassSession.objects.filter(pk=session.pk).update(booked_count=1)
    return f"class session {session.pk}"


@breaks("cohorts.booked_counts_equal_their_holders")
def more_booked_than_the_session_seats(world: World) -> str:
    drop_constraint(ClassSession, "class_session_never_overbooked")
    session = progress(world, 1).class_session_id
    ClassSession.objects.filter(pk=session).update(max_students=0)
    return f"class session {session}"


@spares("cohorts.booked_counts_equal_their_holders")
def a_session_whose_last_seat_was_missed(world: World) -> None:
    booked = progress(world, 1)
    StepProgress.objects.filter(pk=booked.pk).update(status="MISSED")
    ClassSession.objects.filter(pk=booked.class_session_id).update(max_students=1)


@breaks("cohorts.one_progress_per_package_and_step")
def a_step_that_is_there_twice(world: World) -> str:
    drop_constraint(StepProgress, "progress_one_per_step")
    StepProgress.objects.bulk_create([copy(progress(world, 2))])
    return f"package {world.package.pk}"


@breaks("cohorts.steps_hold_a_session_while_they_are_seated")
def a_step_that_kept_its_session(world: World) -> Rows:
    drop_constraint(StepProgress, "progress_session_iff_seated")
    booked = progress(world, 1)
    StepProgress.objects.filter(pk=booked.pk).update(status="UNBOOKED")
    return {
        "cohorts.steps_hold_a_session_while_they_are_seated": [f"booking {booked.pk}"],
        "cohorts.booked_counts_equal_their_holders": [f"class session {booked.class_session_id}"],
    }


@breaks("cohorts.steps_hold_a_session_while_they_are_seated")
def a_step_that_was_attended_nowhere(world: World) -> str:
    drop_constraint(StepProgress, "progress_session_iff_seated")
    StepProgress.objects.filter(pk=progress(world, 2).pk).update(status="MISSED")
    return f"booking {progress(world, 2).pk}"


@breaks("cohorts.steps_hold_a_session_of_their_own")
def a_step_booked_where_only_another_cohort_has_a_session(world: World) -> str:
    CohortSession.objects.filter(cohort=world.cohort, step__order=1).update(cohort=unscheduled_cohort(world))
    return f"booking {progress(world, 1).pk}"


@breaks("cohorts.steps_hold_a_session_of_their_own")
def a_step_booked_in_the_option_of_another(world: World) -> str:
    booked = progress(world, 1)
    option = CourseStepOption.objects.filter(step=progress(world, 2).step_id).order_by("pk")[0]
    StepProgress.objects.filter(pk=booked.pk).update(option=option)
    return f"booking {booked.pk}"


@breaks("cohorts.steps_hold_a_session_of_their_own")
def a_step_booked_in_the_session_of_another(world: World) -> Rows:
    booked = progress(world, 1)
    other = CohortSession.objects.filter(cohort=world.cohort, step__order=2).order_by("pk")[0].class_session_id
    StepProgress.objects.filter(pk=booked.pk).update(class_session=other)
    return {
        "cohorts.steps_hold_a_session_of_their_own": [f"booking {booked.pk}"],
        "cohorts.booked_counts_equal_their_holders": [
            f"class session {booked.class_session_id}",
            f"class session {other}",
        ],
    }


@breaks("cohorts.packages_have_every_step")
def a_step_of_another_program(world: World) -> str:
    program = CourseFactory(workspace=world.cohort.instance.workspace)
    step = CourseStep.objects.create(program=program, order=1, label="Week 1", title="Elsewhere")
    foreign = StepProgress.objects.create(package=world.package, step=step)
    return f"booking {foreign.pk}"


@spares("cohorts.packages_have_every_step")
def a_step_of_a_course_that_the_learner_has_not_bought(world: World) -> None:
    program = CourseFactory(workspace=world.cohort.instance.workspace)
    CourseStep.objects.create(program=program, order=1, label="Week 1", title="Elsewhere")


@breaks("cohorts.packages_have_every_step")
def a_package_that_lacks_a_step(world: World) -> str:
    progress(world, 2).delete()
    return f"package {world.package.pk}"


@breaks("cohorts.completion_follows_the_steps")
def a_package_with_every_required_step_done(world: World) -> str:
    """A required step was removed by hand."""
    StepProgress.objects.filter(pk=progress(world, 1).pk).update(status="COMPLETED")
    CourseStep.objects.filter(pk=progress(world, 2).step_id).update(required=False)
    return f"package {world.package.pk}"


@breaks("cohorts.completion_follows_the_steps")
def a_completed_package_whose_participation_goes_on(world: World) -> str:
    packages(world).update(completed_at=utc_now())
    return f"package {world.package.pk}"


@breaks("cohorts.completion_follows_the_steps")
def a_participation_that_ended_without_its_package(world: World) -> Rows:
    Enrollment.objects.filter(pk=world.package.enrollment_id).update(participation_status="completed")
    return {
        "cohorts.completion_follows_the_steps": [f"package {world.package.pk}"],
        "enrollments.facets_equal_their_last_transition": [f"enrollment {world.package.enrollment_id}"],
    }


@spares("cohorts.completion_follows_the_steps")
def a_package_that_is_completed(world: World) -> None:
    a_package_with_every_required_step_done(world)
    assert complete_due_courses(now=utc_now()) == 1


@spares("cohorts.completion_follows_the_steps")
def a_package_that_was_revoked_after_its_participation_had_ended(world: World) -> Rows:
    """Participation ends with the last day of the program."""
    a_revoked_package_whose_place_is_released(world)
    Enrollment.objects.filter(pk=world.package.enrollment_id).update(participation_status="completed")
    return {"enrollments.facets_equal_their_last_transition": [f"enrollment {world.package.enrollment_id}"]}


@breaks("cohorts.open_cohorts_have_sessions")
def an_open_cohort_without_sessions(world: World) -> str:
    cohort = CohortFactory(instance=world.cohort.instance, scheduled=False)
    return f"cohort {cohort.pk}"


@spares("cohorts.open_cohorts_have_sessions")
def a_closed_cohort_without_sessions(world: World) -> None:
    CohortFactory(instance=world.cohort.instance, scheduled=False, is_active=False)


# --- Tenancy ----------------------------------------------------------------------------------------------------------


@breaks("cohorts.cohorts_stay_inside_their_workspace")
def a_place_of_a_foreign_learner(world: World) -> Rows:
    places(world, held=True).update(learner=LearnerFactory())
    return {
        "cohorts.cohorts_stay_inside_their_workspace": [f"place {world.held.pk}"],
        "accounts.foreign_keys_stay_in_their_workspace": [f"place {world.held.pk}"],
    }


@breaks("cohorts.cohorts_stay_inside_their_workspace")
def a_session_of_a_foreign_class(world: World) -> Rows:
    session = CohortSession.objects.get(cohort=world.cohort, step__order=1)
    GroupClass.objects.filter(pk=session.option.group_class_id).update(workspace=WorkspaceFactory())
    return {
        "cohorts.cohorts_stay_inside_their_workspace": [f"cohort session {session.pk}"],
        "accounts.foreign_keys_stay_in_their_workspace": [
            f"cohort session {session.pk}",
            f"course step option {session.option_id}",
            f"booking {progress(world, 1).pk}",
        ],
    }


@breaks("cohorts.cohorts_stay_inside_their_workspace")
def a_session_of_another_program_s_step(world: World) -> Rows:
    session = CohortSession.objects.get(cohort=world.cohort, step__order=1)
    program = CourseFactory(workspace=world.cohort.instance.workspace)
    CourseStep.objects.filter(pk=session.step_id).update(program=program)
    return {
        "cohorts.cohorts_stay_inside_their_workspace": [f"cohort session {session.pk}"],
        "cohorts.packages_have_every_step": [f"booking {progress(world, 1).pk}"],
    }


@breaks("cohorts.cohorts_stay_inside_their_workspace")
def a_session_whose_option_is_another_step_s(world: World) -> str:
    session = CohortSession.objects.filter(cohort=world.cohort, step__order=2).order_by("pk")[0]
    CohortSession.objects.filter(pk=session.pk).update(step=progress(world, 1).step_id)
    return f"cohort session {session.pk}"


@breaks("cohorts.cohorts_stay_inside_their_workspace")
def a_booked_session_whose_option_is_another_step_s(world: World) -> Rows:
    session = CohortSession.objects.get(cohort=world.cohort, step__order=1)
    CohortSession.objects.filter(pk=session.pk).update(step=progress(world, 2).step_id)
    return {
        "cohorts.cohorts_stay_inside_their_workspace": [f"cohort session {session.pk}"],
        "cohorts.steps_hold_a_session_of_their_own": [f"booking {progress(world, 1).pk}"],
    }


@breaks("cohorts.cohorts_stay_inside_their_workspace")
def a_session_that_another_class_holds(world: World) -> str:
    first, second = CohortSession.objects.filter(cohort=world.cohort, step__order=2).order_by("pk")
    CohortSession.objects.filter(pk=first.pk).update(class_session=second.class_session_id)
    return f"cohort session {first.pk}"
