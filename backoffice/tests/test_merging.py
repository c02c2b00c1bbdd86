"""Staff decide whether two learners are one person, knowing what the merge moves and what prevents it."""

import datetime as dt
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.urls import reverse

from accounts.learners import find_or_create_learner
from accounts.merging import foresee_merge
from accounts.models import Consent, Learner, LearnerMerge, StaffTask, Workspace
from accounts.states import Role
from accounts.tests.factories import (
    ConsentTextFactory,
    GuardianFactory,
    GuardianshipFactory,
    LearnerFactory,
    UserFactory,
    WorkspaceFactory,
)
from backoffice.tests.staff_client import StaffClient, foreseen, said
from core.clock import utc_now

pytestmark = pytest.mark.django_db

JANE: dict[str, Any] = {"email": "jane@school.test", "first_name": "Jane", "last_name": "Doe"}


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory(slug="north", name="North")


@pytest.fixture
def admin(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.ADMIN)


@pytest.fixture
def twins(workspace: Workspace) -> tuple[Learner, Learner]:
    """Two learners with one task about them."""
    with transaction.atomic():
        first, second = (
            find_or_create_learner(workspace_id=workspace.pk, learner_id=each, **JANE)[0] for each in ("S-1", "S-2")
        )
    return first, second


def task_url(action: str) -> str:
    return reverse(f"admin:accounts_stafftask_{action}", args=[StaffTask.objects.get().pk])


def learner_url(learner: Learner, action: str = "change") -> str:
    return reverse(f"admin:accounts_learner_{action}", args=[learner.pk])


def text_of(response: Any) -> str:
    return str(response.content.decode())


def buttons_of(client: StaffClient) -> list[str]:
    page = client.get(task_url("change"))
    return [str(button["title"]) for button in page.context["actions_detail"]]


