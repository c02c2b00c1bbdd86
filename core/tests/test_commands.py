"""What commands answer where the system refuses a file."""

import errno
import os
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from core.commands import UseCaseCommand, existing_file


class Asked(UseCaseCommand):
    """A command whose use case fails."""

    def __init__(self, failure: Exception) -> None:
        super().__init__()
        self.failure = failure

    def run(self, **options: Any) -> dict[str, Any]:
        raise self.failure


class TestAFileThatTheSystemRefuses:
    def test_is_named_with_the_reason(self) -> None:
        denied = PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/backups/one")

        with pytest.raises(CommandError, match=r"^/backups/one: Permission denied\. Name another file or folder\.$"):
            call_command(Asked(denied))

    def test_need_not_be_named_if_nothing_more_fits_on_the_disk(self) -> None:
        with pytest.raises(CommandError, match=r"^No space left on device\. Name another"):
            call_command(Asked(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))

    def test_is_not_taken_for_another_failure(self) -> None:
        with pytest.raises(ConnectionResetError):
            call_command(Asked(ConnectionResetError(errno.ECONNRESET, "Reset")))


class TestAnExistingFile:
    def test_is_a_path(self, tmp_path: Path) -> None:
        file = tmp_path / "one.csv"
        file.write_text("")

        assert existing_file(str(file)) == file

    @pytest.mark.parametrize("name", ["", ".", "none.csv", "x" * 5000, "a\0b"])
    def test_is_no_folder_and_nothing_that_cannot_be_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.chdir(tmp_path)

        with pytest.raises(ArgumentTypeError, match="that can be read"):
            existing_file(name)

    def test_can_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "one.csv"
        file.write_text("")
        monkeypatch.setattr("os.access", lambda path, mode: mode != os.R_OK)

        with pytest.raises(ArgumentTypeError, match=r"one\.csv' that can be read"):
            existing_file(str(file))
