"""A learner goes from partner to partner to a certificate that anybody can check, with no hand on it."""

from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from demo.dialects import DIALECTS, FIELD_MAPS
from sandbox.testing import wait_until
from tests.stack import RunningStack

from .conftest import Town

pytestmark = pytest.mark.browser

PARTNERS = ("circuit-works", "pixel-forge")
PATIENCE_SECONDS = 60.0


class Office:
    """The integrator of the workspace, who sets things up and then only looks."""

    def __init__(self, town: Town) -> None:
        self._http = httpx.Client(
            base_url=f"{town.stack.url}/api",
            headers={"Authorization": f"Bearer {town.key}"},
            timeout=PATIENCE_SECONDS,
            trust_env=False,
        )

    def send(self, method: str, path: str, **body: Any) -> Any:
        answer = self._http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def read(self, path: str) -> Any:
        return self._http.get(path).json()

    def standing(self, enrollment: str) -> list[str]:
        return [step["status"] for step in self.read(f"/enrollments/{enrollment}/steps")]

    def wait_for(self, enrollment: str, *standing: str) -> list[dict[str, Any]]:
        """The steps, once they stand like this."""
        wait_until(lambda: self.standing(enrollment) == list(standing), seconds=PATIENCE_SECONDS)
        steps: list[dict[str, Any]] = self.read(f"/enrollments/{enrollment}/steps")
        return steps


@pytest.fixture
def office(town: Town) -> Office:
    return Office(town)


@pytest.fixture
def instance(stack: RunningStack, office: Office) -> str:
    """A program that two partners teach, one after the other."""
    for slug in PARTNERS:
        address = f"{stack.sandbox.url}/lms/{slug}"
        dialect = DIALECTS.get(slug, "plain")  # the JSON of the second one has names of its own
        known: dict[str, Any] = {"baseUrl": address, "apiKey": "key", "fieldMap": FIELD_MAPS.get(dialect, {})}
        made = office.send("POST", "/partners", slug=slug, name=slug, adapter="rest", **known)
        webhook_url = f"{stack.url}/api/webhooks/partners/{slug}"
        signed = {"webhook_url": webhook_url, "secret": made["webhookSecret"]}
        stack.sandbox.partner(slug, api_key="key", dialect=dialect, **signed)
    office.send("POST", "/programs", code="MAKER", title="Maker Path")
    steps = [{"partner": slug, "courseId": f"course-at-{slug}"} for slug in PARTNERS]
    office.send("PUT", "/programs/MAKER/partnerSequence", steps=steps)
    made = office.send("POST", "/programInstances", programCode="MAKER", name="Maker Path", reviewMode="manual")
    return str(made["id"])


def apply(office: Office, instance: str, email: str) -> str:
    person = {"firstName": "Ada", "lastName": "Okafor", "email": email}
    path = f"/programInstances/{instance}/enrollments"
    enrollment = office.send("POST", path, identificationType="customerInfo", **person)["id"]
    for action in ("evaluate", "submit", "approve"):
        office.send("POST", f"/enrollments/{enrollment}/{action}")
    return str(enrollment)


def is_told(stack: RunningStack, email: str, link: str) -> bool:
    return any(link in mail.text for mail in stack.mails(to=email))


class TestALearnerAtPartners:
    def test_comes_from_approval_to_a_certificate_although_the_worker_dies(
        self, stack: RunningStack, office: Office, town: Town, instance: str, browser: Browser, page: Page
    ) -> None:
        email = town.new_address()
        enrollment = apply(office, instance, email)

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