class TestTheTaskAboutTwins:
    def test_links_to_both_learners(self, admin: StaffClient, twins: tuple[Learner, Learner]) -> None:
        page = text_of(admin.get(task_url("change")))

        assert all(f'href="{learner_url(each)}"' in page for each in twins)

    def test_is_answered_by_a_merge_or_by_saying_that_they_are_two(
        self, admin: StaffClient, twins: tuple[Learner, Learner]
    ) -> None:
        assert buttons_of(admin) == ["Merge the two", "They are two people"]

    def test_lets_reviewers_say_that_they_are_two_and_merge_nobody(
        self, workspace: Workspace, twins: tuple[Learner, Learner]
    ) -> None:
        reviewer = StaffClient(workspace=workspace, role=Role.REVIEWER)

        answer = reviewer.confirm(task_url("merge_twins"), {"keep": twins[0].pk, "reason": "Same child"})

        assert buttons_of(reviewer) == ["They are two people"]
        assert answer.status_code == 403
        assert not LearnerMerge.objects.exists()

    def test_shows_what_a_merge_does_before_it_is_done(
        self, admin: StaffClient, twins: tuple[Learner, Learner]
    ) -> None:
        keep, drop = twins
        GuardianshipFactory(guardian=GuardianFactory(workspace=keep.workspace, email="pat@home.test"), learner=drop)
        Learner.objects.filter(pk=drop.pk).update(school="Lincoln")

        page = text_of(admin.post(task_url("merge_twins"), {"keep": keep.pk, "reason": "Same child"}))

        for sentence in (
            f"Jane Doe (learner {keep.pk}: jane@school.test, S-1) stays, with name and address.",
            f"Jane Doe (learner {drop.pk}: jane@school.test, S-2, Lincoln) is no longer a learner;",
            "These move: guardians (1).",
            "Filled in: school.",
            "New guardians, who will see everything about both learners: pat@home.test.",
        ):
            assert sentence in page
        assert not LearnerMerge.objects.exists()

    @pytest.mark.parametrize(
        ("kept", "dropped", "sentences"),
        [
            ({}, {"address": {"city": "Chicago"}}, ["Filled in: postal address."]),
            ({}, {"phone": "555", "grade_level": "5"}, ["Filled in: phone, grade level."]),
            ({"phone": "777"}, {"phone": "555"}, []),
            ({"external_id": None}, {}, ["The external id S-2 moves as well."]),
            (
                {},
                {"email": "kid@home.test"},
                [
                    "People who see the courses of Jane Doe only because the learner's address is kid@home.test no "
                    "longer see them."
                ],
            ),
        ],
    )
    def test_shows_what_the_one_who_stays_takes_over(
        self,
        admin: StaffClient,
        twins: tuple[Learner, Learner],
        kept: dict[str, Any],
        dropped: dict[str, Any],
        sentences: list[str],
    ) -> None:
        guardian = GuardianFactory(workspace=twins[0].workspace)
        for each, fields in zip(twins, (kept, dropped), strict=True):
            GuardianshipFactory(guardian=guardian, learner=each)
            Learner.objects.filter(pk=each.pk).update(**fields)

        told = foreseen(admin.post(task_url("merge_twins"), {"keep": twins[0].pk, "reason": "Same child"}))

        assert told[2:] == ("Nothing has to move.", *sentences, "No mail is sent.")

    @pytest.mark.parametrize(
        ("address", "ended_at", "moving"),
        [
            ("pat@home.test", None, 1),
            ("pat@home.test", dt.datetime(2026, 3, 1, tzinfo=dt.UTC), 2),
            ("sam@home.test", None, 2),
        ],
    )
    def test_moves_and_counts_no_consent_that_the_one_who_stays_has(
        self,
        admin: StaffClient,
        twins: tuple[Learner, Learner],
        address: str,
        ended_at: dt.datetime | None,
        moving: int,
    ) -> None:
        text = ConsentTextFactory(workspace=twins[0].workspace)
        given = {"workspace": text.workspace, "text": text, "purpose": text.purpose, "way": "form"}
        end = {"ended_at": ended_at, "end": "withdrawn" if ended_at else ""}
        Consent.objects.create(learner=twins[0], address=address, **given, **end)
        theirs = Consent.objects.create(learner=twins[1], address="pat@home.test", **given)
        ended = {"ended_at": utc_now(), "end": "withdrawn"}
        Consent.objects.create(learner=twins[1], address="pat@home.test", **given, **ended)

        planned = foresee_merge(keep_id=twins[0].pk, drop_id=twins[1].pk)
        admin.confirm(task_url("merge_twins"), {"keep": twins[0].pk, "reason": "Same child"})

        moved = LearnerMerge.objects.get().moved
        assert planned.moving == {"consents": moving}
        assert len(moved["consents"]) == moving
        assert Consent.objects.filter(pk=theirs.pk, learner=twins[0]).exists() == (moving == 2)
        assert Consent.objects.filter(learner=twins[0]).count() == 1 + moving

    def test_is_done_by_the_merge(self, admin: StaffClient, twins: tuple[Learner, Learner]) -> None:
        keep, drop = twins

        response = admin.confirm(task_url("merge_twins"), {"keep": keep.pk, "reason": "Same child"})

        assert said(response) == [f"The two are one learner now: {keep}."]
        found = LearnerMerge.objects.values_list("kept", "dropped", "actor", "reason")
        assert list(found) == [(keep.pk, drop.pk, f"user:{admin.user.pk}", "Same child")]
        task = StaffTask.objects.get()
        assert (task.status, task.done_by) == ("done", admin.user)
        assert LogEntry.objects.get().change_message == "Merge the two"

    def test_says_what_stands_in_the_way_and_merges_nobody(
        self, admin: StaffClient, twins: tuple[Learner, Learner]
    ) -> None:
        for each in twins:
            Learner.objects.filter(pk=each.pk).update(user=UserFactory())

        pages = [
            text_of(ask(task_url("merge_twins"), {"keep": twins[0].pk, "reason": "Same child"}))
            for ask in (admin.post, admin.confirm)
        ]

        assert all("Each has an account of their own" in page for page in pages)
        assert not LearnerMerge.objects.exists()

    def test_is_done_by_saying_that_they_are_two(self, admin: StaffClient, twins: tuple[Learner, Learner]) -> None:
        admin.post(task_url("two_people"), {"resolution": "Cousins."})

        task = StaffTask.objects.get()
        assert (task.status, task.resolution) == ("done", "Two people. Cousins.")
        assert not Learner.objects.exclude(merged_into=None).exists()

    def test_is_not_completed_with_any_other_word(self, admin: StaffClient, twins: tuple[Learner, Learner]) -> None:
        task = StaffTask.objects.get()

        admin.post(task_url("complete"), {"resolution": "Whatever"})
        admin.post(
            reverse("admin:accounts_stafftask_changelist"),
            {
                "action": "complete_selected",
                "_selected_action": [task.pk],
                "_confirmed": "1",
                "resolution": "Whatever",
            },
        )

        task.refresh_from_db()
        assert task.status == "open"


