import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.stack import RunningStack

from .conftest import Courses, Town
from .course_pages import choose, choose_child, go_to_payment, headline, look_until, pay
from .stripe_page import PAY, PAY_BY_DEBIT, press

pytestmark = pytest.mark.browser

Enter = Callable[[Page, str], None]


class TestBuyingACourse:
    def test_from_the_catalog_to_the_booked_sessions(
        self, visitor: Page, courses: Courses, town: Town, enter_code: Enter
    ) -> None:
        visitor.goto("/")
        visitor.get_by_role("link", name="Find a course").click()
        visitor.get_by_role("link", name="Robots that find their way").click()
        visitor.get_by_role("button", name="Enroll in Evenings").click()
        enter_code(visitor, town.new_address())
        headline(visitor, "Who is the course for?")

        go_to_payment(visitor, "Jane")
        pay(visitor)

        headline(visitor, "Jane is enrolled")
        expect(visitor.get_by_role("region", name="Already booked for you")).to_contain_text("Kickoff Meet your kit")
        choose(visitor, "Week 2", "Thursday lab")
        choose(visitor, "Week 3", "Tuesday lab")
        visitor.get_by_role("button", name="Confirm").click()
        headline(visitor, "Robots that find their way")
        expect(visitor.get_by_text("Your 2 sessions are booked.")).to_be_visible()
        visitor.get_by_text("All steps").click()
        expect(visitor.get_by_role("listitem").filter(has_text="Week 2")).to_contain_text("Thursday")
        expect(visitor.get_by_role("link", name="Change or cancel")).to_have_count(3)

    def test_of_single_classes_leaves_nothing_to_choose(
        self, page: Page, courses: Courses, town: Town, enter_code: Enter
    ) -> None:
        page.goto(courses.enroll_path("CHESS", "Wednesdays"))
        enter_code(page, town.new_address())
        go_to_payment(page, "Leo")
        pay(page)

        headline(page, "Leo is enrolled")
        expect(page.get_by_text("Every session is booked.")).to_be_visible()
        page.get_by_role("button", name="Go to the course").click()
        expect(page.get_by_text("Next session")).to_be_visible()

    def test_can_be_canceled_on_the_payment_page(
        self, page: Page, courses: Courses, town: Town, sign_in: Enter
    ) -> None:
        courses.meanwhile("leave_one_place")
        sign_in(page, town.new_address())
        page.goto(courses.enroll_path("ROBOTS", "One place"))
        go_to_payment(page, "Jane")

        page.get_by_role("button", name="Cancel and go back").click()

        expect(page.get_by_text("Nothing was charged, and the place of Jane Doe was given back.")).to_be_visible()
        expect(page.get_by_role("article", name="One place")).to_contain_text(re.compile(r"1 of \d"))


class TestThePayment:
    def pay_unheard(self, page: Page, courses: Courses) -> None:
        """Pay while no notice comes through and Stripe does not answer."""
        sandbox = courses.stack.sandbox
        page.goto(courses.enroll_path("CHESS", "Wednesdays"))
        sandbox.faults(webhooks="hold", server_error={"value": True, "path": "/v1/checkout/sessions/cs_"})
        go_to_payment(page, "Mia")
        pay(page)
        headline(page, "We are waiting for the payment to be confirmed")

    def test_is_waited_for_when_its_notice_is_late(
        self, page: Page, stack: RunningStack, courses: Courses, town: Town, sign_in: Enter
    ) -> None:
        sign_in(page, town.new_address())
        self.pay_unheard(page, courses)

        stack.sandbox.clear_faults()

        expect(page.get_by_role("heading", level=1)).to_have_text("Mia is enrolled", timeout=20_000)

    def test_is_looked_for_again_by_hand_without_javascript(
        self, browser: Browser, stack: RunningStack, courses: Courses, town: Town, sign_in: Enter
    ) -> None:
        context = browser.new_context(base_url=stack.url, java_script_enabled=False)
        page = context.new_page()
        sign_in(page, town.new_address())
        self.pay_unheard(page, courses)
        stack.sandbox.clear_faults()
        stack.sandbox.flush()

        enrolled = page.get_by_role("heading", name="Mia is enrolled")  # the page also checks by itself
        look_until(page, "Mia is enrolled", page.get_by_role("button", name="Check again").or_(enrolled).click)

        headline(page, "Mia is enrolled")
        context.close()

    def test_by_bank_debit_keeps_the_place_until_the_bank_answers(
        self, page: Page, stack: RunningStack, courses: Courses, town: Town, sign_in: Enter
    ) -> None:
        sign_in(page, town.new_address())
        page.goto(courses.enroll_path("CHESS", "Wednesdays"))
        go_to_payment(page, "Jane")
        session = page.url
        press(page, PAY_BY_DEBIT)
        headline(page, "Your payment is on its way")

        stack.sandbox.settle(session)
        look_until(page, "Jane is enrolled", page.reload)

        headline(page, "Jane is enrolled")

    def test_page_is_found_again_from_the_course(
        self, page: Page, courses: Courses, town: Town, sign_in: Enter
    ) -> None:
        sign_in(page, town.new_address())
        page.goto(courses.enroll_path("ROBOTS", "Evenings"))
        go_to_payment(page, "Jane")
        page.get_by_role("button", name=PAY).wait_for()

        page.goto(f"{courses.stack.url}/courses/ROBOTS")
        page.get_by_role("button", name="Continue to payment").click()
        pay(page)

        headline(page, "Jane is enrolled")


