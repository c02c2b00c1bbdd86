"""Backups of SQLite, on files of our own: whole, of one moment, and given up where others never stop writing."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.db import connection

from operations.backup import sqlite
from operations.backup.errors import BackupDamaged, BackupFailed, RestoreFailed


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """Return the database that is backed up and restored: two tables, one of them empty."""
    with closing(sqlite3.connect(tmp_path / "ours.sqlite3", timeout=0.01)) as made:
        made.execute("PRAGMA journal_mode = WAL")
        made.executescript('CREATE TABLE child (name TEXT); CREATE TABLE "odd name" (id INTEGER);')
        made.executemany("INSERT INTO child VALUES (?)", [("Ana",), ("Ben",)])
        made.commit()
        monkeypatch.setattr(sqlite, "_ours", lambda: made)
        monkeypatch.setattr(connection, "close", lambda: None)
        yield made


def names(database: sqlite3.Connection) -> list[str]:
    return [name for (name,) in database.execute("SELECT name FROM child ORDER BY name")]


class TestADump:
    def test_holds_all_rows_in_one_file(self, ours: sqlite3.Connection, tmp_path: Path) -> None:
        folder = tmp_path / "backup"
        folder.mkdir()

        counted = sqlite.dump(folder / sqlite.NAME)

        assert counted == {"child": 2, "odd name": 0}
        assert [each.name for each in folder.iterdir()] == [sqlite.NAME]
        with closing(sqlite3.connect(folder / sqlite.NAME)) as copy:
            assert (names(copy), copy.execute("PRAGMA journal_mode").fetchone()) == (["Ana", "Ben"], ("delete",))

    def test_is_given_up_while_the_database_stays_locked(self, ours: sqlite3.Connection, tmp_path: Path) -> None:
        ours.execute("PRAGMA journal_mode = DELETE")
        with closing(sqlite3.connect(tmp_path / "ours.sqlite3")) as other:
            other.execute("BEGIN EXCLUSIVE")

            with pytest.raises(BackupFailed, match="write to the database without a pause: try again"):
                sqlite.dump(tmp_path / sqlite.NAME)


class TestRestoring:
    def test_replaces_what_is_there(self, ours: sqlite3.Connection, tmp_path: Path) -> None:
        counted = sqlite.dump(tmp_path / sqlite.NAME)
        ours.execute("DELETE FROM child")
        ours.execute("CREATE TABLE newer (id INTEGER)")
        ours.commit()

        sqlite.restore(tmp_path / sqlite.NAME, counted)

        assert names(ours) == ["Ana", "Ben"]
        assert ours.execute("SELECT count(*) FROM sqlite_master WHERE name = 'newer'").fetchone() == (0,)

    @pytest.mark.parametrize("rows", [{"child": 3, "odd name": 0}, {"child": 2}])
    def test_of_other_rows_than_the_manifest_says_changes_nothing(
        self, ours: sqlite3.Connection, tmp_path: Path, rows: dict[str, int]
    ) -> None:
        sqlite.dump(tmp_path / sqlite.NAME)
        ours.execute("DELETE FROM child WHERE name = 'Ben'")
        ours.commit()

        with pytest.raises(BackupDamaged, match="does not hold what the manifest says"):
            sqlite.restore(tmp_path / sqlite.NAME, rows)

        assert names(ours) == ["Ana"]

    def test_of_a_file_that_is_no_database_changes_nothing(self, ours: sqlite3.Connection, tmp_path: Path) -> None:
        (tmp_path / sqlite.NAME).write_bytes(b"no database at all" * 100)

        with pytest.raises(BackupDamaged):
            sqlite.restore(tmp_path / sqlite.NAME, {})

        assert names(ours) == ["Ana", "Ben"]

    def test_is_given_up_while_others_write(self, ours: sqlite3.Connection, tmp_path: Path) -> None:
        counted = sqlite.dump(tmp_path / sqlite.NAME)
        ours.execute("DELETE FROM child")
        ours.commit()
        with closing(sqlite3.connect(tmp_path / "ours.sqlite3")) as other:
            other.execute("BEGIN IMMEDIATE")

            with pytest.raises(RestoreFailed, match="stop web, worker and beat first"):
                sqlite.restore(tmp_path / sqlite.NAME, counted)

        assert names(ours) == []


class TestCheckingADump:
    def test_reads_all_of_it(self, ours: sqlite3.Connection, tmp_path: Path) -> None:
        path = tmp_path / sqlite.NAME
        sqlite.dump(path)
        before = path.read_bytes()

        sqlite.check_dump(path)
        sqlite.check_programs()

        assert path.read_bytes() == before

    def test_refuses_one_whose_pages_are_damaged(self, ours: sqlite3.Connection, tmp_path: Path) -> None:
        path = tmp_path / sqlite.NAME
        sqlite.dump(path)
        whole = path.read_bytes()
        path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))

        with pytest.raises(BackupDamaged, match="is not a whole database"):
            sqlite.check_dump(path)
