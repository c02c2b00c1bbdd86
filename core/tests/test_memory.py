"""What a long-lived process tells the garbage collector."""

import gc

from core.memory import keep_for_good


def is_walked_through(known: object) -> bool:
    return any(found is known for found in gc.get_objects())


class TestKeepingForGood:
    def test_leaves_what_exists_out_of_every_collection_and_nothing_that_comes_after(self) -> None:
        before: list[object] = []
        was_walked_through = is_walked_through(before)

        keep_for_good()

        after: list[object] = []
        assert was_walked_through
        assert (is_walked_through(before), is_walked_through(after)) == (False, True)