class TestAClass:
    def test_at_the_same_time_as_another_is_pointed_out_at_once(
        self, page: Page, courses: Courses, town: Town, sign_in: Enter
    ) -> None:
        sign_in(page, town.new_address())
        page.goto(courses.enroll_path("DANCE", "Weekends"))
        go_to_payment(page, "Jane")
        pay(page)

        choose(page, "Part 1", "Tuesday club")
        choose(page, "Part 2", "Tuesday club")

        expect(page.get_by_text("This overlaps with another class")).to_have_count(2)
        page.get_by_role("button", name="Confirm").click()
        expect(page.get_by_role("alert")).to_contain_text("Nothing was booked yet.")
        choose(page, "Part 2", "Thursday club")
        expect(page.get_by_text("This overlaps with another class")).to_have_count(0)
        page.get_by_role("button", name="Confirm").click()
        expect(page.get_by_text("Your 2 sessions are booked.")).to_be_visible()

    def test_can_be_changed_and_given_back(self, page: Page, courses: Courses, town: Town, sign_in: Enter) -> None:
        sign_in(page, town.new_address())
        page.goto(courses.enroll_path("ROBOTS", "Evenings"))
        go_to_payment(page, "Jane")
        pay(page)
        choose(page, "Week 3", "Tuesday lab")
        page.get_by_role("button", name="Confirm").click()

        page.get_by_role("link", name="Change or cancel Week 3").click()
        page.get_by_label("Thursday lab").check()
        page.get_by_role("button", name="Change to this class").click()
        expect(page.get_by_text("Your session was changed.")).to_be_visible()
        page.get_by_role("link", name="Change or cancel Week 3").click()
        page.get_by_role("button", name="Give this session back").click()

        expect(page.get_by_text("Your session was given back.")).to_be_visible()
        expect(page.get_by_text("2 to book")).to_be_visible()


class TestAFamily:
    def test_enrolls_two_children_in_one_sitting(
        self, page: Page, courses: Courses, town: Town, sign_in: Enter
    ) -> None:
        sign_in(page, town.new_address())
        page.goto(courses.enroll_path("CHESS", "Wednesdays"))
        go_to_payment(page, "Jane")
        pay(page)

        page.get_by_role("link", name="Enroll another child").click()
        expect(page.get_by_label("Jane Doe")).to_be_disabled()
        go_to_payment(page, "Leo")
        pay(page)
        headline(page, "Leo is enrolled")
        page.goto("/my/enrollments")

        expect(page.get_by_role("region", name="Jane Doe").get_by_role("article")).to_contain_text("Chess evenings")
        expect(page.get_by_role("region", name="Leo Doe").get_by_role("article")).to_contain_text("Chess evenings")


class TestAFullGroup:
    def test_is_closed_to_the_next_while_somebody_pays_for_the_last_place(
        self, page: Page, browser: Browser, stack: RunningStack, courses: Courses, town: Town, sign_in: Enter
    ) -> None:
        courses.meanwhile("leave_one_place")
        sign_in(page, town.new_address())
        page.goto(courses.enroll_path("ROBOTS", "One place"))
        go_to_payment(page, "Jane")
        page.get_by_role("button", name=PAY).wait_for()

        context = browser.new_context(base_url=stack.url)
        other = context.new_page()
        other.goto("/courses/ROBOTS")

        expect(other.get_by_role("article", name="One place")).to_contain_text("Full")
        expect(other.get_by_role("button", name="Enroll in One place")).to_have_count(0)
        context.close()
        page.get_by_role("button", name="Cancel and go back").click()

    def test_has_a_waiting_list_whose_offer_can_be_accepted(
        self, page: Page, courses: Courses, town: Town, sign_in: Enter
    ) -> None:
        sign_in(page, town.new_address())
        page.goto("/courses/ROBOTS")
        page.get_by_role("button", name="Join the waiting list of Full house").click()
        choose_child(page, "Jane")
        page.get_by_role("button", name="Join the waiting list").click()
        expect(page.get_by_text("Jane is next in line.")).to_be_visible()
        courses.meanwhile("add_a_place_to_the_full_house")
        page.reload()

        page.get_by_role("button", name="Accept and pay").click()
        pay(page)

        headline(page, "Jane is enrolled")
        page.goto("/my/enrollments")
        expect(page.get_by_text("Waiting list")).to_have_count(0)


class TestTimes:
    def test_are_the_visitor_s_own(self, browser: Browser, stack: RunningStack, courses: Courses) -> None:
        context = browser.new_context(base_url=stack.url, timezone_id="Asia/Tokyo")
        page = context.new_page()

        page.goto("/courses/CHESS")

        expect(page.get_by_text("Times are shown in your time zone.")).to_be_visible()
        # Tuesdays at 5 PM in Chicago are Wednesdays in Tokyo, an hour earlier while Chicago is on summer time.
        expect(page.get_by_role("article", name="Wednesdays")).to_contain_text(
            re.compile(r"Wednesday, \w+ \d+, (8:00 to 9:30|7:00 to 8:30) AM JST")
        )
        context.close()

    def test_are_those_of_the_class_without_javascript(
        self, browser: Browser, stack: RunningStack, courses: Courses
    ) -> None:
        context = browser.new_context(base_url=stack.url, timezone_id="Asia/Tokyo", java_script_enabled=False)
        page = context.new_page()

        page.goto("/courses/CHESS")

        expect(page.get_by_role("article", name="Wednesdays")).to_contain_text(
            "Tuesdays, 5:00 to 6:30 PM, Chicago time"
        )
        context.close()
