"""Mismatches: two records about the same money that do not agree, what each case means, and how to repair it."""

from .finding import explain_mismatch, look_everywhere, look_for_mismatches
from .kinds import Found, MismatchKind, find_mismatch_kind, list_mismatch_kinds, register_mismatch_kind
from .repairing import repair_mismatch

__all__ = [
    "Found",
    "MismatchKind",
    "explain_mismatch",
    "find_mismatch_kind",
    "list_mismatch_kinds",
    "look_everywhere",
    "look_for_mismatches",
    "register_mismatch_kind",
    "repair_mismatch",
]
