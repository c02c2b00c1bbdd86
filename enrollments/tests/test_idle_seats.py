"""Idle seats: found, asked about, kept, taken back, and passed on."""

import datetime as dt
import re
from typing import Any
from unittest.mock import Mock

import pytest
from django.test import Client
from django.urls import reverse

from accounts.guardians import find_or_create_guardian, link_guardian
from accounts.models import Guardian, Learner
from accounts.states import Role
from accounts.tests.factories import UserFactory
from backoffice.tests.staff_client import StaffClient, said
from billing.errors import PaymentProviderDown
from billing.models import Checkout
from core.actors import SYSTEM
from core.clock import utc_now
from core.money import Money
from enrollments.allocations.idle.asking import FAMILY, ask_idle, keep_seat, stop_asking
from enrollments.allocations.idle.finding import set_idle_rule
from enrollments.allocations.idle.reclaiming import reclaim_due, reclaim_seat, sum_up_savings
from enrollments.errors import IdleSeatSettled
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import DistrictSeatAllocation, Enrollment, EnrollmentDecision, IdleSeat, ProgramInstance
from enrollments.tests.factories import STAFF, InstanceFactory, route, seats
from notifications.models import Notification
from notifications.sending import send_due_notifications
from notifications.wording import begin_letter, change_letter
from tests.commands import run_json

pytestmark = pytest.mark.django_db
LONG_AGO = dt.timedelta(days=40)


@pytest.fixture
def instance() -> ProgramInstance:
    return InstanceFactory()


@pytest.fixture
def allocation(instance: ProgramInstance) -> DistrictSeatAllocation:
    """Return two seats that are idle after 30 days, with a week to answer; Ana has had one of them for 40 days."""
    made = seats(instance.workspace, total=2, seat_price=Money(2500, "usd"))
    set_idle_rule(allocation_id=made.pk, idle_days=30, grace_days=7, now=utc_now())
    route(instance.workspace, email="ana@school.test", first_name="Ana", now=utc_now() - LONG_AGO)
    return DistrictSeatAllocation.objects.select_related("district__workspace").get(pk=made.pk)


def asked(now: dt.datetime | None = None) -> IdleSeat:
    ask_idle(now=now or utc_now())
    return IdleSeat.objects.latest("pk")


def time_over() -> int:
    return reclaim_due(now=utc_now() + dt.timedelta(days=8))


def status_of(idle: IdleSeat) -> str:
    return IdleSeat.objects.get(pk=idle.pk).status


def sign_in(email: str, at: dt.datetime) -> None:
    UserFactory(email=email, last_login=at)
    learner = Learner.objects.get(email="ana@school.test")
    guardian = find_or_create_guardian(workspace_id=learner.workspace_id, external_id="g-1")
    Guardian.objects.filter(pk=guardian.pk).update(email=email)
    link_guardian(guardian_id=guardian.pk, learner_id=learner.pk)


class TestAnIdleSeat:
    def test_is_asked_about_once(self, allocation: DistrictSeatAllocation, mailoutbox: list[Any]) -> None:
        now = utc_now()

        counts = [ask_idle(now=now) for _ in range(2)]
        send_due_notifications(now=now)

        (message,) = mailoutbox
        assert (counts, message.to) == ([1, 0], ["ana@school.test"])
        assert "for 40 days" in message.body
        assert IdleSeat.objects.get().due_at == now + dt.timedelta(days=7)

    def test_is_one_of_whose_family_nobody_was_seen(self, allocation: DistrictSeatAllocation) -> None:
        sign_in("ann@home.test", utc_now() - dt.timedelta(days=29))

        assert ask_idle(now=utc_now()) == 0
        assert ask_idle(now=utc_now() + dt.timedelta(days=2)) == 1

    @pytest.mark.parametrize(
        "change",
        [
            lambda seats, instance: seats.update(idle_days=None),
            lambda seats, instance: seats.update(idle_days=41),
            lambda seats, instance: seats.update(is_active=False),
            lambda seats, instance: instance.update(start_date=dt.date(2030, 1, 1)),
        ],
    )
    def test_is_none_without_the_rule_or_before_its_time(
        self, allocation: DistrictSeatAllocation, instance: ProgramInstance, change: Any
    ) -> None:
        change(DistrictSeatAllocation.objects.all(), ProgramInstance.objects.all())

        assert ask_idle(now=utc_now()) == 0

    def test_stays_where_nobody_can_be_asked(self, allocation: DistrictSeatAllocation) -> None:
        Learner.objects.update(email="")

        assert run_json("harvest_idle_seats", "--dry-run") == {
            "dry_run": True, "idle": 1, "without_address": 1, "due": 0, "asked": 0, "reclaimed": 0,
        }  # fmt: skip
        assert ask_idle(now=utc_now()) == 0


