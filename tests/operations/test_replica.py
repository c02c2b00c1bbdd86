"""Reading from a real replica: what comes from it, what never does, and what happens when it lags or is gone."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import InternalError, connection, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.tests.staff_client import StaffClient
from core import replicas
from core.replicas import REPLICA, from_replica
from sandbox.testing import wait_until
from tests.migrated import is_own_server

from .replica import Replica

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", REPLICA]),
    pytest.mark.skipif(not is_own_server(), reason="copies the PostgreSQL that the tests start"),
]


@pytest.fixture(scope="module")
def server(django_db_setup: None, django_db_blocker: Any) -> Iterator[Replica]:
    with django_db_blocker.unblock():
        replica = Replica()
    with replica.within():
        yield replica
    replica.close()


@pytest.fixture
def replica(server: Replica, monkeypatch: pytest.MonkeyPatch) -> Iterator[Replica]:
    monkeypatch.setattr(replicas, "CHECKED_FOR", 0.0)
    monkeypatch.setattr(replicas, "_state", replicas._State())
    server.let_arrive()
    with override_settings(DATABASE_REPLICA_LAG_SECONDS=600):  # however long this machine takes to get to the next line
        yield server
    server.let_arrive()


def names() -> set[str]:
    return set(Workspace.objects.values_list("name", flat=True))


class TestWhatIsRead:
    def test_comes_from_the_replica_where_it_is_asked_for_and_from_the_primary_elsewhere(
        self, replica: Replica
    ) -> None:
        WorkspaceFactory(name="Early")
        replica.let_arrive()
        replica.hold_back()

        WorkspaceFactory(name="Late")

        assert from_replica(names) == {"Early"}
        assert names() == {"Early", "Late"}

    def test_comes_from_the_primary_while_the_replica_lags_by_more_than_it_may(self, replica: Replica) -> None:
        replica.hold_back()
        WorkspaceFactory(name="Late")

        with override_settings(DATABASE_REPLICA_LAG_SECONDS=0):
            found = from_replica(names)

        assert found == {"Late"}
        assert from_replica(names, within=0) == {"Late"}

    def test_comes_from_a_replica_that_has_everything_though_nothing_was_written_for_long(
        self, replica: Replica, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        statements = replicas._one
        aged = {"SELECT extract": 7200.0}  # as it looks when nothing was committed for two hours
        monkeypatch.setattr(
            replicas, "_one", lambda base, said, *values: aged.get(said[:14]) or statements(base, said, *values)
        )

        wait_until(lambda: from_replica(lambda: Workspace.objects.all().db) == REPLICA)  # others write beside us

    def test_comes_from_the_primary_when_the_replica_is_gone(self, replica: Replica) -> None:
        WorkspaceFactory(name="Here")
        replica.stop()
        try:
            found = from_replica(names)
        finally:
            replica.start()

        assert found == {"Here"}

    def test_is_read_again_from_the_primary_when_the_replica_fails_in_the_middle(self, replica: Replica) -> None:
        WorkspaceFactory(name="Here")
        replica.let_arrive()
        bases = []

        def read() -> set[str]:
            bases.append(Workspace.objects.all().db)
            if bases == [REPLICA]:
                replica.stop()
                replica.start()
            return names()

        found = from_replica(read)

        assert found == {"Here"}
        assert bases == [REPLICA, "default"]


class TestWhatIsWrittenOrLocked:
    def test_goes_to_the_primary_wherever_the_row_was_read(self, replica: Replica) -> None:
        WorkspaceFactory(name="Before")
        replica.let_arrive()

        def change() -> None:
            row = Workspace.objects.get()
            assert row._state.db == REPLICA
            with transaction.atomic(), CaptureQueriesContext(connection) as asked:
                Workspace.objects.select_for_update().get(pk=row.pk)
                row.name = "After"
                row.save()
            assert [query["sql"][:6] for query in asked.captured_queries if "accounts" in query["sql"]] == [
                "SELECT",
                "UPDATE",
            ]

        from_replica(change)

        assert names() == {"After"}

    def test_is_refused_by_the_replica_itself_and_never_tried_in_silence(self, replica: Replica) -> None:
        def write() -> None:
            Workspace.objects.using(REPLICA).update(name="Wrong")

        with pytest.raises(InternalError, match="read-only transaction"):
            from_replica(write)


class TestAListOfTheBackOffice:
    def test_comes_from_the_replica_but_shows_staff_what_they_have_just_changed(self, replica: Replica) -> None:
        workspace = WorkspaceFactory(name="Springfield")
        client = StaffClient(workspace=workspace, role=Role.ADMIN)
        replica.let_arrive()
        replica.hold_back()
        Workspace.objects.update(name="Shelbyville")
        address = "/admin/accounts/workspace/"

        before = client.get(address).content.decode()
        changed = client.post("/admin/logout/")
        client.force_login(client.user, backend="django.contrib.auth.backends.ModelBackend")
        after = client.get(address).content.decode()

        assert changed.cookies[settings.CHANGED_COOKIE_NAME]["max-age"] == settings.DATABASE_REPLICA_LAG_SECONDS + 1
        assert ("Springfield" in before, "Shelbyville" in after) == (True, True)
        assert "Springfield" not in after
