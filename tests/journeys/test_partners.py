"""A learner goes from partner to partner to a certificate that anybody can check, without manual work."""

import pytest
from playwright.sync_api import Browser, Page, expect

from sandbox.testing import wait_until
from tests.stack import RunningStack

from .conftest import Town
from .office import PARTNERS, Office

pytestmark = pytest.mark.browser

PATIENCE_SECONDS = 60.0


@pytest.fixture
def office(town: Town) -> Office:
    return Office(town.stack.url, town.key)


@pytest.fixture
def instance(stack: RunningStack, office: Office) -> str:
    return office.set_up_partners(stack.sandbox)


def is_told(stack: RunningStack, email: str, link: str) -> bool:
    return any(link in mail.text for mail in stack.mails(to=email))


class TestALearnerAtPartners:
    def test_comes_from_approval_to_a_certificate_although_the_worker_dies(
        self, stack: RunningStack, office: Office, town: Town, instance: str, browser: Browser, page: Page
    ) -> None:
        email = town.new_address()
        enrollment = office.apply(instance, email, "evaluate", "submit", "approve")

        first, _ = office.wait_for(enrollment, "in_progress", "pending")
        page.goto(first["launchUrl"])
        page.get_by_role("button", name="Take the first half").click()
        expect(page.get_by_text("Your progress: 50 %")).to_be_visible()
        stack.kill("worker")
        page.get_by_role("button", name="Complete the course").click()
        expect(page.get_by_text("Completed.")).to_be_visible()
        stack.start("worker")

        _, second = office.wait_for(enrollment, "completed", "in_progress")
        page.goto(second["launchUrl"])
        page.get_by_role("button", name="Complete the course").click()
        expect(page.get_by_text("Completed.")).to_be_visible()
        office.wait_for(enrollment, "completed", "completed")

        certificate = office.read(f"/enrollments/{enrollment}/certificate")
        wait_until(lambda: is_told(stack, email, certificate["verificationUrl"]), seconds=PATIENCE_SECONDS)
        stranger = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
        stranger.goto(certificate["verificationUrl"])
        expect(stranger.get_by_role("heading", name="Ada Okafor")).to_be_visible()
        expect(stranger.get_by_text("Valid", exact=True)).to_be_visible()
        assert stranger.request.get(certificate["url"]).body().startswith(b"%PDF")
        assert [len(stack.sandbox.partner(slug)["enrollments"]) for slug in PARTNERS] == [1, 1]
