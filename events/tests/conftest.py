import pytest

from accounts.models import Workspace
from accounts.tests.factories import WorkspaceFactory
from events.webhooks import delivering

from .receiving import Receiver


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Receiver:
    made = Receiver()
    monkeypatch.setattr(delivering, "ask", made.ask)
    return made


@pytest.fixture
def workspace() -> Workspace:
    made: Workspace = WorkspaceFactory()
    return made
