"""How often a race is run if its outcome is left to chance."""

import pytest

# A control, in which two meet where the guard is missing, leaves nothing to chance. A race with its guard in place may
# be won by either: it is run once in `make races`, and three more times in `make walk` (docs/decisions/0082).
four_times_in_walks = pytest.mark.parametrize(
    "attempt", [0, *(pytest.param(again, marks=pytest.mark.walk) for again in (1, 2, 3))]
)
