"""Who is mailed what on each way through the platform: every mail, in its order, and no other.

A row names a journey and, for each of its steps, the mails that arrive: the mailbox and the kind. The journeys are in
the modules beside this one. `family` is the learner's guardian, `child` the learner's own address, and `payer` whoever
paid.
"""

from inspect import isgeneratorfunction

import pytest
from django.core import mail

from enrollments import emails, purchase
from enrollments.history import Journal
from notifications.letters import known_kinds
from sandbox.testing import SandboxProcess
from tests.contracts import mail_journeys as of_enrollments
from tests.contracts import mail_journeys_of_courses as of_courses
from tests.contracts import mail_journeys_of_families as of_families
from tests.contracts.mailbox import FAMILY, Journey, read, travel

pytestmark = pytest.mark.django_db

Mails = dict[str, list[str]]

ACCEPTED, ENDED, REJECTED = (f"family: enrollment_{kind}" for kind in ("approved", "ended", "rejected"))
ENROLLED, BOOKED = "family: course_enrolled", "family: sessions_booked"
OFFER, LAPSED = "family: waitlist_offer", "family: waitlist_lapsed"
PLANNED, SOON = (f"family: enrollment_{kind}" for kind in ("exit_planned", "ends_soon"))
SUBMITTED, ELIGIBLE = (f"family: enrollment_{kind}" for kind in ("submitted", "eligible"))
CERTIFICATE = "family: certificate_issued"
IN_CASH, BOUNCED = "family: enrollment_payment_recorded", "family: enrollment_payment_missing"
INVOICE, REFUND, FAILED = "payer: invoice", "payer: refund", "payer: payment_failed"
LINK = "family: Confirm your application for Robotics"
INVITED = "father: Riverside invites you to follow your family's enrollments"

ENROLLMENTS: dict[Journey, Mails] = {
    of_enrollments.router_finds_a_seat: {"asked": [], "approved": [], "ended": []},
    of_enrollments.router_asks_a_payer: {
        "asked": [],
        "paid": [ACCEPTED, INVOICE],
        "partly refunded": [REFUND],
        "refunded": [REFUND, ENDED],
    },
    of_enrollments.router_asks_a_payer_before_review: {"paid": [INVOICE], "approved": [ACCEPTED], "ended": [ENDED]},
    of_enrollments.router_asks_a_payer_after_review: {"approved": [], "paid": [ACCEPTED, INVOICE]},
    of_enrollments.router_asks_a_payer_and_review_refuses: {
        "paid": [INVOICE],
        "rejected": [REJECTED],
        "refunded": [REFUND],
    },
    of_enrollments.router_asks_a_payer_who_never_pays: {"expired": [], "rejected": [REJECTED]},
    of_enrollments.router_asks_a_payer_whose_bank_refuses: {"on its way": [], "refused": [FAILED]},
    of_enrollments.router_takes_a_code_for_everything: {"asked": [ACCEPTED], "ended": [ENDED]},
    of_enrollments.router_takes_a_code_for_everything_before_review: {"asked": [], "approved": [ACCEPTED]},
    of_enrollments.router_takes_a_code_for_everything_after_review: {"approved": [], "asked again": [ACCEPTED]},
    of_enrollments.router_takes_a_code_for_everything_and_review_refuses: {"rejected": [REJECTED]},
    of_enrollments.bank_takes_all_back: {"paid": [ACCEPTED, INVOICE], "contested": [], "lost": [ENDED]},
    of_enrollments.bank_takes_the_rest_back_from_the_family_that_paid: {
        "paid": [ACCEPTED, "family: invoice"],
        "partly refunded": ["family: refund"],
        "lost": [ENDED],
    },
    of_enrollments.dispute_is_won: {"paid": [ACCEPTED, INVOICE], "won": []},
    of_enrollments.paid_in_cash: {"asked": [], "paid": [ACCEPTED, IN_CASH], "given back": [ENDED]},
    of_enrollments.paid_in_cash_before_review: {"paid": [IN_CASH], "approved": [ACCEPTED]},
    of_enrollments.paid_in_cash_after_review: {
        "approved": [],
        "paid": [ACCEPTED, IN_CASH],
        "bounced and paid again": [IN_CASH],
    },
    of_enrollments.paid_in_cash_and_review_refuses: {"paid": [IN_CASH], "rejected": [REJECTED], "given back": []},
    of_enrollments.on_account: {
        "enrolled": ["family: enrollment_on_account"],
        "paid": [IN_CASH],
        "bounced": [BOUNCED],
        "ended": [ENDED],
    },
    of_enrollments.applied_and_accepted: {"filled in": [LINK], "confirmed": [SUBMITTED], "approved": [ACCEPTED]},
    of_enrollments.applied_without_review: {"filled in": [LINK], "confirmed": [ACCEPTED]},
    of_enrollments.applied_and_refused: {"confirmed": [SUBMITTED], "rejected": [REJECTED]},
    of_enrollments.applied_and_deleted: {"confirmed": [SUBMITTED], "deleted": []},
    of_enrollments.applied_and_paid: {"confirmed": [], "paid": [INVOICE], "approved": [ACCEPTED]},
    of_enrollments.applied_with_a_code_for_everything: {"confirmed": [ACCEPTED]},
    of_enrollments.applied_with_a_code_for_everything_before_review: {"confirmed": [], "approved": [ACCEPTED]},
    of_enrollments.decided_step_by_step: {
        "evaluated": [ELIGIBLE],
        "submitted": [SUBMITTED],
        "approved": [ACCEPTED],
        "ended": [ENDED],
    },
    of_enrollments.a_lead_becomes_a_learner: {
        "evaluated": ["lead: enrollment_eligible"],
        "submitted": ["lead: enrollment_submitted"],
        "approved": ["lead: enrollment_approved"],
    },
    of_enrollments.an_exit_is_planned_and_comes: {
        "approved": [ACCEPTED],
        "planned": [PLANNED],
        "planned anew": [PLANNED],
        "ended": [ENDED],
    },
    of_enrollments.an_exit_is_planned_and_withdrawn: {
        "approved": [ACCEPTED],
        "planned": [PLANNED],
        "withdrawn": ["family: enrollment_exit_withdrawn"],
    },
    of_enrollments.left_before_the_last_day: {"approved": [ACCEPTED], "planned": [PLANNED], "ten days before": []},
    of_enrollments.the_last_day_comes: {"approved": [ACCEPTED], "ten days before": [SOON], "two days before": [SOON]},
}

