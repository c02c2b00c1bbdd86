"""JSON that callers store with our rows: how large and how deep it may be."""

import json
from typing import Any

MAX_BYTES = 16_384
MAX_LEVELS = 5


def document_fault(value: Any) -> str:
    """Return why we would not store this JSON object, as a sentence; empty if we would."""
    if not isinstance(value, dict):
        return "Give a JSON object."
    if is_deeper(value, MAX_LEVELS):
        return f"It is nested deeper than {MAX_LEVELS} levels."
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        return f"It has {size:,} bytes as JSON, and at most {MAX_BYTES:,} are kept."
    return ""


def is_deeper(value: Any, levels: int) -> bool:
    """Return whether objects and lists are nested in more levels than these, looking no deeper than necessary."""
    if not isinstance(value, dict | list):
        return False
    if levels == 0:
        return True
    return any(is_deeper(inner, levels - 1) for inner in (value.values() if isinstance(value, dict) else value))
