"""Archives that were damaged in transit: whatever their bytes, they are refused in words."""

import io
import random
import zipfile

import pytest

from enrollments.imports.faults import UnreadableFile
from enrollments.imports.oneroster.archive import open_archive

FILES = {
    "manifest.csv": "propertyName,value\noneroster.version,1.2\nfile.users,bulk\n",
    "users.csv": "sourcedId,givenName,familyName,email\n" + "".join(f"s{n},Ann,Lee,{n}@x.test\n" for n in range(50)),
}


def packed(method: int) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, text in FILES.items():
            archive.writestr(name, text)
    return target.getvalue()


def rows(archive: bytes) -> int:
    with open_archive(io.BytesIO(archive)) as opened:
        return len(list(opened.read("users.csv")))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
class TestADamagedArchive:
    def test_is_read_while_it_is_whole(self, method: int) -> None:
        assert rows(packed(method)) == 50

    def test_is_refused_in_words_or_read_without_the_damage(self, method: int) -> None:
        whole = packed(method)
        chance = random.Random(5)
        refused = 0

        for _ in range(400):
            damaged = bytearray(whole)
            for _ in range(chance.choice((1, 2, 16))):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            length = chance.choice((len(damaged), chance.randrange(len(damaged))))
            try:
                rows(bytes(damaged[:length]))
            except UnreadableFile:
                refused += 1

        assert refused > 200