class TestTheFamily:
    def test_keeps_the_seat_by_the_link(self, allocation: DistrictSeatAllocation, mailoutbox: list[Any]) -> None:
        idle = asked()
        send_due_notifications(now=utc_now())
        found = re.search(r"/seats/\S+", mailoutbox[0].body)
        assert found is not None

        before = Client().get(found[0], follow=True)
        answer = Client().post(found[0], follow=True)

        assert "Ana" not in before.content.decode()
        assert "The seat stays yours" in answer.content.decode()
        assert (status_of(idle), time_over()) == ("kept", 0)
        assert ask_idle(now=utc_now() + dt.timedelta(days=29)) == 0
        assert ask_idle(now=utc_now() + dt.timedelta(days=31)) == 1

    def test_that_answers_too_late_is_told(self, allocation: DistrictSeatAllocation) -> None:
        idle = asked()
        time_over()

        with pytest.raises(IdleSeatSettled):
            keep_seat(idle_seat_id=idle.pk, actor=FAMILY, now=utc_now())

        assert status_of(idle) == "reclaimed"


class TestTheEndOfItsTime:
    @pytest.mark.sqlite
    def test_frees_the_seat_where_nobody_waits(self, allocation: DistrictSeatAllocation) -> None:
        idle = asked()

        assert [time_over(), time_over()] == [1, 0]

        assert Enrollment.objects.get().eligibility_status == "unenrolled"
        assert DistrictSeatAllocation.objects.get().used_seats == 0
        assert (status_of(idle), str(sum_up_savings(IdleSeat.objects.all()))) == (
            "reclaimed",
            "1 taken back, worth 25.00 USD; 0 of them passed on",
        )
        assert Notification.objects.filter(kind="enrollment_ended", recipient="ana@school.test").count() == 1

    def test_gives_it_to_whoever_was_turned_away_first(
        self, allocation: DistrictSeatAllocation, instance: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        route(instance.workspace, email="ben@school.test", now=utc_now())
        waiting = [self.turned_away(instance, name, monkeypatch) for name in ("cleo", "dan")]
        asked()

        time_over()

        passed_on = IdleSeat.objects.get().passed_on_to
        assert passed_on is not None
        assert (passed_on.learner, passed_on.reason) == (waiting[0].learner, "district_seat_reserved")
        assert Enrollment.objects.get(pk=waiting[0].enrollment_id).payment_status == "not_required"
        assert DistrictSeatAllocation.objects.get().used_seats == 2

    def turned_away(self, instance: ProgramInstance, name: str, monkeypatch: pytest.MonkeyPatch) -> EnrollmentDecision:
        """Return the decision about a learner who was sent to pay and has not paid."""
        monkeypatch.setattr("enrollments.routing.route.submit_checkout", Mock(side_effect=PaymentProviderDown))
        with pytest.raises(PaymentProviderDown):
            route(instance.workspace, email=f"{name}@school.test", first_name=name)
        decision = EnrollmentDecision.objects.latest("pk")
        Checkout.objects.filter(pk=decision.checkout_id).update(status="expired")
        EnrollmentDecision.objects.filter(pk=decision.pk).update(status="expired")
        return decision

    def test_finds_a_family_that_was_seen_since(self, allocation: DistrictSeatAllocation) -> None:
        idle = asked()
        sign_in("ann@home.test", utc_now() + dt.timedelta(days=1))

        time_over()

        assert (status_of(idle), Enrollment.objects.get().eligibility_status) == ("active", "approved")

    @pytest.mark.parametrize("ended", [True, False])
    def test_comes_after_the_end_of_the_enrollment_or_of_the_rule(
        self, allocation: DistrictSeatAllocation, ended: bool
    ) -> None:
        idle = asked()
        if ended:
            unenroll_enrollment(enrollment_id=idle.seat.enrollment_id, actor=STAFF, reason="Moved", now=utc_now())
        else:
            set_idle_rule(allocation_id=allocation.pk, idle_days=None, grace_days=7, now=utc_now())

        time_over()

        assert status_of(idle) == "overtaken"

    def test_is_put_off_by_what_fails(
        self, allocation: DistrictSeatAllocation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        idle = asked()
        monkeypatch.setattr("enrollments.allocations.idle.reclaiming.release_holder", lambda **_: 1 / 0)

        assert [time_over(), time_over()] == [1, 0]
        assert status_of(idle) == "asked"


class TestStaff:
    def test_set_the_rule_take_back_keep_and_stop(self, allocation: DistrictSeatAllocation) -> None:
        staff = StaffClient(workspace=allocation.district.workspace, role=Role.ADMIN)
        rule = reverse("admin:enrollments_districtseatallocation_idle_rule", args=[allocation.pk])

        preview = staff.post(rule, {"idle_days": "35", "grace_days": "5"})
        set_to = staff.confirm(rule, {"idle_days": "35", "grace_days": "5"})
        idle = asked()
        foreseen = staff.post(reverse("admin:enrollments_idleseat_reclaim", args=[idle.pk]), {})
        done = staff.confirm(reverse("admin:enrollments_idleseat_reclaim", args=[idle.pk]))

        assert "Families to ask within six hours: 1." in preview.content.decode()
        assert said(set_to) == ["District 1 seats: idle after 35 days."]
        assert "Nobody is waiting for the seat: it becomes free." in foreseen.content.decode()
        assert (said(done), status_of(idle)) == (["The seat of Ana Doe is free."], "reclaimed")

    def admin_of(self, allocation: DistrictSeatAllocation) -> StaffClient:
        return StaffClient(workspace=allocation.district.workspace, role=Role.ADMIN)

    def button(self, name: str, idle: IdleSeat) -> str:
        return reverse(f"admin:enrollments_idleseat_{name}", args=[idle.pk])

    def foresee(self, staff: StaffClient, idle: IdleSeat) -> Any:
        ((_, preview),) = staff.post(self.button("reclaim", idle), {}).context["previews"]
        return preview

    def test_read_the_mail_about_the_end_unless_it_is_switched_off(self, allocation: DistrictSeatAllocation) -> None:
        staff = self.admin_of(allocation)
        idle = asked()
        shown = self.foresee(staff, idle)
        now = utc_now()
        workspace_id = allocation.district.workspace_id
        letter = begin_letter(workspace_id=workspace_id, kind="enrollment_ended", actor=STAFF, now=now)
        change_letter(letter_id=letter.pk, subject=letter.subject, body=letter.body, is_on=False, actor=STAFF, now=now)

        switched_off = self.foresee(staff, idle)
        staff.confirm(self.button("reclaim", idle))

        assert shown.sentences == (
            f"Ana Doe leaves {idle.seat.enrollment.instance} now.",
            "Nobody is waiting for the seat: it becomes free.",
        )
        assert [letter.to for letter in shown.letters] == [("ana@school.test",)]
        assert (switched_off.letters, switched_off.mails) == ((), "The family gets no mail about the end.")
        assert Notification.objects.filter(kind="enrollment_ended").count() == 0

    def test_read_that_a_family_that_was_seen_keeps_its_seat(self, allocation: DistrictSeatAllocation) -> None:
        staff = self.admin_of(allocation)
        idle = asked()
        sign_in("ann@home.test", utc_now() + dt.timedelta(days=1))

        preview = self.foresee(staff, idle)
        done = staff.confirm(self.button("reclaim", idle))

        assert preview.sentences == ("Ana Doe has been active since the family was asked: the seat stays theirs.",)
        assert (preview.letters, preview.mails) == ((), "No mail is sent.")
        assert said(done) == ["Ana Doe keeps the seat: active again."]
        assert (status_of(idle), Enrollment.objects.get().eligibility_status) == ("active", "approved")

    def test_pass_a_seat_on_to_whom_they_were_told(
        self, allocation: DistrictSeatAllocation, instance: ProgramInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        route(instance.workspace, email="ben@school.test", now=utc_now())
        TestTheEndOfItsTime().turned_away(instance, "Cleo", monkeypatch)
        staff = self.admin_of(allocation)
        idle = asked()

        preview = self.foresee(staff, idle)
        done = staff.confirm(self.button("reclaim", idle))

        assert preview.sentences[1:] == (
            "The seat goes to Cleo Doe, the next who is waiting, if they meet the criteria.",
        )
        assert said(done) == ["Cleo Doe has the seat of Ana Doe."]

    @pytest.mark.parametrize(
        ("name", "told", "status", "asked_again"),
        [
            ("keep", "Ana Doe keeps the seat.", "kept", 1),
            ("stop", "Ana Doe keeps the seat, and nobody is asked about it again.", "stopped", 0),
        ],
    )
    def test_keep_a_seat_once(
        self, allocation: DistrictSeatAllocation, name: str, told: str, status: str, asked_again: int
    ) -> None:
        staff = self.admin_of(allocation)
        idle = asked()

        done = staff.post(self.button(name, idle), {"note": "They called"})
        again = staff.post(self.button(name, idle), {"note": "They called"})

        assert said(done) == [told]
        assert "is no longer possible" in said(again)[-1]
        assert status_of(idle) == status
        assert ask_idle(now=utc_now() + dt.timedelta(days=90)) == asked_again

    def test_without_the_power_take_nothing_back(self, allocation: DistrictSeatAllocation) -> None:
        idle = asked()

        StaffClient(workspace=allocation.district.workspace, role=Role.REVIEWER).confirm(self.button("reclaim", idle))

        assert status_of(idle) == "asked"

    def test_see_whom_it_is_about_with_the_savings_of_the_district(self, allocation: DistrictSeatAllocation) -> None:
        staff = self.admin_of(allocation)
        idle = asked()
        row = staff.get(reverse("admin:enrollments_idleseat_changelist")).content.decode()
        page = staff.get(self.button("change", idle)).content.decode()
        before = self.cards(staff, allocation)
        reclaim_seat(idle_seat_id=idle.pk, actor=STAFF, now=utc_now())

        assert ("Ana Doe" in row, allocation.district.name in row) == (True, True)
        enrollment = reverse("admin:enrollments_enrollment_change", args=[idle.seat.enrollment_id])
        assert f'href="{enrollment}">Ana Doe</a>' in page
        assert before == [["Ana Doe"], ["Ana Doe"]]
        assert self.cards(staff, allocation) == [["1 taken back, worth 25.00 USD; 0 of them passed on"]] * 2

    def cards(self, staff: StaffClient, allocation: DistrictSeatAllocation) -> list[list[str]]:
        """Return the rows of the card on the page of the allocation, and on that of its district."""
        shown = []
        for row, kind in ((allocation, "districtseatallocation"), (allocation.district, "district")):
            page = staff.get(reverse(f"admin:enrollments_{kind}_change", args=[row.pk]))
            (card,) = [each for each in page.context["neighbor_cards"] if each.title == "Idle seats"]
            shown.append([str(each.title) for each in card.rows])
        return shown

    def test_may_say_that_nobody_is_asked_again(self, allocation: DistrictSeatAllocation) -> None:
        stop_asking(idle_seat_id=asked().pk, actor=STAFF, now=utc_now())

        assert ask_idle(now=utc_now() + dt.timedelta(days=90)) == 0

    def test_can_not_take_back_what_was_kept(self, allocation: DistrictSeatAllocation) -> None:
        idle = asked()
        keep_seat(idle_seat_id=idle.pk, actor=FAMILY, now=utc_now())

        with pytest.raises(IdleSeatSettled):
            reclaim_seat(idle_seat_id=idle.pk, actor=SYSTEM, now=utc_now())

        assert Enrollment.objects.get().eligibility_status == "approved"
