"""What a client sees if the connection breaks while it waits for the response."""

from collections.abc import Mapping

from django.http import StreamingHttpResponse


def broken_off(headers: Mapping[str, str]) -> StreamingHttpResponse:
    """Return a response far shorter than announced."""
    return StreamingHttpResponse([b"{"], headers={**headers, "Content-Length": "1000"})