class TestALearnersPage:
    def test_merges_another_into_this_one(self, workspace: Workspace, admin: StaffClient) -> None:
        keep, drop = LearnerFactory(workspace=workspace), LearnerFactory(workspace=workspace, external_id="S-2")

        response = admin.confirm(learner_url(keep, "merge_other"), {"other": "S-2", "reason": "Same child"})

        assert said(response) == [f"The two are one learner now: {keep}."]
        drop.refresh_from_db()
        assert drop.merged_into == keep

    @pytest.mark.parametrize(
        ("reference", "said"),
        [
            ("S-9", "No learner of this workspace has this CUID, external id or number."),
            ("S-1", "This is the same learner."),
            ("elsewhere", "No learner of this workspace has this CUID, external id or number."),
            ("", "This field is required."),
        ],
    )
    def test_refuses_whom_it_does_not_know(
        self, workspace: Workspace, admin: StaffClient, reference: str, said: str
    ) -> None:
        keep = LearnerFactory(workspace=workspace, external_id="S-1")
        LearnerFactory(external_id="elsewhere")

        page = admin.confirm(learner_url(keep, "merge_other"), {"other": reference, "reason": "Same child"})

        assert said in text_of(page)
        assert not LearnerMerge.objects.exists()

    def test_of_a_merged_one_is_that_of_the_one_who_stayed(
        self, workspace: Workspace, admin: StaffClient, twins: tuple[Learner, Learner]
    ) -> None:
        keep, drop = twins
        admin.confirm(task_url("merge_twins"), {"keep": keep.pk, "reason": "Same child"})

        response = admin.get(learner_url(drop))

        assert response.headers["Location"] == learner_url(keep)
        assert said(response)[-1] == f"{drop} was merged into this learner."

    def test_of_another_workspaces_merged_one_is_not_told_of(
        self, admin: StaffClient, twins: tuple[Learner, Learner]
    ) -> None:
        admin.confirm(task_url("merge_twins"), {"keep": twins[0].pk, "reason": "Same child"})
        stranger = StaffClient(workspace=WorkspaceFactory(), role=Role.OWNER)

        response = stranger.get(learner_url(twins[1]))

        assert response.headers["Location"] == reverse("admin:index")

    def test_asks_about_twins_when_a_learner_is_entered_by_hand(self, workspace: Workspace, admin: StaffClient) -> None:
        known = LearnerFactory(workspace=workspace, **JANE)

        admin.post(
            reverse("admin:accounts_learner_add"),
            {
                "workspace": workspace.pk,
                **JANE,
                "first_name": "Jane Ann",
                "guardianships-TOTAL_FORMS": 0,
                "guardianships-INITIAL_FORMS": 0,
            },
        )

        entered = Learner.objects.exclude(pk=known.pk).get()
        assert StaffTask.objects.get().subject == f"learner:{known.pk}/learner:{entered.pk}"

    def test_refuses_the_external_id_of_a_merged_one_by_name(
        self, workspace: Workspace, admin: StaffClient, twins: tuple[Learner, Learner]
    ) -> None:
        admin.confirm(task_url("merge_twins"), {"keep": twins[0].pk, "reason": "Same child"})
        other = LearnerFactory(workspace=workspace)

        response = admin.post(
            learner_url(other),
            {
                "first_name": "Bea",
                "last_name": "Lund",
                "email": "bea@home.test",
                "external_id": "S-2",
                "guardianships-TOTAL_FORMS": 0,
                "guardianships-INITIAL_FORMS": 0,
            },
        )

        assert "A learner with this id was merged into another learner, who has the id now." in text_of(response)


class TestTheLists:
    @pytest.fixture(autouse=True)
    def merged(self, admin: StaffClient, twins: tuple[Learner, Learner]) -> None:
        admin.confirm(task_url("merge_twins"), {"keep": twins[0].pk, "reason": "Same child"})

    def test_of_learners_are_without_the_merged_ones(self, admin: StaffClient, twins: tuple[Learner, Learner]) -> None:
        page = admin.get(reverse("admin:accounts_learner_changelist"))

        assert list(page.context["cl"].queryset) == [twins[0]]

    @pytest.mark.parametrize("name", ["cuid", "external_id"])
    def test_of_learners_find_the_one_who_stays_by_the_ids_of_the_other(
        self, admin: StaffClient, twins: tuple[Learner, Learner], name: str
    ) -> None:
        page = admin.get(reverse("admin:accounts_learner_changelist"), {"q": getattr(twins[1], name)})

        assert list(page.context["cl"].queryset) == [twins[0]]

    def test_of_merges_tell_who_did_what_and_why(self, admin: StaffClient, twins: tuple[Learner, Learner]) -> None:
        Learner.objects.filter(pk=twins[1].pk).update(first_name="Janet")
        listed = text_of(admin.get(reverse("admin:accounts_learnermerge_changelist")))
        page = text_of(admin.get(reverse("admin:accounts_learnermerge_change", args=[LearnerMerge.objects.get().pk])))

        for text in (listed, page):
            assert "Same child" in text
            assert str(admin.user) in text
            assert f"user:{admin.user.pk}" not in text
            assert f'href="{learner_url(twins[0])}"' in text
        assert "Janet Doe merged into Jane Doe" in page

    def test_of_choices_offer_no_merged_learner(self, admin: StaffClient, twins: tuple[Learner, Learner]) -> None:
        found = admin.get(
            reverse("admin:autocomplete"),
            {"app_label": "accounts", "model_name": "guardianship", "field_name": "learner", "term": "Jane"},
        ).json()

        assert [each["id"] for each in found["results"]] == [str(twins[0].pk)]
