"""What several pages about money show."""

from typing import Any

from django.utils.html import format_html
from unfold.decorators import display

from ..purposes import describe_subject


@display(description="for", ordering="subject")
def subject_text(_admin: Any, row: Any) -> str:
    """What the money is about, in two words: for lists, which look nothing up."""
    return f"{row.purpose.replace('_', ' ')} {row.subject}"


@display(description="for")
def paid_for(_admin: Any, row: Any) -> str:
    """What the money is about, in the words of the app that asked for it."""
    label, url = describe_subject(row.purpose, row.subject)
    return format_html('<a class="text-link" href="{}">{}</a>', url, label) if url else label
