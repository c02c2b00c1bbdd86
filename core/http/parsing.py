"""A JSON parser that accepts only what every database and every client can hold."""

import json
import math
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import UnreadablePostError
from rest_framework import status
from rest_framework.exceptions import APIException, ErrorDetail, ParseError, ValidationError
from rest_framework.parsers import BaseParser

from ..characters import storage_fault
from ..errors import item_of
from ..numbers import MAX_BIGINT

MAX_DEPTH = 20
# Longer than any integer in range: such digits need not be converted to be refused, and converting them is slow.
MAX_DIGITS = 20


class BodyTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"
    default_detail = f"The body is larger than {settings.API_MAX_BODY_BYTES:,} bytes."


class StrictJSONParser(BaseParser):
    """A UTF-8 JSON object of at most API_MAX_BODY_BYTES and MAX_DEPTH levels, without NaN, NUL characters, lone
    surrogates, or numbers that no 64-bit column holds.

    Invalid JSON gets a 400; valid JSON that can't be stored gets a 422 that names the field. An empty body never gets
    here: DRF treats it as an empty object.
    """

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        return parse_json_object(read_body(stream))


def read_body(stream: Any) -> bytes:
    """Read a request's whole body; refuse one that is too large without reading past the limit."""
    try:
        return bytes(stream.body) if hasattr(stream, "body") else bytes(stream.read())
    except RequestDataTooBig as error:
        raise BodyTooLarge from error
    except UnreadablePostError as error:
        raise ParseError("The body ended before all of it was read.") from error


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Return the object in a request body, by the rules of StrictJSONParser."""
    data = parse_json(body)
    if not isinstance(data, dict):
        raise _invalid("body", "Send a JSON object.")
    return data


def parse_json(body: bytes) -> Any:
    """Do the same for any JSON value."""
    try:
        data = json.loads(body.decode("utf-8"), parse_int=_integer, parse_constant=float)
    except RecursionError as error:
        raise _invalid("body", f"Nested deeper than {MAX_DEPTH} levels.") from error
    except ValueError as error:
        raise ParseError(f"The body is not valid JSON: {error}") from error
    if fault := _fault(data, "", 1):
        raise _invalid(*fault)
    return data


def _invalid(field: str, detail: str) -> ValidationError:
    return ValidationError({field: [ErrorDetail(detail, code="invalid")]})


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_DIGITS else math.inf


def _fault(value: Any, path: str, depth: int) -> tuple[str, str] | None:
    """Return the first thing in a JSON value that can't be stored: its place, and what is wrong."""
    if isinstance(value, dict | list):
        if depth > MAX_DEPTH:
            return path, f"Nested deeper than {MAX_DEPTH} levels."
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(key, str) and (wrong := storage_fault(key)):
                return path or "body", f"A key is not acceptable: {wrong}"
            if fault := _fault(item, _place(path, key), depth + 1):
                return fault
        return None
    wrong = _leaf_fault(value)
    return (path, wrong) if wrong else None


def _place(path: str, key: str | int) -> str:
    if isinstance(key, int):
        return item_of(path, key)
    return f"{path}.{key}" if path else key


def _leaf_fault(value: Any) -> str:
    if isinstance(value, str):
        return storage_fault(value)
    if isinstance(value, float) and math.isnan(value):
        return "NaN is not a number."
    if isinstance(value, int | float) and abs(value) > MAX_BIGINT:
        return "The number is out of range."
    return ""
