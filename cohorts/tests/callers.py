"""Students and guardians at their browsers, for the tests of the API and the calendar."""

import json
from typing import Any

from django.test import Client

from accounts.models import Guardian, Learner, Workspace
from accounts.tests.factories import GuardianshipFactory, LearnerFactory, proven_user
from core.errors import FieldError


class Family:
    """A signed-in user's calls to the API."""

    def __init__(self, email: str, **client: Any) -> None:
        self.user = proven_user(email)
        self.client = Client(**client)
        self.client.force_login(self.user, backend="django.contrib.auth.backends.ModelBackend")

    def get(self, path: str, **params: Any) -> Any:
        return self.client.get(path, params)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        data = body if isinstance(body, bytes) else json.dumps({} if body is None else body)
        return self.client.post(path, data, content_type="application/json", headers=headers)

    def delete(self, path: str) -> Any:
        return self.client.delete(path)


def student_of(workspace: Workspace, email: str = "jane@school.test", **names: str) -> tuple[Family, Learner]:
    """Return a student whom the workspace knows by their address, signed in with it."""
    learner = LearnerFactory(workspace=workspace, email=email, **names)
    return Family(email), learner


def parent_of(*children: Learner, email: str = "parent@home.test") -> Family:
    """Return a guardian of these children, signed in."""
    guardian, _ = Guardian.objects.get_or_create(workspace=children[0].workspace, email=email)
    for child in children:
        GuardianshipFactory(guardian=guardian, learner=child)
    return Family(email)


def problem(response: Any) -> tuple[int, str]:
    """Return (status, code) of a problem document."""
    assert response["Content-Type"] == "application/problem+json", response.content
    return response.status_code, response.json()["code"]


def fields(response: Any) -> list[str]:
    """Return the fields that a problem document names."""
    return [FieldError(**error).field for error in response.json()["errors"]]
