"""An integrator who uses GraphQL."""

from collections.abc import Iterable
from typing import Any

from django.test import Client

from accounts.models import Workspace
from accounts.states import Scope
from accounts.tests.factories import bearer


class Graph:
    """One integrator's operations on one workspace."""

    def __init__(self, workspace: Workspace, *, scopes: Iterable[str] = Scope.values) -> None:
        self.client = Client()
        self.headers = bearer(workspace=workspace, scopes=scopes)

    def send(self, query: str, *, key: str | None = None, **variables: Any) -> Any:
        headers = self.headers | ({"Idempotency-Key": key} if key else {})
        body = {"query": query, "variables": variables}
        response = self.client.post("/api/graphql", body, content_type="application/json", headers=headers)
        assert response.status_code == 200, response.content
        return response.json()

    def ask(self, query: str, **variables: Any) -> Any:
        """Return the result of an operation that is not refused."""
        answer = self.send(query, **variables)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]


# Fields that may be empty, with one of their own fields.
_SOME = {"address": "city", "verdicts": "outcome", "answers": "name", "criteria": "name", "refundTiers": "keptPercent"}


def names_of(document: Any) -> str:
    """Return the fields of a REST document in GraphQL's notation."""
    if isinstance(document, list):
        return names_of(document[0]) if document else ""
    if not isinstance(document, dict):
        return ""
    kept = {"meta", "inputs", "counts"}  # the members of these are the caller's own
    inner = {name: "" if name in kept else names_of(value) or _SOME.get(name, "") for name, value in document.items()}
    return " ".join(f"{name} {{ {names} }}" if names else name for name, names in inner.items())
