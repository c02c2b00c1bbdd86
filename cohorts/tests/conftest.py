import pytest

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import LearnerFactory, WorkspaceFactory
from backoffice.tests.staff_client import StaffClient
from cohorts.models import StudentPackage

from .factories import buy_on_rows
from .staff_pages import cohort_in


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def manager(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.ADMIN)


@pytest.fixture
def reviewer(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.REVIEWER)


@pytest.fixture
def package(workspace: Workspace) -> StudentPackage:
    """A course of two steps: the first one leaves a choice, the second one is booked."""
    learner = LearnerFactory(workspace=workspace, first_name="Ana", last_name="Ruiz", email="ana@example.test")
    return buy_on_rows(cohort_in(workspace, options=(2, 1), name="Fall"), learner)
