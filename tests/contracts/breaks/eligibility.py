"""Breaches of the invariants of criteria, verdicts, and labels, and near misses."""

import datetime as dt
from typing import Any

from core.clock import utc_now
from enrollments.changes import change_enrollment
from enrollments.eligibility.criteria import CriterionDraft, change_criteria
from enrollments.models import Criterion, EligibilityVerdict, Enrollment, EnrollmentLabel, ProgramInstance
from enrollments.tests.factories import STAFF

from .world import World, breaks, spares

HELD = {"name": "Age", "expression": "true", "inputs": {}, "answer": True, "reason": ""}

# --- Criteria ---------------------------------------------------------------------------------------------------------


@breaks("enrollments.criteria_are_of_a_version_that_was_counted")
def a_set_that_its_instance_does_not_count(world: World) -> str:
    criterion = a_criterion(world, version=2)
    return f"program instance {criterion.instance_id}"


@breaks("enrollments.criteria_are_of_a_version_that_was_counted")
def a_set_that_has_lost_its_first_criterion(world: World) -> str:
    criterion = a_criterion(world, position=2)
    return f"criterion {criterion.pk}"


@spares("enrollments.criteria_are_of_a_version_that_was_counted")
def criteria_that_were_taken_away(world: World) -> None:
    for drafts in ([CriterionDraft("Age", "true", "Too young")], []):
        change_criteria(instance_id=world.used.instance_id, drafts=drafts, actor=STAFF, now=utc_now())


# --- Verdicts ---------------------------------------------------------------------------------------------------------


@breaks("enrollments.verdicts_are_by_criteria_that_exist")
def a_verdict_by_a_version_to_come(world: World) -> str:
    return f"eligibility verdict {a_verdict(world, criteria_version=2).pk}"


@breaks("enrollments.verdicts_are_by_criteria_that_exist")
def a_verdict_whose_criteria_are_gone(world: World) -> str:
    return f"eligibility verdict {a_verdict(world, answers=[HELD]).pk}"


@breaks("enrollments.verdicts_are_by_criteria_that_exist")
def an_enrollment_evaluated_by_a_version_to_come(world: World) -> str:
    Enrollment.objects.filter(pk=world.used.enrollment_id).update(criteria_version=2)
    return f"enrollment {world.used.enrollment_id}"


@spares("enrollments.verdicts_are_by_criteria_that_exist")
def a_verdict_by_an_earlier_version(world: World) -> None:
    a_criterion(world)
    a_verdict(world, answers=[HELD])
    ProgramInstance.objects.filter(pk=world.used.instance_id).update(criteria_version=2)


@breaks("enrollments.verdicts_follow_from_their_answers")
def an_eligible_one_whose_criterion_does_not_hold(world: World) -> str:
    a_criterion(world)
    return f"eligibility verdict {a_verdict(world, answers=[HELD, HELD | {'answer': False}]).pk}"


@breaks("enrollments.verdicts_follow_from_their_answers")
def an_ineligible_one_whose_criterion_could_not_be_evaluated(world: World) -> str:
    a_criterion(world)
    answers = [HELD | {"answer": None}, HELD | {"answer": False}]
    return f"eligibility verdict {a_verdict(world, outcome='ineligible', answers=answers).pk}"


@breaks("enrollments.verdicts_follow_from_their_answers")
def an_undecided_one_without_an_answer(world: World) -> str:
    return f"eligibility verdict {a_verdict(world, outcome='undecided').pk}"


@spares("enrollments.verdicts_follow_from_their_answers")
def a_person_s_word(world: World) -> None:
    a_verdict(world, outcome="ineligible")


# --- Labels -----------------------------------------------------------------------------------------------------------


@breaks("enrollments.labels_are_what_their_enrollment_names")
def a_tag_that_no_list_finds(world: World) -> str:
    Enrollment.objects.filter(pk=world.used.enrollment_id).update(tags=["vip"])
    return f"enrollment {world.used.enrollment_id}"


@breaks("enrollments.labels_are_what_their_enrollment_names")
def a_manufacturer_that_was_taken_off_the_enrollment_alone(world: World) -> str:
    label(world, manufacturer_slugs=["tesla", "enphase"])
    Enrollment.objects.filter(pk=world.used.enrollment_id).update(manufacturer_slugs=["tesla"])
    return f"enrollment {world.used.enrollment_id}"


@breaks("enrollments.labels_are_what_their_enrollment_names")
def a_label_at_another_place_of_the_list(world: World) -> str:
    label(world, tags=["vip"])
    EnrollmentLabel.objects.update(created_at=utc_now() + dt.timedelta(days=1))
    return f"enrollment label {EnrollmentLabel.objects.get().pk}"


@spares("enrollments.labels_are_what_their_enrollment_names")
def a_tag_that_is_a_manufacturer_as_well(world: World) -> None:
    label(world, tags=["tesla", "vip"], manufacturer_slugs=["tesla"])


def label(world: World, **changes: Any) -> None:
    change_enrollment(enrollment_id=world.used.enrollment_id, changes=changes, actor=STAFF, now=utc_now())


def a_criterion(world: World, *, version: int = 1, position: int = 1) -> Criterion:
    return Criterion.objects.create(
        instance_id=world.used.instance_id,
        version=version,
        position=position,
        name="Age",
        expression="true",
        otherwise="Too young",
        actor="user:1",
    )


def a_verdict(world: World, **fields: Any) -> EligibilityVerdict:
    told = {"criteria_version": 1, "outcome": "eligible", "actor": "user:1", "created_at": utc_now()} | fields
    return EligibilityVerdict.objects.create(enrollment_id=world.used.enrollment_id, **told)
