"""Leaving by a quote: its result is told, frozen for a while, and carried out exactly as told."""

from .asking import Wish, ask_for_refund, can_ask, has_asked
from .confirm import confirm_quote
from .forgetting import forget_quotes
from .quote import QUOTE_LASTS, find_leavable, find_quote, is_open, list_open_quotes, quote_exits
from .settlement import foresee_exits

__all__ = [
    "QUOTE_LASTS",
    "Wish",
    "ask_for_refund",
    "can_ask",
    "confirm_quote",
    "find_leavable",
    "find_quote",
    "foresee_exits",
    "forget_quotes",
    "has_asked",
    "is_open",
    "list_open_quotes",
    "quote_exits",
]
