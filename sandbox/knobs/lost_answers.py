"""How a connection that breaks on the way back looks to whoever waits for the answer."""

from collections.abc import Mapping

from django.http import StreamingHttpResponse


def broken_off(headers: Mapping[str, str]) -> StreamingHttpResponse:
    """A response far shorter than announced."""
    return StreamingHttpResponse([b"{"], headers={**headers, "Content-Length": "1000"})
