import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import transaction

from core.network import NetworkInsideTransaction
from core.tests.clamd import EICAR, Clamd, running_clamd
from core.virus_scan import CHUNK, ScannerDown, find_virus


@pytest.fixture
def clamd(settings: Any) -> Iterator[Clamd]:
    with running_clamd() as server:
        settings.CLAMD_ADDRESS = server.address
        yield server


class TestAFile:
    @pytest.mark.parametrize("size", [0, 1, CHUNK, 3 * CHUNK + 1])
    def test_is_sent_whole_and_left_at_its_beginning(self, size: int, clamd: Clamd) -> None:
        content = os.urandom(size)
        file = ContentFile(content)
        file.seek(0, os.SEEK_END)

        assert find_virus(file) == ""

        assert clamd.asked == [(b"zINSTREAM\0", content)]
        assert file.tell() == 0

    @pytest.mark.parametrize("before", [0, CHUNK - 10])
    def test_with_a_virus_is_found_by_name(self, before: int, clamd: Clamd) -> None:
        assert find_virus(ContentFile(b"x" * before + EICAR)) == "Win.Test.EICAR_HDB-1"

    def test_is_not_scanned_without_an_address(self, clamd: Clamd, settings: Any) -> None:
        settings.CLAMD_ADDRESS = ""

        assert find_virus(ContentFile(EICAR)) == ""
        assert clamd.asked == []

    @pytest.mark.django_db
    def test_is_not_scanned_inside_a_transaction(self, clamd: Clamd) -> None:
        with transaction.atomic(), pytest.raises(NetworkInsideTransaction):
            find_virus(ContentFile(b"x"))
        assert clamd.asked == []


class TestAScanner:
    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"INSTREAM size limit exceeded. ERROR\0",
            b"stream: Can't allocate memory ERROR\0",
            b"stream: OK",
            b"other: OK\0",
            b"\xff" * 5_000,
        ],
    )
    def test_without_a_verdict_is_down(self, answer: bytes, clamd: Clamd) -> None:
        clamd.answer = answer

        with pytest.raises(ScannerDown):
            find_virus(ContentFile(b"x"))

    def test_that_nobody_runs_is_down(self, settings: Any) -> None:
        with running_clamd() as server:
            settings.CLAMD_ADDRESS = server.address

        with pytest.raises(ScannerDown, match="ConnectionRefusedError"):
            find_virus(ContentFile(b"x"))
