"""Every way to break an invariant, for the doctor to find: what each does, and the rows that must be named."""

from . import (
    accounts,
    billing,
    books,
    cohorts,
    eligibility,
    enrollments,
    exits,
    history,
    jobs,
    offline,
    partitions,
    partners,
    secrets,
    sessions,
    vouchers,
    webhooks,
)
from .world import BREAKS, SPARED, Rows, World

__all__ = [
    "BREAKS",
    "SPARED",
    "Rows",
    "World",
    "accounts",
    "billing",
    "books",
    "cohorts",
    "eligibility",
    "enrollments",
    "exits",
    "history",
    "jobs",
    "offline",
    "partitions",
    "partners",
    "secrets",
    "sessions",
    "vouchers",
    "webhooks",
]
