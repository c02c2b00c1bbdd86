"""OneRoster archives that can't be imported: each with the code, named file or property, and words of the remedy."""

import zipfile
from dataclasses import dataclass
from io import BytesIO

from .rosters import ENROLLMENTS_HEADER, archive_of, manifest_of, school, students

MODES = {"users": "bulk", "roles": "bulk"}


@dataclass(frozen=True)
class BrokenArchive:
    content: bytes
    code: str
    field: str
    told: str


def _renamed(name: str) -> bytes:
    """Return an archive whose users.csv has this name."""
    files = students(1)
    files[name] = files.pop("users.csv")
    return archive_of({"manifest.csv": manifest_of(MODES), **files})


def _flagged(flag: int) -> bytes:
    """Return an archive whose entries claim to be encrypted."""
    content = bytearray(archive_of(students(1)))
    at = 0
    while (at := content.find(b"PK\x01\x02", at)) >= 0:
        content[at + 8] |= flag
        at += 4
    return bytes(content)


def _stored_wrong() -> bytes:
    """Return an archive in which a letter has changed since it was packed."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, text in {"manifest.csv": manifest_of(MODES), **students(1)}.items():
            archive.writestr(name, text)
    return packed.getvalue().replace(b"Ann1", b"Any1")


BROKEN_ARCHIVES = {
    "nothing": BrokenArchive(b"", "not_zip", "file", "no ZIP archive"),
    "a CSV file": BrokenArchive(students(1)["users.csv"].encode(), "not_zip", "file", "no ZIP archive"),
    "half an archive": BrokenArchive(archive_of(school(1))[:-60], "not_zip", "file", "damaged"),
    "a changed letter": BrokenArchive(_stored_wrong(), "invalid", "users.csv", "damaged"),
    "a password": BrokenArchive(_flagged(1), "encrypted", "file", "without one"),
    "no manifest": BrokenArchive(
        archive_of({"manifest.csv": "propertyName,value\n"}), "version", "oneroster.version", "has to be 1.2"
    ),
    "another version": BrokenArchive(
        archive_of({"manifest.csv": manifest_of(MODES).replace("1.2", "1.1"), **students(1)}),
        "version",
        "oneroster.version",
        "Export the roster as OneRoster 1.2 CSV",
    ),
    "a mode that there is not": BrokenArchive(
        archive_of(students(1), mode="full"), "mode", "file.users", "bulk, delta or absent"
    ),
    "a file too few": BrokenArchive(
        archive_of({"manifest.csv": manifest_of(MODES | {"orgs": "bulk"}), **students(1)}),
        "missing",
        "orgs.csv",
        "promises this file",
    ),
    "no roles": BrokenArchive(
        archive_of({"users.csv": students(1)["users.csv"]}), "missing", "roles.csv", "who of the users is a student"
    ),
    "nothing for us": BrokenArchive(
        archive_of({"demographics.csv": "sourcedId\n"}), "nothing", "manifest.csv", "promises none of"
    ),
    "a bomb": BrokenArchive(
        archive_of({**students(1), "orgs.csv": "a" * 5_000_000}), "too_large", "file", "unpack to far more"
    ),
    "too many files": BrokenArchive(
        archive_of({f"{number}.csv": "" for number in range(101)}), "too_many_files", "file", "more than 100 files"
    ),
    "a name that leads out": BrokenArchive(_renamed("../users.csv"), "path", "file", "leads out of it"),
    "a name from the root": BrokenArchive(_renamed("/etc/users.csv"), "path", "file", "leads out of it"),
    "a name with a drive": BrokenArchive(_renamed("C:\\users.csv"), "path", "file", "leads out of it"),
    "a folder": BrokenArchive(_renamed("roster/users.csv"), "folder", "file", "without a folder"),
    "two files of one name": BrokenArchive(_renamed("Roles.csv"), "repeated_file", "file", "two files of one name"),
    "a column too few": BrokenArchive(
        archive_of({**students(1), "orgs.csv": "sourcedId,name\n"}), "invalid", "orgs.csv", "no column type"
    ),
    "an empty file": BrokenArchive(archive_of({**students(1), "orgs.csv": ""}), "invalid", "orgs.csv", "is empty"),
    "two encodings": BrokenArchive(
        archive_of({**students(1), "orgs.csv": "sourcedId,name,type\nZoë,".encode() + b"\xe9t\xe9,district\n"}),
        "invalid",
        "orgs.csv",
        "UTF-8",
    ),
    "a quote that stays open": BrokenArchive(
        archive_of({**school(1), "enrollments.csv": ENROLLMENTS_HEADER + '"e1,,c1,s1,student,\n'}),
        "invalid",
        "enrollments.csv",
        "Close it",
    ),
    "a NUL byte": BrokenArchive(
        archive_of({**students(1), "orgs.csv": "sourcedId,name,type\no1,No\x00rth,district\n"}),
        "invalid",
        "orgs.csv",
        "NUL",
    ),
}
