"""A file contains one idea: past 450 lines it contains two, and is split by idea."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
AT_MOST = 450
# Its path from the root, and why its lines belong together.
EXCEPTIONS: dict[str, str] = {}


def our_files() -> list[Path]:
    """Return our Python files: those in packages, in tests, and in bench, but nothing installed or built."""
    folders = {init.parent for init in ROOT.glob("*/__init__.py")} | {ROOT / "tests", ROOT / "bench"}
    return [*ROOT.glob("*.py"), *(path for folder in sorted(folders) for path in folder.rglob("*.py"))]


def too_long(paths: list[Path]) -> list[str]:
    lengths = {path: len(path.read_text().splitlines()) for path in paths}
    return [f"{path.name}: {length} lines" for path, length in lengths.items() if length > AT_MOST]


class TestAFile:
    def test_fits_in_450_lines(self) -> None:
        files = our_files()

        assert len(files) > 500
        assert too_long([path for path in files if str(path.relative_to(ROOT)) not in EXCEPTIONS]) == []

    def test_of_one_line_more_is_found(self, tmp_path: Path) -> None:
        fits, long = tmp_path / "fits.py", tmp_path / "long.py"
        fits.write_text("x = 1\n" * AT_MOST)
        long.write_text("x = 1\n" * (AT_MOST + 1))

        assert too_long([fits, long]) == ["long.py: 451 lines"]

    def test_that_is_an_exception_is_there_and_still_too_long(self) -> None:
        assert [path for path in EXCEPTIONS if not too_long([ROOT / path])] == []
