from collections.abc import Iterator

import pytest

from notifications import letters

from .factories import KIND, Letters


@pytest.fixture
def written() -> Iterator[Letters]:
    """Register one kind of email, and record what it is asked to render."""
    app = Letters()
    letters.register_email(KIND, app)
    yield app
    del letters._renderers[KIND]
