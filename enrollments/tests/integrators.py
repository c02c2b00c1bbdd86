"""An integrator at the router's API, and what its refusals leave behind."""

from typing import Any

from django.test import Client

from accounts.models import Learner, Workspace
from accounts.tests.factories import bearer
from enrollments.models import Enrollment, EnrollmentDecision, SeatAssignment
from events.models import OutboxEvent

PROFILE = {"email": "student@school.edu", "first_name": "Jane", "last_name": "Doe", "grade_level": "3rd"}


class Api:
    """One integrator's calls to one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.client = Client()
        self.headers = bearer(workspace=workspace)

    def get(self, path: str, **params: Any) -> Any:
        return self.client.get(path, params, headers=self.headers)

    def post(self, path: str, body: Any, **headers: str) -> Any:
        return self.client.post(path, body, content_type="application/json", headers=self.headers | headers)

    def patch(self, path: str, body: Any) -> Any:
        return self.client.patch(path, body, content_type="application/json", headers=self.headers)

    def delete(self, path: str) -> Any:
        return self.client.delete(path, headers=self.headers)

    def put(self, path: str, body: Any) -> Any:
        return self.client.put(path, body, content_type="application/json", headers=self.headers)

    def enroll(self, *, key: str | None = None, **changes: Any) -> Any:
        body = {"learner_profile": PROFILE, "context": {"tenant_id": 1, "source": "district_portal"}} | changes
        return self.post("/api/enroll", body, **({"Idempotency-Key": key} if key else {}))


def nothing_was_written() -> bool:
    return not any(
        model.objects.exists() for model in (Learner, Enrollment, EnrollmentDecision, SeatAssignment, OutboxEvent)
    )


def fields(response: Any) -> list[str]:
    return [error["field"] for error in response.json()["errors"]]
