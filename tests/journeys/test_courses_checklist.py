"""The checklist of the course document, line by line, on a phone and at a desk without JavaScript.

cohorts/README.md says which test covers which line.
"""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from sandbox.testing import wait_until
from tests.stack import RunningStack

from .conftest import Courses, Town, without_javascript_in_walks
from .course_pages import choose, choose_child, go_to_payment, headline, pay
from .stripe_page import PAY

pytestmark = pytest.mark.browser

Enter = Callable[[Page, str], None]
STEPS = ["Kickoff", "Week 2", "Week 3"]


def read(page: Page, path: str) -> Any:
    """Return what the API tells the person whose browser this is."""
    answer = page.request.get(path)
    assert answer.status == 200
    return answer.json()


def packages(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read(page, "/api/students/me/course-packages")
    return found


def statuses(page: Page) -> list[str]:
    """Return the states of the steps of the person's only course, in order."""
    (package,) = packages(page)
    steps = read(page, f"/api/students/me/course-packages/{package['packageId']}")["steps"]
    assert [step["stepLabel"] for step in steps] == STEPS
    return [step["status"] for step in steps]


def taken_places(page: Page, courses: Courses, cohort: str) -> int:
    rows = read(page, "/api/course-programs/ROBOTS/cohorts?includeFullCohorts=true")
    return next(row["currentEnrollment"] for row in rows if row["id"] == courses.cohorts["ROBOTS"][cohort])


def session_on(page: Page, stack: RunningStack) -> dict[str, Any]:
    """Return the Stripe session whose payment page the browser shows, as Stripe has it."""
    session_id = re.search(r"cs_test_\w+", page.url)
    assert session_id is not None
    answer = httpx.get(
        f"{stack.sandbox.url}/v1/checkout/sessions/{session_id[0]}",
        headers={"Authorization": f"Bearer {stack.sandbox.api_key}"},
        trust_env=False,
    )
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def welcomes(stack: RunningStack, email: str) -> list[str]:
    """Return the subjects of the mails about an enrollment."""
    return [mail.subject for mail in stack.mails(to=email) if "is enrolled" in mail.subject]


@pytest.mark.walk
@without_javascript_in_walks
class TestEnrolling:
    def test_leads_to_a_checkout_that_says_what_is_bought_and_for_whom(
        self, visitor: Page, stack: RunningStack, courses: Courses, town: Town, enter_code: Enter
    ) -> None:
        visitor.goto("/courses/ROBOTS")
        visitor.get_by_role("button", name="Enroll in Evenings").click()
        enter_code(visitor, town.new_address())
        go_to_payment(visitor, "Jane")
        visitor.get_by_role("button", name=PAY).wait_for()

        session = session_on(visitor, stack)

        assert (session["mode"], session["status"], session["payment_status"]) == ("payment", "open", "unpaid")
        assert (session["amount_total"], session["currency"]) == (14900, "usd")
        assert session["success_url"] == f"{stack.url}/courses/enrolled?session_id={{CHECKOUT_SESSION_ID}}"
        assert session["cancel_url"].startswith(f"{stack.url}/courses/ROBOTS/cohorts/")
        metadata = session["metadata"]
        assert metadata["entityType"] == "course_enrollment"
        assert (metadata["courseCode"], metadata["cohortName"]) == ("ROBOTS", "Evenings")
        assert metadata["cohortId"] == str(courses.cohorts["ROBOTS"]["Evenings"])
        assert metadata["courseProgramId"].isdecimal()
        visitor.goto(f"{stack.url}/courses/ROBOTS/cohorts/{metadata['cohortId']}/enroll")
        expect(visitor.get_by_label("Jane Doe")).to_have_value(metadata["studentId"])

    def test_is_done_by_the_webhook_even_if_the_payer_never_returns(
        self, visitor: Page, stack: RunningStack, courses: Courses, town: Town, sign_in: Enter
    ) -> None:
        sign_in(visitor, town.new_address())
        taken = taken_places(visitor, courses, "Evenings")
        visitor.goto(courses.enroll_path("ROBOTS", "Evenings"))
        go_to_payment(visitor, "Jane")
        visitor.get_by_role("button", name=PAY).wait_for()

        stack.sandbox.pay(visitor.url)
        visitor.goto(f"{stack.url}/my/enrollments")
        wait_until(lambda: len(packages(visitor)) == 1, seconds=20)

        (package,) = packages(visitor)
        assert (package["name"], package["courseCode"], package["cohortName"]) == (
            "ROBOTS - Evenings",
            "ROBOTS",
            "Evenings",
        )
        assert package["learner"]["firstName"] == "Jane"
        assert (package["totalSteps"], package["completedSteps"], package["expiresAt"]) == (3, 0, None)
        assert statuses(visitor) == ["BOOKED", "UNBOOKED", "UNBOOKED"]
        assert taken_places(visitor, courses, "Evenings") == taken + 1
        visitor.reload()
        expect(visitor.get_by_role("region", name="Action needed")).to_contain_text("2 sessions are not booked yet.")

    def test_happens_once_however_often_the_webhook_comes(
        self, visitor: Page, stack: RunningStack, courses: Courses, town: Town, sign_in: Enter
    ) -> None:
        email = town.new_address()
        sign_in(visitor, email)
        visitor.goto(courses.enroll_path("ROBOTS", "Evenings"))
        go_to_payment(visitor, "Jane")
        pay(visitor)
        headline(visitor, "Jane is enrolled")
        taken = taken_places(visitor, courses, "Evenings")
        paid = next(
            delivery
            for delivery in stack.sandbox.wait_for_deliveries()
            if delivery["type"] == "checkout.session.completed"
        )

        for _ in range(3):
            stack.sandbox.redeliver(paid["event"])
        sent = [delivery for delivery in stack.sandbox.wait_for_deliveries() if delivery["event"] == paid["event"]]

        assert sum(delivery["attempts"] for delivery in sent) == 4
        assert {delivery["status"] for delivery in sent} == {200}
        visitor.goto("/my/enrollments")
        expect(visitor.get_by_role("article")).to_have_count(1)
        assert len(packages(visitor)) == 1
        assert statuses(visitor) == ["BOOKED", "UNBOOKED", "UNBOOKED"]
        assert taken_places(visitor, courses, "Evenings") == taken
        wait_until(lambda: welcomes(stack, email) != [])
        assert welcomes(stack, email) == ["Jane is enrolled in Robots that find their way"]


@without_javascript_in_walks
class TestTheWizard:
    def enroll(self, visitor: Page, courses: Courses, cohort: str) -> None:
        visitor.goto(courses.enroll_path("ROBOTS", cohort))
        go_to_payment(visitor, "Jane")
        pay(visitor)
        headline(visitor, "Jane is enrolled")

    def test_books_single_sessions_by_itself_and_then_the_chosen_ones(
        self, visitor: Page, courses: Courses, town: Town, sign_in: Enter
    ) -> None:
        sign_in(visitor, town.new_address())

        self.enroll(visitor, courses, "Evenings")

        expect(visitor.get_by_role("region", name="Already booked for you")).to_contain_text("Kickoff Meet your kit")
        week_2, week_3 = visitor.get_by_role("group", name="Week 2"), visitor.get_by_role("group", name="Week 3")
        expect(week_2.get_by_role("radio")).to_have_count(3)
        expect(week_3.get_by_role("radio")).to_have_count(2)
        expect(week_2).to_contain_text("Wheels and motors")
        saturday = week_2.locator("label").filter(has_text="Saturday lab")
        expect(saturday).to_contain_text(re.compile(r"Saturday, \w+ \d+, [56]:00 to [67]:30 PM"))
        expect(saturday).to_contain_text(re.compile(r"\d+ seats left"))
        assert statuses(visitor) == ["BOOKED", "UNBOOKED", "UNBOOKED"]

        choose(visitor, "Week 2", "Thursday lab")
        choose(visitor, "Week 3", "Tuesday lab")
        visitor.get_by_role("button", name="Confirm").click()

        headline(visitor, "Robots that find their way")
        assert "/my/enrollments/" in visitor.url
        expect(visitor.get_by_text("Your 2 sessions are booked.")).to_be_visible()
        assert statuses(visitor) == ["BOOKED", "BOOKED", "BOOKED"]
        visitor.reload()
        visitor.get_by_text("All steps").click()
        for step, day in (("Kickoff", "Tuesday"), ("Week 2", "Thursday"), ("Week 3", "Tuesday")):
            expect(visitor.get_by_role("listitem").filter(has_text=step)).to_contain_text(day)

    def test_can_be_left_for_later(self, visitor: Page, courses: Courses, town: Town, sign_in: Enter) -> None:
        sign_in(visitor, town.new_address())
        self.enroll(visitor, courses, "Evenings")

        visitor.get_by_role("button", name="Book later").click()

        headline(visitor, "Robots that find their way")
        assert statuses(visitor) == ["BOOKED", "UNBOOKED", "UNBOOKED"]
        visitor.get_by_role("button", name="Book 2 sessions").click()
        choose(visitor, "Week 2", "Saturday lab")
        visitor.get_by_role("button", name="Confirm").click()
        expect(visitor.get_by_text("1 to book")).to_be_visible()
        assert statuses(visitor) == ["BOOKED", "BOOKED", "UNBOOKED"]

    def test_says_which_class_filled_up_and_books_nothing(
        self, visitor: Page, courses: Courses, town: Town, sign_in: Enter
    ) -> None:
        courses.meanwhile("leave_one_seat_on_tuesday")
        sign_in(visitor, town.new_address())
        self.enroll(visitor, courses, "Small group")
        choose(visitor, "Week 2", "Tuesday lab")
        choose(visitor, "Week 3", "Thursday lab")
        courses.meanwhile("take_the_last_seat_on_tuesday")

        visitor.get_by_role("button", name="Confirm").click()

        expect(visitor.get_by_role("alert")).to_contain_text("Nothing was booked yet.")
        week_2 = visitor.get_by_role("group", name="Week 2")
        expect(week_2).to_contain_text("A session you chose just filled up")
        expect(week_2.get_by_label("Tuesday lab")).to_be_disabled()
        expect(visitor.get_by_role("group", name="Week 3").get_by_label("Thursday lab")).to_be_checked()
        assert statuses(visitor) == ["BOOKED", "UNBOOKED", "UNBOOKED"]
        choose(visitor, "Week 2", "Saturday lab")
        visitor.get_by_role("button", name="Confirm").click()
        expect(visitor.get_by_text("Your 2 sessions are booked.")).to_be_visible()


@pytest.mark.walk
@without_javascript_in_walks
class TestACohortThatFillsUp:
    def test_during_a_checkout_keeps_the_place_of_the_person_who_pays(
        self, visitor: Page, courses: Courses, town: Town, sign_in: Enter
    ) -> None:
        courses.meanwhile("leave_one_place")
        sign_in(visitor, town.new_address())
        visitor.goto(courses.enroll_path("ROBOTS", "One place"))
        go_to_payment(visitor, "Jane")
        visitor.get_by_role("button", name=PAY).wait_for()
        payment_page = visitor.url

        visitor.goto(f"{courses.stack.url}{courses.enroll_path('ROBOTS', 'One place')}")

        headline(visitor, "Join the waiting list")
        visitor.goto(payment_page)
        pay(visitor)
        headline(visitor, "Jane is enrolled")

    def test_while_choosing_who_attends_offers_the_waiting_list(
        self, visitor: Page, courses: Courses, town: Town, sign_in: Enter
    ) -> None:
        courses.meanwhile("leave_one_place")
        sign_in(visitor, town.new_address())
        visitor.goto(courses.enroll_path("ROBOTS", "One place"))
        headline(visitor, "Who is the course for?")
        choose_child(visitor, "Jane")
        courses.meanwhile("sell_the_place_that_is_being_paid")

        visitor.get_by_role("button", name="Continue to payment").click()

        headline(visitor, "Join the waiting list")
        expect(visitor.get_by_role("alert")).to_contain_text("is full")
        assert packages(visitor) == []

    def test_before_the_money_arrives_sends_it_back(
        self, visitor: Page, courses: Courses, town: Town, sign_in: Enter
    ) -> None:
        courses.meanwhile("leave_one_place")
        sign_in(visitor, town.new_address())
        visitor.goto(courses.enroll_path("ROBOTS", "One place"))
        go_to_payment(visitor, "Jane")
        visitor.get_by_role("button", name=PAY).wait_for()
        courses.meanwhile("sell_the_place_that_is_being_paid")

        pay(visitor)

        headline(visitor, "Your payment is being returned")
        expect(visitor.get_by_text("The last place went to somebody else")).to_be_visible()
        expect(visitor.get_by_text("149.00 USD goes back to the card")).to_be_visible()
        assert packages(visitor) == []