COURSES: dict[Journey, Mails] = {
    of_courses.bought_by_card: {
        "asked": [],
        "paid": [ENROLLED, INVOICE],
        "partly refunded": [REFUND],
        "refunded": [REFUND, ENDED],
    },
    of_courses.bought_by_debit: {"on its way": [], "paid": [ENROLLED, INVOICE]},
    of_courses.bought_by_debit_that_fails: {"on its way": [], "refused": [FAILED]},
    of_courses.free_by_a_code: {"enrolled": [ENROLLED], "ended": [ENDED]},
    of_courses.paid_too_late: {"expired": [], "paid": [INVOICE], "refunded": [REFUND]},
    of_courses.paid_after_it_was_left: {"deleted": [], "paid": [INVOICE], "refunded": [REFUND]},
    of_courses.left_by_quote: {"paid": [ENROLLED, INVOICE], "left": [ENDED], "refunded": [REFUND]},
    of_courses.ended_by_staff: {"ended": [ENDED]},
    of_courses.deleted_by_staff: {"deleted": []},
    of_courses.taken_back_by_the_bank: {"lost": [ENDED]},
    of_courses.an_offer_is_accepted: {"offered": [OFFER], "paid": [ENROLLED, INVOICE]},
    of_courses.an_offer_is_kept_while_a_checkout_ends: {"offered": [OFFER], "offered anew": []},
    of_courses.an_offer_lapses: {"offered": [OFFER], "lapsed": [LAPSED, OFFER]},
    of_courses.an_offer_is_declined: {"offered": [OFFER], "declined": []},
    of_courses.a_code_pays_for_an_offer: {"offered": [OFFER], "enrolled": [ENROLLED]},
    of_courses.sessions_are_booked: {
        "booked": [BOOKED],
        "exchanged": [BOOKED],
        "canceled": ["family: booking_cancelled"],
        "a day before a session": ["family: session_reminder"],
    },
    of_courses.sessions_change: {
        "new meeting page": ["family: session_meeting_page"],
        "new time": ["family: session_rescheduled"],
        "new dates": ["family: course_dates"],
    },
    of_courses.moved_to_a_later_cohort: {"moved": ["family: course_moved"]},
    of_courses.moved_to_a_cohort_that_meets_with_the_first: {"booked": [BOOKED], "moved": ["family: course_moved"]},
    of_courses.completed: {"attended one": [], "attended all": ["family: course_completed"]},
    of_courses.completed_with_an_excuse_before_new_dates: {"excused": ["family: course_completed"], "new dates": []},
}

