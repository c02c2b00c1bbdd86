"""Controls of races are walks."""

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let `make walk` run what shows that a race is lost without its guard: a fault in the product breaks the race, not
    its control.
    """
    if isinstance(item, pytest.Function) and (item.function.__doc__ or "").startswith("Control"):
        item.add_marker(pytest.mark.walk)
