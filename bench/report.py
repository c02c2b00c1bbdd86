"""The contest's results for people, and the gates that decide its exit code."""

import os
import platform
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from .contest import CLIENTS, NAMES, REPEATS, SCARCE_REQUESTS, Contest
from .courses_report import courses_as_json, failed_course_gates, print_courses
from .seed import SCARCE_SEATS

TIMES_NAIVE = 1.6
OF_THE_LIMIT = 0.15
TAIL = 3.0
OURS = ("hot", "spread")


def failed_gates(contest: Contest, *, speed: bool) -> list[str]:
    """Return the gates that a run failed; without `speed`, only the books have to balance."""
    failures = [
        f"{NAMES[name]}: {breach}" for name in (*OURS, "limit", "http") for breach in contest.scores[name].breaches
    ]
    if not contest.scores["naive"].oversold:
        failures.append("The naive view did not oversell: the load shows no race, so it proves nothing.")
    failures += failed_course_gates(contest.courses, speed=speed)
    if speed:
        failures += _slow(contest)
    return failures


def _slow(contest: Contest) -> list[str]:
    failures = []
    for name in OURS:
        if (times := contest.ratio(name, "naive")) < TIMES_NAIVE:
            failures.append(f"{NAMES[name]}: {times:.2f} times the naive view, {TIMES_NAIVE:g} are wanted")
        if (share := contest.ratio(name, "limit")) < OF_THE_LIMIT:
            failures.append(f"{NAMES[name]}: {share:.1%} of the limit, {OF_THE_LIMIT:.0%} are wanted")
        if (tail := contest.tail(name)) > TAIL:
            failures.append(f"{NAMES[name]}: p99 is {tail:.1f} times the median, {TAIL:g} are allowed")
    return failures


def print_table(contest: Contest, *, command: str) -> None:
    """Print the figures of every contestant side by side, with the machine they were measured on."""
    table = Table(title=f"Enrollments a second: medians of {contest.rounds} rounds of {contest.seconds:g} s")
    for heading in ("", "new/s", "requests/s", "of the limit", "x naive", "p50 ms", "p99 ms", "p99/p50", "oversold"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, title in NAMES.items():
        score = contest.scores[name]
        table.add_row(
            title,
            f"{score.enrollments_per_second:,.0f}",
            f"{score.requests_per_second:,.0f}",
            f"{contest.ratio(name, 'limit'):.0%}",
            f"{contest.ratio(name, 'naive'):.1f}",
            f"{score.p50_ms:.1f}",
            f"{score.p99_ms:.1f}",
            f"{contest.tail(name):.1f}",
            str(score.oversold),
        )
    console = Console(width=120)
    console.print(table)
    console.print(
        f"{CLIENTS} keep-alive clients; {100 - REPEATS}% of requests are about new learners, {REPEATS}% repeat one "
        "(half with the same Idempotency-Key). hot: all in one allocation; 64: spread over as many. Ratios are of new "
        f"enrollments a second. oversold: when {SCARCE_REQUESTS} ask for the last {SCARCE_SEATS} seats."
    )
    print_courses(contest.courses)
    facts = ", ".join(f"{name} {value}" for name, value in machine(contest).items())
    console.print(f"{facts}\nmade by: {command}")


def as_json(contest: Contest, *, command: str) -> dict[str, Any]:
    """Return all figures, including the ratios."""
    scores = {
        name: asdict(score)
        | {
            "of_limit": contest.ratio(name, "limit"),
            "times_naive": contest.ratio(name, "naive"),
            "p99_by_p50": contest.tail(name),
        }
        for name, score in contest.scores.items()
    }
    return {
        "command": command,
        "machine": machine(contest),
        "rounds": contest.rounds,
        "seconds": contest.seconds,
        "scores": scores,
        "courses": courses_as_json(contest.courses),
    }


def machine(contest: Contest) -> dict[str, str]:
    """Return the properties of the machine that the figures depend on."""
    return {
        "cores": str(os.cpu_count()),
        "load": f"{os.getloadavg()[2]:.1f}",
        "python": platform.python_version(),
        **{name.replace("server_version", "postgresql"): value for name, value in contest.server.items()},
    }
