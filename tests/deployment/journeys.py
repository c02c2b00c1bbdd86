"""People on their way through a deployment, in the browser: each is halfway when something is done to it."""

import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Browser, Page, expect

from sandbox.testing import wait_until
from tests.journeys import course_pages
from tests.journeys.office import Office

from .running import SETTLE_SECONDS, Deployment

HERE = "tests.deployment.ways"
PATIENCE_MS = 60_000
TUITION = 14900


class Journeys:
    """Four journeys: a family buys a course and books its sessions; a learner applies and staff approve; a learner goes
    from partner to partner to a certificate; a family pays and staff give the money back. `begin` brings one of each
    halfway, and `end` brings those who are halfway to the end. The texts of pages and answers are kept by journey.
    """

    def __init__(self, deployment: Deployment, browser: Browser) -> None:
        self.arrived: dict[str, list[str]] = defaultdict(list)
        self._deployment = deployment
        self._browser = browser
        self._town: dict[str, Any] = deployment.call(f"{HERE}:build")
        self._before = self._net()
        self._office = Office(deployment.url, self._town["key"])
        self._taught = self._office.set_up_partners(deployment.sandbox)
        self._reviewed = self._office.open_instance("MATH", "By hand")
        self._staff = self._sign_staff_in()
        self._halfway: list[Callable[[], None]] = []
        self._count = 0

    def begin(self) -> None:
        self._count += 1
        name = f"Kid{chr(ord('A') + self._count)}"
        self._halfway = [self._buy(name), self._apply(name), self._go_to_partners(name), self._pay(name)]

    def end(self) -> None:
        for arrive in self._halfway:
            arrive()
        self._halfway = []

    def earned(self) -> int:
        """Return the money that Stripe has received since they began, in cents, minus refunds."""
        return self._net() - self._before

    def rows(self) -> Any:
        """Return who has completed which journey, once per row."""
        return self._deployment.call(f"{HERE}:arrived")

    def told(self) -> dict[str, list[str]]:
        """Return who got a mail about it. A course that was bought has three sessions."""
        booked = [name for name in self.arrived["purchase"] for _ in range(3)]
        return {journey: sorted(people) for journey, people in (self.arrived | {"purchase": booked}).items()}

    # --- The first half; each returns the second ----------------------------------------------------------------------

    def _buy(self, name: str) -> Callable[[], None]:
        page, email = self._new_visitor(), f"parent-of-{name.lower()}@families.test"
        page.goto("/courses/ROBOTS")
        page.get_by_role("button", name="Enroll in Evenings").click()
        course_pages.enter_code(page, email, lambda: self._deployment.sign_in_code(to=email))
        course_pages.go_to_payment(page, name)
        course_pages.pay(page)
        course_pages.headline(page, f"{name} is enrolled")

        def book() -> None:
            course_pages.choose(page, "Week 2", "Thursday lab")
            course_pages.choose(page, "Week 3", "Tuesday lab")
            page.get_by_role("button", name="Confirm").click()
            expect(page.get_by_text("Your 2 sessions are booked.")).to_be_visible()
            page.context.close()
            self.arrived["purchase"].append(name)

        return book

    def _apply(self, name: str) -> Callable[[], None]:
        email = f"applicant-{name.lower()}@families.test"
        enrollment = self._office.apply(self._reviewed, email, "evaluate", "submit", first_name=name)

        def approve() -> None:
            self._staff.goto(f"/admin/enrollments/enrollment/review/?q={name}")
            case = self._staff.get_by_role("article").get_by_role("heading", level=2)
            expect(case).to_have_text(f"{name} Okafor")
            self._staff.keyboard.press("a")
            self._staff.keyboard.press("Enter")
            expect(self._staff.get_by_text("Nobody who matches the filters waits for a reviewer.")).to_be_visible()
            # It is held for ten seconds, and then carried out by the worker.
            self._wait(lambda: self._office.read(f"/enrollments/{enrollment}")["eligibility"]["status"] == "approved")
            self.arrived["application"].append(email)

        return approve

    def _go_to_partners(self, name: str) -> Callable[[], None]:
        email = f"learner-{name.lower()}@families.test"
        enrollment = self._office.apply(self._taught, email, "evaluate", "submit", "approve", first_name=name)
        first, _ = self._office.wait_for(enrollment, "in_progress", "pending")
        self._deployment.sandbox.take_course(first["launchUrl"])

        def graduate() -> None:
            _, second = self._office.wait_for(enrollment, "completed", "in_progress")
            self._deployment.sandbox.take_course(second["launchUrl"])
            self._office.wait_for(enrollment, "completed", "completed")
            certificate = self._office.read(f"/enrollments/{enrollment}/certificate")
            stranger = self._new_visitor()
            stranger.goto(certificate["verificationUrl"])
            expect(stranger.get_by_role("heading", name=f"{name} Okafor")).to_be_visible()
            assert stranger.request.get(certificate["url"]).body().startswith(b"%PDF")
            stranger.context.close()
            self.arrived["course"].append(email)

        return graduate

    def _pay(self, name: str) -> Callable[[], None]:
        email = f"payer-for-{name.lower()}@families.test"
        person = {"email": email, "first_name": name, "last_name": "Doe"}
        context = {"program_instance_id": self._town["instance"], "guardian_id": f"of-{email}"}
        asked = self._office.send("POST", "/enroll", learner_profile=person, context=context)
        self._deployment.sandbox.pay(asked["checkout_url"])
        self._wait(lambda: self._office.read(f"/decisions/{asked['decision_id']}")["status"] == "completed")

        def give_back() -> None:
            payment = self._deployment.call(f"{HERE}:payments")[email]
            self._staff.goto(f"/admin/billing/payment/{payment}/refund/")
            buttons = self._staff.get_by_role("main")
            buttons.get_by_role("button", name="Preview", exact=True).last.click()
            buttons.get_by_role("button", name="Refund", exact=True).last.click()
            expect(self._staff.get_by_text("will go back to the payer")).to_be_visible()
            self._wait(lambda: email in self.rows()["refund"])
            self.arrived["refund"].append(email)

        return give_back

    # --- Inside -------------------------------------------------------------------------------------------------------

    def _sign_staff_in(self) -> Page:
        page = self._new_visitor()
        page.goto("/admin/login/?next=/admin/")
        page.get_by_label(re.compile("Email")).fill(self._town["staff"])
        page.get_by_label(re.compile("Password")).fill(self._town["password"])
        page.keyboard.press("Enter")
        expect(page).to_have_title(re.compile("Dashboard"))
        return page

    def _new_visitor(self) -> Page:
        expect.set_options(timeout=PATIENCE_MS)
        context = self._browser.new_context(base_url=self._deployment.nginx.secure_url, ignore_https_errors=True)
        context.set_default_timeout(PATIENCE_MS)
        return context.new_page()

    def _net(self) -> int:
        totals = self._deployment.sandbox.ledger()["totals"]
        return int(totals["usd"]["net"]) if "usd" in totals else 0

    def _wait(self, condition: Callable[[], bool]) -> None:
        wait_until(condition, seconds=SETTLE_SECONDS)
