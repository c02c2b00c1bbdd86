"""Guards removed, for controls."""

from typing import Any

import pytest

from core.rows import update_row
from enrollments import history


def save_enrollments_in_any_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a change be saved whatever another one has done to the enrollment since it was read."""

    def update(row: Any, *fields: str, **_: Any) -> bool:
        return update_row(row, *fields)

    monkeypatch.setattr(history, "update_row", update)
