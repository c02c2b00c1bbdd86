"""The most a page accepts in one upload, refused before any of it is read."""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler

FILE_MAX_BYTES = 5_000_000
FILES_IN_FORM = 3
# Part of it is for typed text and for the multipart format itself.
UPLOAD_MAX_BYTES = FILES_IN_FORM * FILE_MAX_BYTES + 2_000_000


class BoundedUploadHandler(FileUploadHandler):
    """Comes first among the upload handlers and accepts no file itself. Raises RequestDataTooBig, which is answered as
    a malformed request, if the body is larger than all files of a form together may be."""

    def handle_raw_input(
        self, input_data: Any, META: Any, content_length: int, boundary: Any, encoding: str | None = None
    ) -> None:
        if content_length > UPLOAD_MAX_BYTES:
            raise RequestDataTooBig(f"The upload is larger than {UPLOAD_MAX_BYTES:,} bytes.")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None
