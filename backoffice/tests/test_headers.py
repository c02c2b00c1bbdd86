"""The headers of a list are computed once, however many rows it has (docs/decisions/0179)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.urls import reverse
from unfold.templatetags import unfold_list

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import LearnerFactory, WorkspaceFactory
from backoffice import headers

from .staff_client import StaffClient

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
ROWS = 3


@pytest.fixture
def workspace() -> Workspace:
    workspace: Workspace = WorkspaceFactory()
    LearnerFactory.create_batch(ROWS, workspace=workspace)
    return workspace


def count(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, in_place_of: Callable[..., Any]) -> int:
    """Open the list of learners and return how often Unfold computed its headers."""
    computed = []

    def compute(cl: Any) -> Iterator[dict[str, Any]]:
        computed.append(cl)
        return original(cl)

    original = headers._compute
    monkeypatch.setattr(headers, "_compute", compute)
    monkeypatch.setattr(unfold_list, "result_headers", in_place_of)
    page = StaffClient(workspace=workspace, role=Role.OWNER).get(reverse("admin:accounts_learner_changelist"))
    assert page.content.decode().count('name="_selected_action"') == ROWS
    return len(computed)


def test_they_are_computed_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert unfold_list.result_headers is headers.result_headers
    assert count(workspace, monkeypatch, headers.result_headers) == 1


def test_unfold_alone_would_compute_them_for_each_row(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert count(workspace, monkeypatch, lambda cl: headers._compute(cl)) == 1 + ROWS
