"""The numbers of the invoices that are issued here, and separately those of corrections.

They count 1, 2, 3 ... per workspace and year, without a gap. A number is taken under the lock of the workspace's
series, which is taken last and held until the commit. So a transaction that fails gives its number back, and the next
one gets it.
"""

from enum import StrEnum

from core.statements import fetch_rows


class Series(StrEnum):
    """What is counted separately, by the prefix of its numbers."""

    INVOICES = ""
    CORRECTIONS = "C-"


_NEXT = {
    Series.INVOICES: """
        INSERT INTO billing_invoiceseries (workspace_id, year, last_number) VALUES (%s, %s, 1)
        ON CONFLICT (workspace_id, year) DO UPDATE SET last_number = billing_invoiceseries.last_number + 1
        RETURNING last_number
    """,
    Series.CORRECTIONS: """
        INSERT INTO billing_invoiceseries (workspace_id, year, last_number, last_correction) VALUES (%s, %s, 0, 1)
        ON CONFLICT (workspace_id, year) DO UPDATE SET last_correction = billing_invoiceseries.last_correction + 1
        RETURNING last_correction
    """,
}


def take_number(*, workspace_id: int, series: Series, year: int) -> str:
    """Return the next number of a series, ours until the transaction ends: others wait for it."""
    ((number,),) = fetch_rows(_NEXT[series], [workspace_id, year])
    return write_number(series, year, int(number))


def write_number(series: Series, year: int, number: int) -> str:
    """Return the number as printed: 2026-000123, and C-2026-000123 for a correction."""
    return f"{series}{year}-{number:06d}"
