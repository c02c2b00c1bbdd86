"""A JSON parser that lets through only what every database and every client can hold."""

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError, ValidationError
from rest_framework.parsers import BaseParser

MAX_DEPTH = 20
# Beyond this a number can't be kept exactly by JavaScript clients nor by a 64-bit column.
MAX_INTEGER = 2**63 - 1


class BodyTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"
    default_detail = f"The body is larger than {settings.API_MAX_BODY_BYTES:,} bytes."


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class StrictJSONParser(BaseParser):
    """UTF-8 JSON of at most API_MAX_BODY_BYTES and MAX_DEPTH levels, without NaN, NUL characters or lone surrogates."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        body = read_body(stream)
        try:
            data = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        except RecursionError as error:
            raise ParseError(f"The body is nested deeper than {MAX_DEPTH} levels.") from error
        except ValueError as error:
            raise ParseError(f"The body is not valid JSON: {error}") from error
        faults = _faults(data, "", 1)
        if faults:
            raise ValidationError(faults)
        return data


def read_body(stream: Any) -> bytes:
    """The whole body of a request, refused as too large without being read past the limit."""
    try:
        return bytes(stream.body) if hasattr(stream, "body") else bytes(stream.read())
    except RequestDataTooBig as error:
        raise BodyTooLarge from error


def _faults(value: Any, path: str, depth: int) -> dict[str, list[str]]:
    """The first thing in a JSON value that can't be stored, by its dotted path."""
    fault = _leaf_fault(value)
    if depth > MAX_DEPTH:
        fault = f"Nested deeper than {MAX_DEPTH} levels."
    if fault:
        return {path or "body": [fault]}
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        name = str(key)
        if fault := _text_fault(name):
            return {path or "body": [f"A key is not acceptable: {fault}"]}
        if found := _faults(item, f"{path}.{name}" if path else name, depth + 1):
            return found
    return {}


def _leaf_fault(value: Any) -> str:
    if isinstance(value, str):
        return _text_fault(value)
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        return "The number is out of range."
    if isinstance(value, float) and not math.isfinite(value):
        return "The number is out of range."
    return ""


def _text_fault(text: str) -> str:
    if "\x00" in text:
        return "NUL characters are not allowed."
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "Text must be valid Unicode (a lone surrogate was found)."
    return ""
