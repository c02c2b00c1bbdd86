"""The integrator of a workspace, who sets things up over the API and then only looks."""

from typing import Any

import httpx

from demo.dialects import DIALECTS, FIELD_MAPS
from sandbox.testing import SandboxProcess, wait_until

PARTNERS = ("circuit-works", "pixel-forge")
PATIENCE_SECONDS = 60.0


class Office:
    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self._http = httpx.Client(
            base_url=f"{url}/api",
            headers={"Authorization": f"Bearer {key}"},
            timeout=PATIENCE_SECONDS,
            trust_env=False,
        )

    def send(self, method: str, path: str, **body: Any) -> Any:
        answer = self._http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def read(self, path: str) -> Any:
        return self._http.get(path).json()

    def set_up_partners(self, sandbox: SandboxProcess) -> str:
        """Create a program that two partners teach, one after the other; return its instance's id."""
        for slug in PARTNERS:
            address = f"{sandbox.url}/lms/{slug}"
            dialect = DIALECTS.get(slug, "plain")  # the second one's JSON uses its own names
            known: dict[str, Any] = {"baseUrl": address, "apiKey": "key", "fieldMap": FIELD_MAPS.get(dialect, {})}
            made = self.send("POST", "/partners", slug=slug, name=slug, adapter="rest", **known)
            webhook_url = f"{self.url}/api/webhooks/partners/{slug}"
            signed = {"webhook_url": webhook_url, "secret": made["webhookSecret"]}
            sandbox.partner(slug, api_key="key", dialect=dialect, **signed)
        self.send("POST", "/programs", code="MAKER", title="Maker Path")
        steps = [{"partner": slug, "courseId": f"course-at-{slug}"} for slug in PARTNERS]
        self.send("PUT", "/programs/MAKER/partnerSequence", steps=steps)
        return self.open_instance("MAKER", "Maker Path")

    def open_instance(self, program: str, name: str) -> str:
        """Create an instance whose applications a person reviews; return its id."""
        made = self.send("POST", "/programInstances", programCode=program, name=name, reviewMode="manual")
        return str(made["id"])

    def apply(self, instance: str, email: str, *actions: str, first_name: str = "Ada") -> str:
        """Bring somebody as far as these actions do; return the enrollment's id."""
        person = {"firstName": first_name, "lastName": "Okafor", "email": email}
        path = f"/programInstances/{instance}/enrollments"
        enrollment = self.send("POST", path, identificationType="customerInfo", **person)["id"]
        for action in actions:
            self.send("POST", f"/enrollments/{enrollment}/{action}")
        return str(enrollment)

    def standing(self, enrollment: str) -> list[str]:
        return [step["status"] for step in self.read(f"/enrollments/{enrollment}/steps")]

    def wait_for(self, enrollment: str, *standing: str) -> list[dict[str, Any]]:
        """Return the steps once they have these states."""
        wait_until(lambda: self.standing(enrollment) == list(standing), seconds=PATIENCE_SECONDS)
        steps: list[dict[str, Any]] = self.read(f"/enrollments/{enrollment}/steps")
        return steps
