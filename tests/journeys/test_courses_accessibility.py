import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.stack import RunningStack

from .axe import seen
from .conftest import Courses, Town
from .course_pages import choose, choose_child, go_to_payment, headline, pay
from .stripe_page import PAY_BY_DEBIT, press

pytestmark = [pytest.mark.browser, pytest.mark.walk]

Enter = Callable[[Page, str], None]


class TestEveryCoursePageIsAccessible:
    @pytest.mark.parametrize("path", ["/courses", "/courses?search=nothing+like+this", "/courses/ROBOTS"])
    def test_to_a_visitor(self, page: Page, courses: Courses, path: str) -> None:
        page.goto(path)

        assert seen(page) == []

    def test_to_a_family_that_enrolls(
        self, page: Page, stack: RunningStack, courses: Courses, town: Town, sign_in: Enter
    ) -> None:
        sign_in(page, town.new_address())
        page.goto("/my/enrollments")
        found = seen(page)
        page.goto(courses.enroll_path("ROBOTS", "Evenings"))
        page.get_by_label("A child").check()
        page.get_by_role("button", name="Continue to payment").click()
        expect(page.get_by_text("Type the first name.")).to_be_visible()
        found += seen(page)
        go_to_payment(page, "Jane")
        session = page.url
        for path in ("/courses/ROBOTS", "/my/enrollments"):
            page.goto(f"{stack.url}{path}")
            expect(page.get_by_role("button", name="Continue to payment")).to_be_visible()
            found += seen(page)
        page.goto(session)
        press(page, PAY_BY_DEBIT)
        headline(page, "Your payment is on its way")
        found += seen(page)

        assert found == []

    def test_to_a_family_that_gives_a_place_back(
        self, page: Page, stack: RunningStack, courses: Courses, town: Town, sign_in: Enter
    ) -> None:
        sign_in(page, town.new_address())
        page.goto(courses.enroll_path("ROBOTS", "Evenings"))
        go_to_payment(page, "Jane")
        payment_page = page.url
        page.goto(f"{stack.url}/my/enrollments")
        page.get_by_role("button", name="Give the place back").click()
        expect(page.get_by_text("was given back")).to_be_visible()
        found = seen(page)
        page.goto("/my/enrollments")
        page.get_by_text("1 that is over").click()
        expect(page.get_by_role("button", name="Enroll again")).to_be_visible()
        found += seen(page)
        page.goto(f"/courses/enrolled?session_id={payment_page.split('/')[-1]}")
        headline(page, "This payment was canceled")
        found += seen(page)

        page.get_by_role("button", name="Enroll again").click()

        expect(page.get_by_label("Jane Doe")).to_be_checked()
        assert found == []

    def test_to_a_family_that_books(self, page: Page, courses: Courses, town: Town, sign_in: Enter) -> None:
        sign_in(page, town.new_address())
        page.goto(courses.enroll_path("DANCE", "Weekends"))
        go_to_payment(page, "Jane")
        pay(page)
        choose(page, "Part 1", "Tuesday club")
        choose(page, "Part 2", "Tuesday club")
        found = seen(page)
        page.get_by_role("button", name="Confirm").click()
        expect(page.get_by_role("alert")).to_be_visible()
        found += seen(page)
        choose(page, "Part 2", "Thursday club")
        page.get_by_role("button", name="Confirm").click()
        page.get_by_text("All steps").click()
        found += seen(page)
        page.get_by_role("link", name="My enrollments").first.click()
        page.get_by_role("button", name="Get a calendar address").click()
        found += seen(page)
        page.go_back()
        page.get_by_role("region", name="Jane Doe").locator("a[href*='/my/enrollments/']").first.click()
        page.get_by_text("All steps").click()
        page.get_by_role("link", name="Change or cancel Part 1").click()
        found += seen(page)

        assert found == []

    def test_to_a_family_that_waits(self, page: Page, courses: Courses, town: Town, sign_in: Enter) -> None:
        sign_in(page, town.new_address())
        page.goto("/courses/POTTERY")
        found = seen(page)
        page.goto(courses.enroll_path("ROBOTS", "Early birds"))
        found += seen(page)
        page.goto(courses.enroll_path("ROBOTS", "Sold out"))
        found += seen(page)
        choose_child(page, "Jane")
        page.get_by_role("button", name="Join the waiting list").click()
        expect(page.get_by_text(re.compile("in line"))).to_be_visible()
        found += seen(page)

        assert found == []
