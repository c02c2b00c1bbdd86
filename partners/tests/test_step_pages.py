"""What the back office foretells about a learner's step at a partner, and what the pages of partners and nudges say."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.states import Role
from backoffice.display import moment
from backoffice.tests.staff_client import StaffClient, foreseen, listed, said
from core.actors import SYSTEM
from core.clock import utc_now
from enrollments.models import ProgramInstance
from partners.acceptance import record_refusal
from partners.models import EnrollmentStep, Nudge, PartnerSequence, Provider
from partners.nudges.sending import send_nudges
from partners.nudges.stopping import stop_nudges
from partners.sequences import GroupDraft, ItemDraft
from partners.states import GroupRule

from .factories import NOON, ProviderFactory, accept, approved, complete, define, instance_with, statuses, steps_of
from .test_nudges import STUCK

pytestmark = pytest.mark.django_db

NO_PARTNERS = "The program has no partners any more, so there is no version to move to."


@pytest.fixture
def instance() -> ProgramInstance:
    return instance_with((2, GroupRule.ALL_IN_ORDER))


@pytest.fixture
def owner(instance: ProgramInstance) -> StaffClient:
    return StaffClient(workspace=instance.workspace, role=Role.OWNER)


def page(row: Any, button: str = "change") -> str:
    return reverse(f"admin:partners_{row._meta.model_name}_{button}", args=[row.pk])


class TestReassigning:
    def test_without_a_course_keeps_the_one_that_the_step_has_by_now(
        self, owner: StaffClient, instance: ProgramInstance
    ) -> None:
        step = steps_of(approved(instance))[0]
        first, second = (ProviderFactory(workspace=instance.workspace) for _ in range(2))
        owner.confirm(page(step, "reassign"), {"partner": first.pk, "course_id": "ALG", "reason": "Closed"})
        placed = steps_of(step.enrollment)[0]
        form = {"partner": second.pk, "course_id": "", "reason": "Closed"}

        told = foreseen(owner.post(page(placed, "reassign"), form))
        answer = owner.confirm(page(placed, "reassign"), form)

        assert told == (
            f"ALG at {second} stands in the place of ALG at {first}.",
            f"Asked for next: ALG at {second}.",
            "No mail is sent.",
        )
        assert said(answer)[-1] == f"ALG at {second} replaces it."

    def test_to_a_course_that_the_learner_has_is_refused_before_the_preview(
        self, owner: StaffClient, instance: ProgramInstance
    ) -> None:
        step, other = steps_of(approved(instance))

        answer = owner.post(
            page(step, "reassign"), {"partner": other.provider_id, "course_id": other.course, "reason": "Closed"}
        )

        assert answer.context["form"].errors == {
            "course_id": ["Step 2 is that course already: choose another partner or course."]
        }
        assert answer.context["previews"] is None


class TestMoving:
    def test_into_a_shorter_program_completes_it(self, owner: StaffClient, instance: ProgramInstance) -> None:
        first, second = steps_of(approved(instance))
        complete(accept(first))
        define(instance, GroupDraft((ItemDraft(first.provider.slug, first.course),), GroupRule.ALL_IN_ORDER))
        done = EnrollmentStep.objects.get(pk=first.pk)

        told = foreseen(owner.post(page(done, "move"), {"reason": "New partners"}))

        assert told == (
            f"{first.enrollment.person} moves to version 2.",
            f"Carries over: {first.course} at {first.provider} (Completed).",
            f"No longer asked for: {second.course} at {second.provider} (Queued).",
            "Nothing is left to do: the program is completed, and the certificate issued once nothing is owed.",
            "The family gets a mail once the certificate is issued.",
        )
        assert statuses(first.enrollment) == ["completed", "queued"]

    @pytest.mark.parametrize("more", [{}, {"_confirm": "1"}], ids=["preview", "confirmed"])
    def test_is_refused_where_the_program_has_no_partners_any_more(
        self, owner: StaffClient, instance: ProgramInstance, more: dict[str, str]
    ) -> None:
        step = steps_of(approved(instance))[0]
        PartnerSequence.objects.update(active=False)

        answer = owner.post(page(step, "move"), {"reason": "New partners", **more})

        assert answer.context["form"].errors == {"__all__": [NO_PARTNERS]}
        assert statuses(step.enrollment) == ["queued", "pending"]


class TestTryingMany:
    def test_counts_learners_by_partner_and_those_that_are_paused(
        self, owner: StaffClient, instance: ProgramInstance
    ) -> None:
        steps = [steps_of(approved(instance))[0] for _ in range(3)]
        for step in steps[:2]:
            record_refusal(step_id=step.pk, reason="No such course", actor=SYSTEM, now=utc_now())
        partner = steps[0].provider
        form = {
            "action": "retry_all",
            "_selected_action": [step.pk for step in steps],
            "_confirmed": "1",
            "reason": "Again",
        }
        url = reverse("admin:partners_enrollmentstep_changelist")

        def told() -> tuple[str, ...]:
            summary: tuple[str, ...] = owner.post(url, form).context["previews"][0][1].sentences
            return summary

        at_work = told()
        Provider.objects.filter(pk=partner.pk).update(paused_at=utc_now())

        assert at_work[0] == "2 can be done; 1 can't."
        assert at_work[-1] == f"Asked again: learners at {partner}: 2."
        assert told()[-2:] == (
            f"Asked again: learners at {partner}: 2.",
            "Partners that are paused, and asked once you resume them: 1.",
        )


class TestAPartner:
    def test_is_listed_with_how_it_does(self, owner: StaffClient, instance: ProgramInstance) -> None:
        made = {
            "Ash": ProviderFactory(workspace=instance.workspace, name="Ash"),
            "Birch": ProviderFactory(workspace=instance.workspace, name="Birch", silent_since=NOON),
            "Cedar": ProviderFactory(
                workspace=instance.workspace, name="Cedar", silent_since=NOON, paused_at=utc_now()
            ),
        }
        ProviderFactory(name="Elsewhere")

        rows = {row[0]: row[1] for row in listed(owner, reverse("admin:partners_provider_changelist"))}

        assert "Elsewhere" not in rows
        assert {name: rows[name] for name in made} == {
            "Ash": "Active",
            "Birch": f"No answer since {moment(NOON)}",
            "Cedar": "Paused",
        }

    def test_without_an_api_takes_those_who_wait_with_its_worklist(
        self, owner: StaffClient, instance: ProgramInstance
    ) -> None:
        waiting, there = (steps_of(approved(instance))[0] for _ in range(2))
        accept(there)
        Provider.objects.filter(pk=waiting.provider_id).update(
            adapter="manual", base_url="", api_key="", paused_at=utc_now()
        )

        told = foreseen(owner.get(page(waiting.provider, "resume")))

        assert told == (
            "Learners who wait to be sent there with its worklist: 1.",
            "Learners who are there: 1.",
            "No mail is sent.",
        )

    def test_that_is_changed_without_its_connection_is_not_tried_again(
        self, owner: StaffClient, instance: ProgramInstance
    ) -> None:
        partner = steps_of(approved(instance))[0].provider
        shown = owner.get(page(partner, "edit")).context["form"]
        sent = {name: shown[name].value() for name in shown.fields if name != "api_key"}

        answer = owner.post(page(partner, "edit"), {**sent, "name": "North"})

        assert said(answer) == ["The partner is changed. Learners who are there stay."]
        changed = Provider.objects.get(pk=partner.pk)
        assert (changed.name, changed.api_key, changed.base_url) == ("North", partner.api_key, partner.base_url)

    def test_gets_another_secret_on_the_only_page_that_shows_it(
        self, owner: StaffClient, instance: ProgramInstance
    ) -> None:
        Provider.objects.update(webhook_secret="whsec_b2xk")
        partner = steps_of(approved(instance))[0].provider
        manager = StaffClient(workspace=instance.workspace, role=Role.ADMIN)

        refused = manager.post(page(partner, "rotate"))
        kept = Provider.objects.get(pk=partner.pk).webhook_secret
        answer = owner.post(page(partner, "rotate"))

        secret = Provider.objects.get(pk=partner.pk).webhook_secret
        text = answer.content.decode()
        assert (refused.status_code, kept) == (403, partner.webhook_secret)
        assert secret != partner.webhook_secret
        assert (secret in text, partner.webhook_secret in text) == (True, False)
        assert reverse("partner-webhook", args=[partner.slug]) in text
        assert answer["Cache-Control"].startswith("no-store")
        assert secret not in owner.get(page(partner)).content.decode()

    def test_whose_results_have_a_mistake_is_told_its_line(self, owner: StaffClient, instance: ProgramInstance) -> None:
        step = steps_of(approved(instance))[0]
        Provider.objects.filter(pk=step.provider_id).update(adapter="manual", base_url="", api_key="")
        content = f"step,result,external_id\n{step.cuid},accepted,e-1\nnobody,accepted,e-2\n".encode()

        answer = owner.confirm(page(step.provider, "results"), {"file": SimpleUploadedFile("results.csv", content)})

        assert said(answer)[-1] == "Recorded: 1. Known already: 0. With a mistake: 1."
        assert said(answer)[0].startswith("Lines with a mistake: Line 3, ")


class TestNudges:
    @pytest.fixture
    def nudge(self) -> Nudge:
        accept(steps_of(approved(now=NOON))[0], now=NOON)
        send_nudges(now=STUCK)
        return Nudge.objects.get()

    def test_are_listed_with_their_state_and_not_with_the_address(self, nudge: Nudge) -> None:
        staff = StaffClient(workspace=nudge.workspace, role=Role.REVIEWER)
        url = reverse("admin:partners_nudge_changelist")
        person = str(steps_of(nudge.enrollment)[0].enrollment.person)

        states = [listed(staff, url)[0][:3]]
        Nudge.objects.update(given_up_at=STUCK)
        states.append(listed(staff, url)[0][:3])
        stop_nudges(nudge_id=nudge.pk, actor=SYSTEM, now=STUCK)
        states.append(listed(staff, url)[0][:3])

        family = ["The family", person]
        assert states == [[*family, "Going"], [*family, "Given up: staff step in"], [*family, "Stopped"]]
        assert nudge.recipient not in staff.get(url).content.decode()
        assert f"{person}: nudges to {nudge.recipient}" in staff.get(page(nudge)).content.decode()

    def test_are_stopped_and_resumed_by_those_who_decide(self, nudge: Nudge) -> None:
        staff = StaffClient(workspace=nudge.workspace, role=Role.REVIEWER)
        viewer = StaffClient(workspace=nudge.workspace, role=Role.VIEWER)
        early = staff.post(page(nudge, "resume"))

        assert viewer.post(page(nudge, "stop")).status_code == 403
        assert "Resume is no longer possible" in said(early)[0]
        assert said(staff.post(page(nudge, "stop")))[-1] == "The nudges are stopped."
        assert Nudge.objects.get().stopped_by == f"user:{staff.user.pk}"
        again = staff.post(page(nudge, "stop"))
        assert "Stop is no longer possible" in said(again)[-1]
        assert said(staff.post(page(nudge, "resume")))[-1] == "The nudges continue."
        assert Nudge.objects.get().stopped_at is None
