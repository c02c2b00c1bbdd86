from collections.abc import Iterator

import pytest

from notifications import letters

from .factories import KIND, Letters


@pytest.fixture
def written() -> Iterator[Letters]:
    """An app that registered one kind of email; what it is asked to write is remembered."""
    app = Letters()
    letters.register_email(KIND, app)
    yield app
    del letters._renderers[KIND]
