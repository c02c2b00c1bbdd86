"""The parts into which `.ci/run` divides the walks."""

from dataclasses import dataclass
from unittest.mock import Mock

import pytest

from conftest import part_of, pytest_collection_modifyitems


@dataclass(frozen=True)
class OneTest:
    nodeid: str
    marker: str = ""

    def get_closest_marker(self, name: str) -> str | None:
        return self.marker if name == self.marker else None


WALKS = [OneTest(f"tests/test_walk.py::test_a_place[{place}]", "walk") for place in range(100)]
OTHERS = [OneTest("tests/test_one.py::test_one"), OneTest("tests/test_slow.py::test_slow", "slow")]


def selected(monkeypatch: pytest.MonkeyPatch, part: str) -> list[OneTest]:
    monkeypatch.setenv("WALK_PART", part)
    items = [*OTHERS, *WALKS]
    pytest_collection_modifyitems(Mock(), items)  # type: ignore[arg-type]
    return items


class TestThePartsOfTheWalks:
    def test_have_every_walk_once_and_all_other_tests(self, monkeypatch: pytest.MonkeyPatch) -> None:
        parts = [selected(monkeypatch, f"{part}/4") for part in (1, 2, 3, 4)]

        walks = [item for part in parts for item in part if item.marker == "walk"]
        assert sorted(walks, key=WALKS.index) == WALKS
        assert all(set(OTHERS) < set(part) for part in parts)
        assert all(len(part) > 10 for part in parts)

    def test_are_one_unless_somebody_asks_for_a_part(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("WALK_PART", raising=False)
        items = [*WALKS]

        pytest_collection_modifyitems(Mock(), items)  # type: ignore[arg-type]

        assert items == WALKS

    @pytest.mark.parametrize("part", ["6/5", "0/5", "2", "", "two/five"])
    def test_of_which_there_is_none_is_refused(self, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
        """Otherwise no walk at all would run, and pass."""
        with pytest.raises(pytest.UsageError, match=f"WALK_PART={part} is no part"):
            selected(monkeypatch, part)

    def test_are_the_same_on_every_machine(self) -> None:
        assert [part_of(walk, 4) for walk in WALKS[:5]] == [3, 4, 1, 2, 3]  # type: ignore[arg-type]
