"""A file as a request body: received piece by piece into a file of ours, so that its size costs no memory."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any

from django.conf import settings
from django.http import UnreadablePostError
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from .parsing import BodyTooLarge

PIECE = 65_536
IN_MEMORY = 1_000_000


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """The content, open at its beginning, and its media type; `digest` tells whether the same file was sent again."""

    content: "SpooledTemporaryFile[bytes]"
    media_type: str
    digest: str


def received_file(request: Request) -> ReceivedFile:
    """Return the body of a request to a view with FileParsers; DRF does not call a parser for an empty body."""
    if isinstance(request.data, ReceivedFile):
        return request.data
    return ReceivedFile(_new_file(), request.content_type.partition(";")[0], "")


def _new_file() -> "SpooledTemporaryFile[bytes]":
    return SpooledTemporaryFile(max_size=IN_MEMORY)


class FileParser(BaseParser):
    """Accepts at most API_MAX_FILE_BYTES. Subclasses name the media type."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        content = _new_file()
        digest = hashlib.sha256()
        size = 0
        try:
            while piece := stream.read(PIECE):
                size += len(piece)
                if size > settings.API_MAX_FILE_BYTES:
                    raise BodyTooLarge(f"The file is larger than {settings.API_MAX_FILE_BYTES:,} bytes.")
                digest.update(piece)
                content.write(piece)
        except UnreadablePostError as error:
            raise ParseError("The file ended before all of it was read.") from error
        content.seek(0)
        return ReceivedFile(content, self.media_type, digest.hexdigest())


class CsvParser(FileParser):
    media_type = "text/csv"


class JsonLinesParser(FileParser):
    media_type = "application/x-ndjson"


class ZipParser(FileParser):
    media_type = "application/zip"
