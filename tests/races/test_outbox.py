"""Facts about one aggregate, published by many transactions at once, and relayed while others are being written."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Workspace
from accounts.tests.factories import WorkspaceFactory
from events import publishing
from events.models import OutboxEvent
from events.publishing import publish
from events.tests.factories import ThingHappened
from operations.doctor import examine
from tests.constraints import without_constraints
from tests.processes import at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

WRITERS = 8
EACH = 25


def publish_with_lock(workspace: Workspace) -> int:
    """Publish EACH facts about one aggregate, holding the lock of its row (here the workspace's); return how many."""
    for _ in range(EACH):
        with transaction.atomic():
            Workspace.objects.select_for_update().get(pk=workspace.pk)
            publish(ThingHappened(workspace_id=workspace.pk))
    return EACH


def publish_without_lock(workspace: Workspace) -> int:
    """Publish one fact about the aggregate without the lock; return 0 if it was refused."""
    try:
        with transaction.atomic():
            publish(ThingHappened(workspace_id=workspace.pk))
    except IntegrityError:
        return 0
    return 1


@pytest.fixture
def _all_count_the_same(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every writer count what existed before the first of them wrote: nothing."""
    monkeypatch.setattr(publishing, "_LAST_OF", "SELECT max(sequence) FROM events_outboxevent WHERE false AND '' =")
    publishing._insert.cache_clear()
    yield
    publishing._insert.cache_clear()


def sequences() -> list[int]:
    return list(OutboxEvent.objects.order_by("sequence").values_list("sequence", flat=True))


def publish_at_once(publish: Callable[[Workspace], int]) -> int:
    workspace = WorkspaceFactory()
    return sum(at_once(*[partial(publish, workspace)] * WRITERS))


class TestTheSequenceOfAThing:
    def test_has_no_gap_and_no_repeat_however_many_write(self) -> None:
        published = publish_at_once(publish_with_lock)

        assert published == WRITERS * EACH
        assert sequences() == list(range(1, WRITERS * EACH + 1))
        assert examine() == {}

    @pytest.mark.usefixtures("_all_count_the_same")
    def test_without_the_lock_refuses_whoever_counted_the_same(self) -> None:
        """Control: the unique constraint turns the race into errors."""
        published = publish_at_once(publish_without_lock)

        assert published == 1
        assert sequences() == [1]

    @pytest.mark.usefixtures("_all_count_the_same")
    def test_without_lock_and_constraint_would_repeat_numbers(self) -> None:
        """Control."""
        with without_constraints((OutboxEvent, "outbox_sequence_unique")):
            published = publish_at_once(publish_without_lock)

            assert published == WRITERS
            assert sequences() == [1] * WRITERS
            assert "events.sequences_have_no_gaps" in examine()
