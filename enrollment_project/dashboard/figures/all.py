"""The front page's figures, grouped by the module that finds them and in the order of the page."""

from collections.abc import Callable

from .courses import cohorts, sold
from .decisions import decisions, enrollments
from .figure import Asked, Figure
from .money import money
from .pipeline import pipeline
from .seats import seats

FINDERS: dict[tuple[str, ...], Callable[[Asked], list[Figure]]] = {
    ("money",): money,
    ("seats",): seats,
    ("decisions", "reasons"): decisions,
    ("cohorts",): cohorts,
    ("sold",): sold,
    ("enrollments",): enrollments,
    ("pipeline",): pipeline,
}


def find_figures(asked: Asked) -> dict[str, Figure]:
    """Return all figures by name."""
    return {figure.name: figure for find in FINDERS.values() for figure in find(asked)}


def find_figure(name: str, asked: Asked) -> Figure | None:
    """Return one figure by its name, or None if no figure has it."""
    for names, find in FINDERS.items():
        if name in names:
            return next(figure for figure in find(asked) if figure.name == name)
    return None
