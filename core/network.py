"""The rule that no network call happens while a database transaction is open, as a check every gateway makes."""

from django.db import connection


class NetworkInsideTransaction(RuntimeError):
    """A vendor was about to be called while rows are locked: a bug, never an answer to a user."""


def forbid_open_transaction() -> None:
    """Raise NetworkInsideTransaction if the caller holds a transaction (a test's own wrapping one does not count)."""
    if any(not block._from_testcase for block in connection.atomic_blocks):  # type: ignore[attr-defined]
        raise NetworkInsideTransaction("a vendor was called inside a database transaction; commit the intent first")
