"""Reading files of candidates, whatever program saved them."""

import io
import tracemalloc
from typing import Any

import pytest

from enrollments.imports.faults import UnreadableFile
from enrollments.imports.lines import READ_AS_WINDOWS
from enrollments.imports.reading import Format, Record, read_records

from .broken_files import ANN, BROKEN, FAULTY_RECORDS, HEADER, Broken

ZOE = {"firstName": "Zoë", "lastName": "O'Neil", "email": "zoe@example.org"}


def read(content: bytes, kind: Format = Format.CSV) -> list[Record]:
    _, records = read_records(io.BytesIO(content), kind)
    return list(records)


def documents(content: bytes, kind: Format = Format.CSV) -> list[dict[str, Any]]:
    return [record.document for record in read(content, kind)]


class TestAFile:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_is_read_in_every_encoding_and_with_every_end_of_line(self, encoding: str, end: str) -> None:
        text = end.join(["firstName,lastName,email", "Zoë,O'Neil,zoe@example.org", ""])

        assert read(text.encode(encoding)) == [Record(2, ZOE)]

    def test_in_windows_1252_is_read_and_says_so(self) -> None:
        content = "firstName,lastName,email\nZoë,O'Neil,zoe@example.org\n".encode("cp1252")

        encoding, records = read_records(io.BytesIO(content), Format.CSV)

        assert (encoding.name, encoding.notice) == ("cp1252", READ_AS_WINDOWS)
        assert [record.document for record in records] == [ZOE]

    @pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
    def test_has_any_of_four_separators(self, separator: str) -> None:
        lines = [["firstName", "lastName", "email"], ["Zoë", "O'Neil", "zoe@example.org"]]

        assert documents("\n".join(separator.join(cells) for cells in lines).encode()) == [ZOE]

    def test_may_say_its_separator_as_excel_does(self) -> None:
        assert documents(b"sep=;\nemail;tags\nann@example.org;a,b\n") == [
            {"email": "ann@example.org", "tags": ["a", "b"]}
        ]

    def test_may_have_empty_lines_and_cells_of_several_lines(self) -> None:
        content = b"\n" + HEADER + b'\n"An\nn",Lee,ann@example.org\n,,\n\n' + ANN

        assert [(record.line, record.document["firstName"]) for record in read(content)] == [(4, "An\nn"), (8, "Ann")]

    def test_becomes_what_the_api_takes(self) -> None:
        content = (
            b"E-Mail,street one,Postal_Code,manufacturerSlugs,metadata.age,metadata.zip,metadata.member\n"
            b'ann@example.org,1 Main St,10001,"tesla, enphase",18,01234,true\n'
        )

        assert documents(content) == [
            {
                "email": "ann@example.org",
                "address": {"streetOne": "1 Main St", "postalCode": "10001"},
                "manufacturerSlugs": ["tesla", "enphase"],
                "metadata": {"age": 18, "zip": "01234", "member": True},
            }
        ]

    def test_of_json_lines_is_read_line_by_line(self) -> None:
        content = b'{"email": "ann@example.org"}\n\n{"tags": ["a"]}'

        found = read(content, Format.JSON_LINES)

        assert found == [Record(1, {"email": "ann@example.org"}), Record(3, {"tags": ["a"]})]


class TestABrokenFile:
    @pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
    def test_is_refused_with_line_and_remedy(self, broken: Broken) -> None:
        with pytest.raises(UnreadableFile) as refused:
            read(broken.content, broken.kind)

        assert (refused.value.line, refused.value.errors[0].code) == (broken.line, broken.code)
        assert broken.told in refused.value.detail

    @pytest.mark.parametrize("name", FAULTY_RECORDS)
    def test_of_one_faulty_record_tells_it_and_goes_on(self, name: str) -> None:
        kind, content, (line, field, told) = FAULTY_RECORDS[name]

        faulty, other = read(content, kind)

        assert faulty.fault is not None
        assert (faulty.line, faulty.fault.field, faulty.document, other.fault) == (line, field, {}, None)
        assert told in faulty.fault.detail


class Endless(io.RawIOBase):
    """A gigabyte that is never stored: a header followed by the same bytes many times."""

    def __init__(self, start: bytes, again: bytes, size: int) -> None:
        self._start, self._again, self._size, self._at = start, again, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, position: int, whence: int = 0) -> int:
        self._at = position
        return position

    def readinto(self, into: Any) -> int:
        wanted = min(len(into), max(0, self._size - self._at))
        if self._at < len(self._start):
            found = self._start[self._at : self._at + wanted]
        else:
            offset = (self._at - len(self._start)) % len(self._again)
            found = (self._again * (wanted // len(self._again) + 2))[offset : offset + wanted]
        into[: len(found)] = found
        self._at += len(found)
        return len(found)


class TestMemory:
    def test_is_bounded_for_a_line_of_a_gigabyte(self) -> None:
        file = io.BufferedReader(Endless(HEADER, b"x" * 10_000, 1_000_000_000))

        assert self.peak(file) < 20_000_000

    @pytest.mark.parametrize("again", [b'"x\n', b"a,b,c@example.org\n"], ids=["an open quote", "many rows"])
    def test_does_not_grow_with_the_file(self, again: bytes) -> None:
        file = io.BufferedReader(Endless(HEADER, again * 1_000, 1_500_000))

        assert self.peak(file) < 2_000_000

    def peak(self, file: Any) -> int:
        tracemalloc.start()
        try:
            _, records = read_records(file, Format.CSV)
            for _ in records:
                pass
        except UnreadableFile:
            pass
        finally:
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        return most
