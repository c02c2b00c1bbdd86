"""The order in which `make run` starts things; tests/operations checks that it really does."""

from typing import Any

import pytest
from django.core.management import CommandError

from enrollment_project.management.commands import run


class Recorded:
    """Pretend to start processes."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.exit_codes: dict[str, int] = {}

    def start(self, *names: str) -> None:
        self.started += names

    def exit_code(self, name: str) -> int | None:
        return self.exit_codes.get(name)

    def last_lines(self, name: str) -> str:
        return "  no luck"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Control which services answer."""
    world = {"web": False, "sandbox": False}
    monkeypatch.setattr(run, "_is_healthy", lambda: world["web"])
    monkeypatch.setattr(run, "is_sandbox_there", lambda: world["sandbox"])
    monkeypatch.setattr(run, "_has_demo", lambda: True)
    return world


def come_up(processes: Any, said: list[str], *, is_demo_missing: bool) -> Any:
    command = run.Command()
    command._say = said.append  # type: ignore[method-assign, assignment]
    return command._come_up(processes, is_demo_missing)


class TestAFirstStart:
    def test_shows_the_site_then_loads_the_demo_then_works(self, world: dict[str, bool]) -> None:
        processes, said = Recorded(), list[str]()
        steps = come_up(processes, said, is_demo_missing=True)

        next(steps)
        assert processes.started == ["web", "sandbox"]
        world["web"] = True
        next(steps)
        assert processes.started == ["web", "sandbox"]
        assert "waits for its demo data" in said[0]
        world["sandbox"] = True
        next(steps)
        assert processes.started == ["web", "sandbox", "demo"]
        processes.exit_codes["demo"] = 0
        assert next(steps, "up") == "up"
        assert processes.started == ["web", "sandbox", "demo", "worker", "beat"]
        assert "owner@demo.test" in said[1]

    def test_ends_with_what_the_load_said_if_that_fails(self, world: dict[str, bool]) -> None:
        processes = Recorded()
        world.update(web=True, sandbox=True)
        steps = come_up(processes, [], is_demo_missing=True)
        next(steps)
        processes.exit_codes["demo"] = 1

        with pytest.raises(
            CommandError,
            match=r"ended early \(exit code 1\); the next start continues it. Its last lines:\n  no luck",
        ):
            next(steps)

        assert processes.started == ["web", "sandbox", "demo"]


class TestALaterStart:
    def test_starts_everything_at_once(self, world: dict[str, bool]) -> None:
        processes, said = Recorded(), list[str]()
        steps = come_up(processes, said, is_demo_missing=False)

        next(steps)
        assert processes.started == ["web", "sandbox", "worker", "beat"]
        world["web"] = True
        assert next(steps, "up") == "up"
        assert len(said) == 1
