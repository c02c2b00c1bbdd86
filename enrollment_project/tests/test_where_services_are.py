"""A command that finds no service says where it looked, and commands find the stack that runs in their folder."""

import fcntl
import os
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from core.commands import refused
from enrollment_project.settings.running import follow_running_stack
from events.gateways.port import StreamUnavailable


@pytest.mark.django_db(transaction=True)
class TestACommandThatReachesNobody:
    def test_says_where_it_looked_and_which_setting_names_it(self, settings: Settings) -> None:
        settings.STRIPE_API_BASE, settings.STRIPE_MAX_RETRIES = "http://127.0.0.1:9", 0

        with pytest.raises(CommandError) as told:
            call_command("reconcile_stripe")

        assert "We looked for it at http://127.0.0.1:9 (STRIPE_API_BASE)." in str(told.value)

    def test_keeps_the_password_in_an_address_to_itself(self, settings: Settings) -> None:
        settings.REDIS_URL = "redis://:secret@10.0.0.7:6379/0"

        told = str(refused(StreamUnavailable("It did not answer.")))

        assert told == "It did not answer. We looked for it at redis://10.0.0.7:6379/0 (REDIS_URL)."


class TestTheRunningStack:
    @pytest.fixture(autouse=True)
    def _ports(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PORT", "1")
        monkeypatch.setenv("SANDBOX_PORT", "1")  # so that both are restored afterward
        del os.environ["PORT"], os.environ["SANDBOX_PORT"]

    def test_is_followed_while_it_runs(self, tmp_path: Path) -> None:
        with running(tmp_path):
            follow_running_stack(tmp_path)

        assert (os.environ["PORT"], os.environ["SANDBOX_PORT"]) == ("8330", "8331")

    def test_is_not_followed_once_it_was_killed(self, tmp_path: Path) -> None:
        (tmp_path / "running").write_text('{"PORT": 8330, "SANDBOX_PORT": 8331}')

        follow_running_stack(tmp_path)

        assert "PORT" not in os.environ

    @pytest.mark.parametrize("name", ["PORT", "SANDBOX_PORT"])
    def test_gives_way_to_a_port_that_is_named(self, tmp_path: Path, name: str) -> None:
        os.environ[name] = "9000"

        with running(tmp_path):
            follow_running_stack(tmp_path)

        assert {key: os.environ.get(key) for key in ("PORT", "SANDBOX_PORT") if key in os.environ} == {name: "9000"}

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"PORT": "x", "SANDBOX_PORT": 1}'])
    def test_that_has_not_said_where_it_is_changes_nothing(self, tmp_path: Path, text: str) -> None:
        with running(tmp_path, text):
            follow_running_stack(tmp_path)

        assert "PORT" not in os.environ

    def test_need_not_be_there(self, tmp_path: Path) -> None:
        follow_running_stack(tmp_path / "nowhere")

        assert "PORT" not in os.environ


class running:
    """A stack's file as `make run` holds it."""

    def __init__(self, var: Path, text: str = '{"PORT": 8330, "SANDBOX_PORT": 8331}') -> None:
        self.path, self.text = var / "running", text

    def __enter__(self) -> None:
        self.file = self.path.open("w")
        self.file.write(self.text)
        self.file.flush()
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self.file.close()
