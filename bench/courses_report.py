"""The figures of the courses contest for people and for machines, and their gates."""

import statistics
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from .courses import COHORTS, FEW_COHORTS, JOBS, WORKERS, Courses

OF_THE_LIMIT = {"fulfil": 0.15, "book": 0.12}
TIMES_FEW = 1.5
CALLS = {"catalog": 100_000, "course": 125_000}  # of Python functions for one page: the same on every machine


def failed_course_gates(courses: Courses, *, speed: bool) -> list[str]:
    """Return the gates that the courses rounds failed; without `speed`, only invariants and counts of queries and
    function calls matter.
    """
    failures = [f"courses: {breach}" for breach in courses.breaches]
    for page, figures in courses.many.items():
        if figures["queries"] != courses.few[page]["queries"]:
            failures.append(f"{page} page: more cohorts, more queries: {courses.few[page]} became {figures}")
        if figures["calls"] > CALLS[page]:
            failures.append(f"{page} page: {figures['calls']:,} function calls, {CALLS[page]:,} are allowed")
    if speed:
        failures += [
            f"{title}: {courses.share(job):.1%} of the limit, {OF_THE_LIMIT[job]:.0%} are wanted"
            for job, title in JOBS.items()
            if courses.share(job) < OF_THE_LIMIT[job]
        ]
        failures += [
            f"{page} page: {times:.2f} times as long with {COHORTS} cohorts as with {FEW_COHORTS}, "
            f"{TIMES_FEW:g} are allowed"
            for page, figures in courses.many.items()
            if (times := figures["p50_ms"] / courses.few[page]["p50_ms"]) > TIMES_FEW
        ]
    return failures


def print_courses(courses: Courses) -> None:
    """Print fulfilments and bookings next to their limit, and the pages."""
    work = Table(title=f"Courses: use cases a second in {WORKERS} processes, without HTTP")
    for heading in ("", "ours/s", "limit/s", "of the limit", "p50 ms"):
        work.add_column(heading, justify="left" if not heading else "right")
    for job, title in JOBS.items():
        ours, limit = courses.rate(job, "ours"), courses.rate(job, "limit")
        p50 = statistics.median(courses.p50_ms[job])
        work.add_row(title, f"{ours:,.0f}", f"{limit:,.0f}", f"{courses.share(job):.0%}", f"{p50:.1f}")
    pages = Table(title="Pages: milliseconds inside Django (median), function calls, and queries")
    for heading in ("", f"ms, {FEW_COHORTS} cohorts", "calls", "queries", f"ms, {COHORTS} cohorts", "calls", "queries"):
        pages.add_column(heading, justify="left" if not heading else "right")
    for page, many in courses.many.items():
        pages.add_row(page, *_figures(courses.few[page]), *_figures(many))
    console = Console(width=120)
    console.print(work)
    console.print(pages)


def _figures(page: Mapping[str, float]) -> tuple[str, str, str]:
    return f"{page['p50_ms']:.1f}", f"{page['calls']:,}", f"{page['queries']}"


def courses_as_json(courses: Courses) -> dict[str, Any]:
    """Return all figures of the courses contest."""
    jobs = {
        job: {
            "per_second": courses.rate(job, "ours"),
            "limit_per_second": courses.rate(job, "limit"),
            "of_limit": courses.share(job),
            "p50_ms": statistics.median(courses.p50_ms[job]),
        }
        for job in JOBS
    }
    return {**jobs, "pages": {str(FEW_COHORTS): courses.few, str(COHORTS): courses.many}}
