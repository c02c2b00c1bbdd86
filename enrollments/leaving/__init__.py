"""Leaving by a quote: what it brings is told, frozen for a while, and carried out as told."""

from .confirm import confirm_quote
from .quote import QUOTE_LASTS, find_leavable, find_quote, is_open, list_open_quotes, quote_exits

__all__ = ["QUOTE_LASTS", "confirm_quote", "find_leavable", "find_quote", "is_open", "list_open_quotes", "quote_exits"]
