"""A family corrects a learner's name: at once if it is the same child, by asking staff if it may not be."""

from typing import Any

import pytest
from django.test import Client

from accounts.merging import LearnersClash, merge_learners
from accounts.models import Learner, NameChange, StaffTask
from accounts.name_changes import (
    NameChangeWaits,
    NoNameChangeWaits,
    accept_name,
    ask_for_name,
    decline_name,
    record_renaming,
)
from core.actors import Actor
from core.clock import utc_now
from core.errors import Invalid

from .factories import GuardianFactory, GuardianshipFactory, LearnerFactory, proven_user

pytestmark = pytest.mark.django_db

FAMILY = Actor("user", 7)
STAFF = Actor("user", 8)


def lena(**fields: Any) -> Learner:
    made: Learner = LearnerFactory(**{"first_name": "Marina", "last_name": "Mos", "external_id": None, **fields})
    return made


def ask(learner: Learner, first_name: str, last_name: str = "Mos") -> NameChange:
    return ask_for_name(learner_id=learner.pk, first_name=first_name, last_name=last_name, actor=FAMILY, now=utc_now())


def name_of(learner: Learner) -> str:
    return str(Learner.objects.get(pk=learner.pk))


class TestAtOnce:
    @pytest.mark.sqlite
    @pytest.mark.parametrize(
        ("first", "last"),
        [("Marina", "Moss"), ("marina", "Mos"), ("Marrina", "Mos"), ("Márina", "Weber")],
        ids=["last name", "case", "slip", "accent and a new last name"],
    )
    def test_changes_what_can_be_the_same_child_only(self, first: str, last: str) -> None:
        learner = lena()

        change = ask(learner, first, last)

        assert name_of(learner) == f"{first} {last}"
        assert (change.state, change.before, change.decided_by) == ("applied", "Marina Mos", "user:7")
        assert not StaffTask.objects.exists()

    def test_refuses_the_name_that_is_there(self) -> None:
        with pytest.raises(Invalid):
            ask(lena(), "Marina")

        assert not NameChange.objects.exists()


class TestByAsking:
    def asked(self, **fields: Any) -> Learner:
        learner = lena(**fields)
        assert ask(learner, "Tom").state == "pending"
        return learner

    def test_leaves_another_first_name_to_staff_who_are_told_no_name(self) -> None:
        learner = self.asked()

        assert name_of(learner) == "Marina Mos"
        task = StaffTask.objects.get()
        assert (task.kind, task.subject) == ("name_change_asked", f"learner:{learner.pk}")
        assert task.summary == "The family asks to change the name: the first name is another one."

    def test_leaves_names_of_the_workspaces_own_system_to_staff(self) -> None:
        assert ask(lena(external_id="S-1"), "Marina", "Moss").state == "pending"

    def test_leaves_a_second_change_to_staff(self) -> None:
        learner = lena()
        ask(learner, "Marina", "Moss")

        assert ask(learner, "Marina", "Mosse").state == "pending"

    def test_leaves_the_name_of_another_learner_to_staff(self) -> None:
        other = lena(last_name="Moss")

        change = ask(lena(workspace=other.workspace, email=other.email), "Marina", "Moss")

        assert (change.state, NameChange.objects.get().state) == ("pending", "pending")

    def test_waits_for_one_answer(self) -> None:
        learner = self.asked()

        with pytest.raises(NameChangeWaits):
            ask(learner, "Tim")

    def test_is_carried_out_by_staff(self) -> None:
        learner = self.asked()

        assert accept_name(learner_id=learner.pk, actor=STAFF, now=utc_now()) == 0

        assert name_of(learner) == "Tom Mos"
        change = NameChange.objects.get()
        assert (change.state, change.asked_by, change.decided_by) == ("applied", "user:7", "user:8")
        assert StaffTask.objects.get().status == "done"

    def test_is_declined_by_staff_with_a_word(self) -> None:
        learner = self.asked()

        decline_name(learner_id=learner.pk, note="Enroll Tom himself.", actor=STAFF, now=utc_now())

        assert name_of(learner) == "Marina Mos"
        assert (NameChange.objects.get().state, StaffTask.objects.get().status) == ("declined", "done")
        with pytest.raises(NoNameChangeWaits):
            accept_name(learner_id=learner.pk, actor=STAFF, now=utc_now())

    def test_is_answered_before_the_learner_is_merged(self) -> None:

        learner = self.asked()
        other = lena(workspace=learner.workspace)

        with pytest.raises(LearnersClash, match="answer that first"):
            merge_learners(keep_id=other.pk, drop_id=learner.pk, actor=STAFF, reason="One child", now=utc_now())


class TestTheHistory:
    def test_has_what_staff_change_themselves(self) -> None:
        learner = lena(last_name="Moss")

        record_renaming(learner=learner, before=("Marina", "Mos"), actor=STAFF, now=utc_now())

        change = NameChange.objects.get()
        assert (str(change), change.state, change.asked_by) == ("Marina Mos to Marina Moss", "applied", "user:8")


class TestThePage:
    @pytest.fixture
    def parent(self) -> Client:
        client = Client()
        client.force_login(proven_user("parent@example.test"))
        return client

    def test_changes_or_asks_and_shows_what_was_answered(self, parent: Client) -> None:
        learner = lena()
        GuardianshipFactory(
            learner=learner,
            guardian=GuardianFactory(workspace=learner.workspace, email="parent@example.test"),
        )
        page = f"/my/learners/{learner.cuid}/name"

        assert parent.post(page, {"first_name": "Marina", "last_name": " "}).status_code == 422
        assert parent.post(page, {"first_name": "Marina", "last_name": "Mos"}).status_code == 422
        led = parent.post(page, {"first_name": "Marina", "last_name": "Moss"})
        assert (led.status_code, led["Location"], name_of(learner)) == (302, "/my/enrollments", "Marina Moss")

        led = parent.post(page, {"first_name": "Tom", "last_name": "Moss"})
        assert led["Location"] == page
        assert "From Marina Moss to Tom Moss." in parent.get(page).content.decode()
        assert parent.post(page, {"first_name": "Tim", "last_name": "Moss"}).status_code == 409
        decline_name(learner_id=learner.pk, note="Enroll Tom himself.", actor=STAFF, now=utc_now())
        assert "Enroll Tom himself." in parent.get(page).content.decode()
