"""The table of docs/privacy.md, generated from the registry: a test compares the page with it."""

from core.personal import Kind, Personal

from .registry import PERSONAL


def table() -> str:
    """Return what is known of people, model by model, as Markdown."""
    lines = ["| app | what | columns | kind | erasing |", "|---|---|---|---|---|"]
    rows = sorted(PERSONAL, key=lambda each: (each.model._meta.app_label, each.model.__name__))
    return "\n".join([*lines, *(_line(each) for each in rows)])


def _line(each: Personal) -> str:
    kinds = [kind.value for kind in Kind if kind in each.columns.values()]
    columns = ", ".join(f"`{name}`" for name in each.columns)
    fate = each.fate.value + (f": {each.why}" if each.why else "")
    return f"| {each.model._meta.app_label} | `{each.model.__name__}` | {columns} | {'; '.join(kinds)} | {fate} |"