FAMILIES: dict[Journey, Mails] = {
    of_families.partners_are_done: {
        "one partner": [],
        "all partners": [CERTIFICATE],
        "reissued": [CERTIFICATE],
        "revoked": [],
    },
    of_families.partners_wait: {
        "not accepted for a week": ["partner: partner_nudge_contact"],
        "not done for a week": ["family: partner_nudge_family"],
        "ended": [ENDED],
        "a week later": [],
    },
    of_families.a_family_asks_for_its_data_to_be_deleted: {
        "asked": ["family: deletion_asked"],
        "declined": ["family: deletion_declined"],
        "asked again and erased": ["family: learner_erased"],
    },
    of_families.a_family_asks_for_another_name: {
        "asked for Janet": [],
        "declined": ["family: name_kept"],
        "asked for Joan": [],
        "accepted": ["family: name_changed"],
    },
    of_families.a_second_guardian_comes_and_the_first_goes: {
        "both": [ELIGIBLE, "father: enrollment_eligible"],
        "one left": [SUBMITTED],
    },
    of_families.a_guardian_is_invited: {
        "invited": [INVITED],
        "not accepted yet": [ELIGIBLE],
        "accepted": [SUBMITTED, "father: enrollment_submitted"],
    },
    of_families.two_learners_are_one: {"merged": [], "evaluated": [ELIGIBLE]},
    of_families.a_learner_of_age_has_an_account: {"evaluated": [ELIGIBLE, "child: enrollment_eligible"]},
    of_families.a_family_is_asked_something: {
        "submitted": [SUBMITTED],
        "asked": ["family: enrollment_question"],
        "two days before the end": ["family: enrollment_question_again"],
        "rejected": [REJECTED],
    },
    of_families.a_seat_lies_idle: {"enrolled": [], "asked": ["family: enrollment_seat_idle"], "taken back": [ENDED]},
    of_families.candidates_are_imported: {
        "imported": ["ann0: enrollment_eligible", "bob: enrollment_ineligible"],
        "undone": [],
    },
    of_families.staff_hear_of_what_waits: {"this morning": ["reviewer: review_digest"]},
    of_families.seats_run_out: {"all taken": ["district: district_seats_taken", "manager: seats_taken"]},
    of_families.somebody_signs_in: {"asked for a code": ["family: Your sign-in code"]},
}

TABLE = ENROLLMENTS | COURSES | FAMILIES
ELSEWHERE = {
    "district_seats_idle",  # enrollments/tests/test_seat_mails.py
    "district_seats_reclaimed",
    "seats_idle",
    "seats_reclaimed",
    "webhook_endpoint_disabled",  # events/tests/test_webhooks.py
}


class TestAJourney:
    @pytest.mark.parametrize(("journey", "mails"), TABLE.items(), ids=[journey.__name__ for journey in TABLE])
    def test_brings_exactly_these_mails(self, stripe_of_module: SandboxProcess, journey: Journey, mails: Mails) -> None:
        assert travel(journey, stripe_of_module) == mails


class TestTheTable:
    def test_has_every_kind_of_mail(self) -> None:
        arrived = {line.partition(": ")[2] for mails in TABLE.values() for lines in mails.values() for line in lines}

        assert set(known_kinds()) - arrived == ELSEWHERE

    def test_has_every_journey(self) -> None:
        written = [
            getattr(module, name)
            for module in (of_enrollments, of_courses, of_families)
            for name, found in vars(module).items()
            if isgeneratorfunction(found) and found.__module__ == module.__name__
        ]

        assert written == list(TABLE)


class TestTheCheck:
    def test_sees_a_second_mail_about_one_thing(
        self, stripe_of_module: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(purchase, "Journal", lambda *given, **_: Journal(*given))

        mails = travel(of_courses.free_by_a_code, stripe_of_module)

        assert sorted(mails["enrolled"]) == sorted([ACCEPTED, ENROLLED])

    def test_sees_a_mail_to_somebody_who_is_no_guardian_any_more(
        self, stripe_of_module: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(emails, "belongs_to_family", lambda *_: True)

        with pytest.raises(AssertionError, match=r"gone@mails\.test finds an empty page"):
            travel(of_families.two_learners_are_one, stripe_of_module)

    def test_opens_each_link_as_its_reader(self) -> None:
        mail.send_mail("Look", "Here: http://127.0.0.1:8000/my/enrollments/nowhere\n", None, [FAMILY])

        with pytest.raises(AssertionError, match=r"family@mails\.test gets 404"):
            read()
