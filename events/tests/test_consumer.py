"""The consumer that docs/events.md shows does what the page says."""

import re
from pathlib import Path
from typing import Any

import pytest

from accounts.tests.factories import WorkspaceFactory, api_key_text
from core.clock import utc_now
from events import feed
from tests.commands import run, run_json

from .factories import happen, listen

PAGE = Path(__file__).resolve().parents[2] / "docs" / "events.md"


def shown() -> Any:
    """Return the class as the page shows it."""
    (source,) = re.findall(r"```python\n(.+?)```", PAGE.read_text(), flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(source, names)
    return names["Consumer"]


@pytest.mark.django_db(transaction=True)
def test_does_each_event_once_and_in_order_although_it_fails_in_between(
    live_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "BATCH", 2)
    workspace = WorkspaceFactory()
    happen(workspace=workspace, times=3)
    done: list[int] = []
    store: dict[str, Any] = {}

    def handle(event: dict[str, Any]) -> None:
        if event["sequence"] == 2 and "failed" not in store:
            store["failed"] = True
            raise ConnectionError
        done.append(event["sequence"])

    consumer = shown()(address=live_server.url, key=api_key_text(workspace=workspace), store=store, handle=handle)
    with pytest.raises(ConnectionError):
        consumer.catch_up()
    consumer.catch_up()
    happen(workspace=workspace, times=2)
    consumer.catch_up()

    assert done == [1, 2, 3, 4, 5]


@pytest.mark.django_db
class TestTheCommandThatReplays:
    def test_sends_what_happened_in_the_range(self) -> None:
        workspace = WorkspaceFactory()
        happen(workspace=workspace, times=3)
        endpoint = listen(workspace, now=utc_now())

        command = ("replay_events", endpoint.cuid, "--since", "2020-01-01", "--until", "2100-01-01")
        counted = run_json(*command, "--dry-run")
        deliveries = endpoint.deliveries.count()
        report = run_json(*command)

        assert counted == {"dry_run": True, "events": 3}
        assert deliveries == 0
        assert report == {"dry_run": False, "events": 3}
        assert endpoint.deliveries.count() == 3

    def test_says_what_is_wrong(self) -> None:
        endpoint = listen(WorkspaceFactory(), now=utc_now())

        with pytest.raises(BaseException, match="--since: give a date"):
            run("replay_events", endpoint.cuid, "--since", "soon", "--until", "2100-01-01")
        with pytest.raises(BaseException, match="no such webhook endpoint"):
            run("replay_events", "nobody", "--since", "2020-01-01", "--until", "2100-01-01")
