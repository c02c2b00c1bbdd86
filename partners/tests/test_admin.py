"""The back office of partners: what staff see of the pipeline, and what they do about learners who are stuck."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Membership
from accounts.states import Role
from backoffice.actions import StaffForm
from backoffice.tests.staff_client import StaffClient
from core.actors import SYSTEM
from core.clock import utc_now
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import Enrollment, ProgramInstance
from enrollments.tests.factories import InstanceFactory
from partners.acceptance import record_refusal
from partners.admin.step_forms import foresee_moves
from partners.models import EnrollmentStep, PartnerSequence, Provider
from partners.sequences import GroupDraft, ItemDraft
from partners.states import GroupRule

from .breaches import breaches
from .factories import ProviderFactory, accept, approved, complete, define, group, instance_with, statuses, steps_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def instance() -> ProgramInstance:
    return instance_with((2, GroupRule.ALL_IN_ORDER))


@pytest.fixture
def staff(instance: ProgramInstance) -> Client:
    return signed_in(instance, Role.OWNER)


def signed_in(instance: ProgramInstance, role: Role) -> Client:
    return StaffClient(workspace=instance.workspace, role=role)


def press(client: Client, row: Any, action: str, **answers: Any) -> Any:
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_{action}"
    return client.post(reverse(name, args=[row.pk]), answers, follow=True)


def failed(instance: ProgramInstance) -> EnrollmentStep:
    step = steps_of(approved(instance))[0]
    return record_refusal(step_id=step.pk, reason="No such course", actor=SYSTEM, now=utc_now())


class TestThePipelinePage:
    def test_shows_each_partner_with_its_figures_and_who_is_stuck(
        self, staff: Client, instance: ProgramInstance
    ) -> None:
        complete(accept(steps_of(approved(instance))[0]))
        step = failed(instance)
        Provider.objects.filter(pk=step.provider_id).update(name="Northside")

        page = staff.get(reverse("admin:partners_provider_pipeline"))

        text = page.content.decode()
        assert page.status_code == 200
        assert "Northside" in text
        assert "Bottleneck" in text
        assert str(step.enrollment.person) in text
        assert "It is our turn." in text

    def test_leads_from_pending_to_those_who_wait_and_those_who_are_asked_for(
        self, staff: Client, instance: ProgramInstance
    ) -> None:
        queued, pending = steps_of(approved(instance))
        EnrollmentStep.objects.filter(pk=pending.pk).update(provider=queued.provider)
        accept(steps_of(approved(instance))[0])

        page = staff.get(reverse("admin:partners_provider_pipeline"))

        rows = [row for _, partners in page.context["workspaces"] for row in partners]
        (here,) = [row for row in rows if row.figures.provider == queued.provider]
        (part,) = [part for part in here.parts if part.label == "Pending"]
        assert part.count == 2
        assert set(staff.get(part.url).context["cl"].result_list) == {queued, pending}

    def test_of_another_workspace_shows_nothing_of_it(self, staff: Client, instance: ProgramInstance) -> None:
        ProviderFactory(name="A stranger's")

        assert "A stranger" not in staff.get(reverse("admin:partners_provider_pipeline")).content.decode()

    def test_is_closed_to_whoever_belongs_to_no_workspace(self, instance: ProgramInstance) -> None:
        client = signed_in(instance, Role.VIEWER)
        Membership.objects.all().delete()

        answer = client.get(reverse("admin:partners_provider_pipeline"))

        assert answer.status_code == 403

    def test_is_fine_without_partners(self) -> None:
        instance = InstanceFactory(price=None)

        page = signed_in(instance, Role.VIEWER).get(reverse("admin:partners_provider_pipeline"))

        assert "There are no partners yet" in page.content.decode()


class TestAPartner:
    def test_is_added_and_its_secret_shown_once(self, staff: Client, instance: ProgramInstance) -> None:
        answer = staff.post(
            reverse("admin:partners_provider_create"),
            {
                "workspace": instance.workspace.pk,
                "slug": "northside",
                "name": "Northside",
                "adapter": "rest",
                "base_url": "https://lms.example.test/api",
                "api_key": "key of theirs",
                "timeout_seconds": "10",
                "expected_days": "14",
                "accept_within_hours": "24",
                "stuck_after_days": "7",
            },
        )

        made = Provider.objects.get(slug="northside")
        assert made.webhook_secret in answer.content.decode()
        assert "no-store" in answer["Cache-Control"]
        later = staff.get(reverse("admin:partners_provider_change", args=[made.pk])).content.decode()
        assert made.webhook_secret not in later
        assert "key of theirs" not in later

    def test_keeps_its_key_where_none_is_typed(self, staff: Client, instance: ProgramInstance) -> None:
        partner = ProviderFactory(workspace=instance.workspace)
        page = staff.get(reverse("admin:partners_provider_edit", args=[partner.pk])).content.decode()
        facts = {
            "name": "North",
            "adapter": "rest",
            "base_url": partner.base_url,
            "timeout_seconds": "9",
            "accept_within_hours": "48",
        }

        press(staff, partner, "edit", expected_days="30", stuck_after_days="3", **facts)

        partner = Provider.objects.get(pk=partner.pk)
        assert "key-of-the-partner" not in page
        assert (partner.name, partner.expected_days, partner.accept_within_hours) == ("North", 30, 48)
        assert partner.api_key == "key-of-the-partner"

    def test_is_tried_at_once_when_it_is_corrected(self, staff: Client, instance: ProgramInstance) -> None:
        step = steps_of(approved(instance))[0]
        partner = step.provider
        EnrollmentStep.objects.filter(pk=step.pk).update(attempts=6, next_attempt_at=utc_now() + dt.timedelta(hours=1))
        facts = {name: str(getattr(partner, name)) for name in ("name", "adapter", "base_url", "timeout_seconds")}
        days = {"expected_days": "14", "stuck_after_days": "7", "accept_within_hours": "24"}

        answer = press(staff, partner, "edit", api_key="the right one", **facts, **days)

        assert "tried again at once. Requests that had failed and are due now: 1." in answer.content.decode()

    @pytest.mark.parametrize(
        ("facts", "told"),
        [
            ({"adapter": "manual"}, "Never: staff contact it"),
            ({"paused_at": utc_now()}, "Once it is resumed"),
            ({"next_round_at": utc_now() + dt.timedelta(hours=1)}, "Just now: a worker is asking it"),
            (
                {"next_round_at": utc_now() + dt.timedelta(hours=1), "silent_since": utc_now()},
                "it has not answered since",
            ),
            ({}, "When it has to be asked: nobody is waiting for it"),
        ],
        ids=["by hand", "paused", "being asked", "silent", "nobody"],
    )
    def test_says_when_it_is_tried_next_and_why(
        self, staff: Client, instance: ProgramInstance, facts: dict[str, Any], told: str
    ) -> None:
        partner = ProviderFactory(workspace=instance.workspace, **facts)

        page = staff.get(reverse("admin:partners_provider_change", args=[partner.pk])).content.decode()

        assert told in page

    def test_says_since_when_somebody_waits_for_it(self, staff: Client, instance: ProgramInstance) -> None:
        step = steps_of(approved(instance))[0]
        page = reverse("admin:partners_provider_change", args=[step.provider_id])

        assert "Within a minute: somebody is waiting for it" in staff.get(page).content.decode()
        EnrollmentStep.objects.filter(pk=step.pk).update(next_attempt_at=utc_now() + dt.timedelta(hours=1))
        assert ": then somebody is due" in staff.get(page).content.decode()

    def test_is_paused_and_resumed(self, staff: Client, instance: ProgramInstance) -> None:
        partner = ProviderFactory(workspace=instance.workspace)

        press(staff, partner, "pause")
        paused = Provider.objects.get(pk=partner.pk).paused_at
        press(staff, partner, "resume", _confirm="1")

        assert paused is not None
        assert Provider.objects.get(pk=partner.pk).paused_at is None


class TestAStep:
    def test_stuck_is_listed_with_whose_turn_it_is(self, staff: Client, instance: ProgramInstance) -> None:
        step = failed(instance)
        accept(steps_of(approved(instance))[0])

        page = staff.get(reverse("admin:partners_enrollmentstep_changelist"), {"stuck": "yes"}).content.decode()

        assert str(step.enrollment.person) in page
        assert page.count("Step 1") == 1
        assert "No such course" in page

    def test_tells_its_story(self, staff: Client, instance: ProgramInstance) -> None:
        step = failed(instance)

        page = staff.get(reverse("admin:partners_enrollmentstep_change", args=[step.pk])).content.decode()

        assert "No such course" in page

    @pytest.mark.parametrize(
        ("action", "answers", "becomes"),
        [
            ("retry", {}, ["queued", "pending"]),
            ("skip", {}, ["skipped", "queued"]),
            ("complete", {"evidence": "Certificate 12"}, ["completed", "queued"]),
        ],
    )
    def test_that_failed_is_dealt_with_by_buttons(
        self, staff: Client, instance: ProgramInstance, action: str, answers: dict[str, str], becomes: list[str]
    ) -> None:
        step = failed(instance)

        press(staff, step, action, reason="Said so", _confirm="1", **answers)

        assert statuses(step.enrollment) == becomes

    def test_is_reassigned_to_a_partner_of_the_workspace_only(self, staff: Client, instance: ProgramInstance) -> None:
        step = failed(instance)
        stranger, other = ProviderFactory(), ProviderFactory(workspace=instance.workspace)

        press(staff, step, "reassign", partner=stranger.pk, reason="Closed")
        assert statuses(step.enrollment)[0] == "failed"

        press(staff, step, "reassign", partner=other.pk, reason="Closed", _confirm="1")
        assert steps_of(step.enrollment)[0].provider == other

    def test_is_had_done_again_by_those_who_manage(self, instance: ProgramInstance) -> None:
        step = complete(accept(steps_of(approved(instance))[0]))

        refused = press(signed_in(instance, Role.REVIEWER), step, "reopen", reason="By mistake")
        assert (refused.status_code, statuses(step.enrollment)[0]) == (403, "completed")

        press(signed_in(instance, Role.ADMIN), step, "reopen", reason="By mistake", _confirm="1")
        assert statuses(step.enrollment)[0] == "in_progress"

    def test_is_moved_to_the_newest_version_after_a_preview(self, staff: Client, instance: ProgramInstance) -> None:
        step = steps_of(approved(instance))[0]
        sequence = define(instance, group(instance, 3))
        assert sequence is not None

        preview = press(staff, step, "move", reason="New partners").content.decode()
        assert "New: course-3" in preview
        assert len(steps_of(step.enrollment)) == 2

        press(staff, step, "move", reason="New partners", _confirm="1")
        assert statuses(step.enrollment) == ["queued", "pending", "pending"]
        assert breaches() == set()

    def test_is_moved_to_no_version_that_was_not_shown(self, staff: Client, instance: ProgramInstance) -> None:
        step = steps_of(approved(instance))[0]
        define(instance, group(instance, 3))
        address = reverse("admin:partners_enrollmentstep_move", args=[step.pk])
        assert 'name="version" value="2"' in staff.get(address).content.decode()
        shown = press(staff, step, "move", reason="New partners", version="2").content.decode()
        assert 'name="version" value="2"' in shown

        define(instance, group(instance, 4))
        pages = [
            press(staff, step, "move", reason="New partners", version="2", **more) for more in ({}, {"_confirm": "1"})
        ]

        assert ["Version 2 is not the present one" in page.content.decode() for page in pages] == [True, True]
        assert statuses(step.enrollment) == ["queued", "pending"]


class TestASequence:
    def test_moves_everybody_who_is_behind_after_a_preview(self, staff: Client, instance: ProgramInstance) -> None:
        learners: list[Enrollment] = [approved(instance) for _ in range(2)]
        sequence = define(instance, group(instance, 3))

        preview = press(staff, sequence, "move_all", reason="New partners").content.decode()
        assert "Learners who move to version 2 now: 2 of 2." in preview

        press(staff, sequence, "move_all", reason="New partners", _confirm="1")
        assert [len(steps_of(each)) for each in learners] == [3, 3]


class TestPreviewsOfMany:
    def test_of_moving_count_what_carries_over_in_as_many_queries_as_for_one(self, instance: ProgramInstance) -> None:
        first, second = (approved(instance) for _ in range(2))
        complete(accept(steps_of(first)[0]))
        item = steps_of(first)[0].item
        define(instance, GroupDraft((ItemDraft(item.provider.slug, item.course_id),), GroupRule.ALL_IN_ORDER))
        rows = [*steps_of(first), *steps_of(second)]

        with CaptureQueriesContext(connection) as of_one:
            foresee_moves(rows[:1], StaffForm(request=HttpRequest()))
        with CaptureQueriesContext(connection) as of_all:
            foreseen = foresee_moves(rows, StaffForm(request=HttpRequest()))

        assert foreseen.sentences == (
            "Learners who move to the newest version of their program's sequence: 2.",
            "Steps that carry over: 2.",
            "Steps that are no longer asked for: 2.",
            "Learners who have nothing left to do, so that they complete the program: 1.",
        )
        assert (
            foreseen.mails == "Families whose learners complete the program get a mail once the certificate is issued."
        )
        assert (len(of_one), len(of_all), foreseen.refused) == (3, 3, ())

    def test_of_moving_say_who_can_not_be_moved(self, instance: ProgramInstance) -> None:
        step = steps_of(approved(instance))[0]
        PartnerSequence.objects.update(active=False)

        foreseen = foresee_moves([step], StaffForm(request=HttpRequest()))

        assert foreseen.sentences == ()
        assert foreseen.refused == ("The program has no partners any more, so there is no version to move to.",)

    def test_of_resuming_count_who_waits(self, staff: Client, instance: ProgramInstance) -> None:
        waiting, there, gone = (steps_of(approved(instance))[0] for _ in range(3))
        for step in (there, gone):
            accept(step)
        provider = waiting.provider
        Provider.objects.filter(pk=provider.pk).update(paused_at=utc_now())
        unenroll_enrollment(enrollment_id=gone.enrollment_id, reason="Moved away.", actor=SYSTEM, now=utc_now())

        page = staff.get(reverse("admin:partners_provider_resume", args=[provider.pk])).content.decode()

        assert "Learners it will be asked to take: 1." in page
        assert "Learners it will be asked about: 1." in page
        assert "Learners who left, which it will be told: 1." in page

    def test_of_resuming_say_that_nobody_waits(self, staff: Client, instance: ProgramInstance) -> None:
        provider = ProviderFactory(workspace=instance.workspace, paused_at=utc_now())

        page = staff.get(reverse("admin:partners_provider_resume", args=[provider.pk])).content.decode()

        assert "Nobody is waiting for it." in page
