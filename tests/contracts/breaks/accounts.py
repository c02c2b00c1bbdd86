"""Breaches of the accounts invariants."""

import datetime as dt

from accounts.guardian_invitations import invite_guardian
from accounts.merging import merge_learners
from accounts.models import Guardian, GuardianInvitation, Guardianship, Learner, LearnerMerge, StaffTask
from accounts.task_kinds import NO_ADDRESS
from accounts.tests.factories import GuardianFactory, LearnerFactory, UserFactory, WorkspaceFactory
from billing.models import Checkout
from core.actors import SYSTEM
from core.clock import utc_now
from enrollments.models import EnrollmentDecision, SeatAssignment
from enrollments.tests.factories import seats

from .world import Rows, World, a_task_about, breaks, spares


@breaks("accounts.foreign_keys_stay_in_their_workspace")
def a_decision_about_a_foreign_learner(world: World) -> str:
    EnrollmentDecision.objects.filter(pk=world.used.pk).update(learner=LearnerFactory())
    return f"decision {world.used.pk}"


@breaks("accounts.foreign_keys_stay_in_their_workspace")
def a_decision_with_a_foreign_guardian(world: World) -> str:
    EnrollmentDecision.objects.filter(pk=world.paid.pk).update(guardian=GuardianFactory())
    return f"decision {world.paid.pk}"


@breaks("accounts.foreign_keys_stay_in_their_workspace")
def a_seat_of_a_foreign_allocation(world: World) -> Rows:
    foreign = seats(WorkspaceFactory(), total=1)
    SeatAssignment.objects.filter(pk=world.used.seat_id).update(allocation=foreign)
    return {
        "accounts.foreign_keys_stay_in_their_workspace": [
            f"decision {world.used.pk}",
            f"seat holder {world.used.seat_id}",
            f"seat holder {world.used.seat_id}",
        ],
        "enrollments.seat_counters_equal_their_holders": [
            f"seat allocation {world.allocation.pk}",
            f"seat allocation {foreign.pk}",
        ],
    }


@breaks("accounts.foreign_keys_stay_in_their_workspace")
def a_checkout_of_a_foreign_workspace(world: World) -> Rows:
    Checkout.objects.filter(pk=world.waiting.checkout_id).update(workspace=WorkspaceFactory())
    return {
        "accounts.foreign_keys_stay_in_their_workspace": [
            f"checkout {world.waiting.checkout_id}",
            f"decision {world.waiting.pk}",
        ],
    }


@breaks("accounts.no_task_asks_for_an_address_that_is_there")
def a_guardian_whose_address_came_by_the_back_door(world: World) -> str:
    Guardian.objects.filter(pk=world.paid.guardian_id).update(email="parent@home.test")
    return f"guardian {world.paid.guardian_id}"


@spares("accounts.no_task_asks_for_an_address_that_is_there")
def a_guardian_whose_address_was_found(world: World) -> None:
    """The task that asked for it is done; another one about them is open."""
    a_guardian_whose_address_came_by_the_back_door(world)
    subject = f"guardian:{world.paid.guardian_id}"
    StaffTask.objects.filter(kind=NO_ADDRESS.name, subject=subject).update(status="done")
    a_task_about(subject, world.paid.workspace)


@breaks("accounts.unanswered_invitations_are_told")
def an_invitation_that_nobody_looked_after(world: World) -> str:
    long_ago = utc_now() - dt.timedelta(days=8)
    invitation, _ = invite_guardian(
        guardian_id=world.paid.guardian_id, email="parent@home.test", invited_by=None, now=long_ago
    )
    return f"guardian invitation {invitation.pk}"


@spares("accounts.unanswered_invitations_are_told")
def an_invitation_that_ran_out_an_hour_ago(world: World) -> None:
    a_week_and_an_hour_ago = utc_now() - dt.timedelta(days=7, hours=1)
    invite_guardian(
        guardian_id=world.paid.guardian_id, email="parent@home.test", invited_by=None, now=a_week_and_an_hour_ago
    )


@breaks("accounts.foreign_keys_stay_in_their_workspace")
def an_invitation_of_a_foreign_guardian(world: World) -> str:
    invitation, _ = invite_guardian(
        guardian_id=world.paid.guardian_id, email="parent@home.test", invited_by=None, now=utc_now()
    )
    GuardianInvitation.objects.filter(pk=invitation.pk).update(guardian=GuardianFactory())
    return f"guardian invitation {invitation.pk}"


@breaks("accounts.nothing_belongs_to_a_merged_learner")
def a_seat_of_a_merged_learner(world: World) -> Rows:
    SeatAssignment.objects.filter(pk=world.used.seat_id).update(learner=merged_learner(world))
    return {
        "accounts.nothing_belongs_to_a_merged_learner": [f"seat holder {world.used.seat_id}"],
        "enrollments.held_seats_agree_with_their_enrollment": [f"seat holder {world.used.seat_id}"],
    }


@breaks("accounts.nothing_belongs_to_a_merged_learner")
def a_guardian_of_a_merged_learner(world: World) -> str:
    guardianship = Guardianship.objects.create(guardian_id=world.paid.guardian_id, learner=merged_learner(world))
    return f"guardianship {guardianship.pk}"


@breaks("accounts.nothing_belongs_to_a_merged_learner")
def an_account_of_a_merged_learner(world: World) -> str:
    merged = merged_learner(world)
    Learner.objects.filter(pk=merged.pk).update(user=UserFactory())
    return f"learner {merged.pk}"


@spares("accounts.nothing_belongs_to_a_merged_learner")
def an_account_of_a_live_learner(world: World) -> None:
    Learner.objects.filter(pk=world.used.learner_id).update(user=UserFactory())


@breaks("accounts.merged_learners_lead_to_a_live_one")
def a_learner_merged_into_a_merged_one(world: World) -> str:
    first, second = merged_learner(world), merged_learner(world)
    Learner.objects.filter(pk=first.pk).update(merged_into=second)
    return f"learner {first.pk}"


@breaks("accounts.merged_learners_lead_to_a_live_one")
def a_merge_without_a_record(world: World) -> str:
    merged = merged_learner(world)
    LearnerMerge.objects.all().delete()
    return f"learner {merged.pk}"


@breaks("accounts.merged_learners_lead_to_a_live_one")
def a_record_of_a_merge_that_is_undone(world: World) -> str:
    merged = merged_learner(world)
    Learner.objects.filter(pk=merged.pk).update(merged_into=None)
    return f"merged learner {LearnerMerge.objects.get().pk}"


def merged_learner(world: World) -> Learner:
    workspace = world.used.workspace
    keep, drop = LearnerFactory(workspace=workspace), LearnerFactory(workspace=workspace)
    merge_learners(keep_id=keep.pk, drop_id=drop.pk, actor=SYSTEM, reason="Entered twice", now=utc_now())
    merged: Learner = Learner.objects.get(pk=drop.pk)
    return merged
