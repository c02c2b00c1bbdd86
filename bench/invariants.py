"""What must hold after the load: counters, rows, decisions, and events agree, and no seat is given twice."""

from collections.abc import Mapping
from typing import Any

import psycopg

# What one enrollment by a district seat writes.
TRANSITIONS = 4
EVENTS = 8

_COUNTS = """
    SELECT (SELECT sum(reserved_seats + used_seats) FROM enrollments_districtseatallocation a
              JOIN enrollments_district d ON d.id = a.district_id WHERE d.workspace_id = %(workspace)s) AS counted,
           (SELECT count(*) FROM enrollments_seatassignment s
              JOIN enrollments_enrollment e ON e.id = s.enrollment_id
             WHERE e.workspace_id = %(workspace)s AND s.status IN ('reserved', 'used')) AS seats,
           (SELECT count(*) FROM accounts_learner WHERE workspace_id = %(workspace)s) AS learners,
           (SELECT count(*) FROM enrollments_enrollment WHERE workspace_id = %(workspace)s) AS enrollments,
           (SELECT count(*) FROM enrollments_enrollmentdecision
             WHERE workspace_id = %(workspace)s AND status = 'completed') AS decisions,
           (SELECT count(*) FROM enrollments_enrollmenttransition t
              JOIN enrollments_enrollment e ON e.id = t.enrollment_id
             WHERE e.workspace_id = %(workspace)s) AS transitions,
           (SELECT count(*) FROM events_outboxevent WHERE workspace_id = %(workspace)s) AS events,
           (SELECT count(*) FROM core_idempotencyrecord
             WHERE scope = %(actor)s AND response_status = 200) AS answers
"""
_OVERSOLD = """
    SELECT coalesce(sum(greatest(0, held.seats - a.total_seats)), 0)
      FROM enrollments_districtseatallocation a
      JOIN enrollments_district d ON d.id = a.district_id
      JOIN (SELECT allocation_id, count(*) AS seats FROM enrollments_seatassignment
             WHERE status IN ('reserved', 'used') GROUP BY allocation_id) held ON held.allocation_id = a.id
     WHERE d.workspace_id = %(workspace)s
"""


def count_oversold(connection: psycopg.Connection[Any], contestant: Mapping[str, Any]) -> int:
    """Count the seats that were given although the allocation had none left."""
    row = connection.execute(_OVERSOLD, {"workspace": contestant["workspace_id"]}).fetchone()
    assert row is not None
    return int(row[0])


def find_breaches(
    connection: psycopg.Connection[Any], contestant: Mapping[str, Any], *, answered: int | None
) -> list[str]:
    """Return what does not add up in a contestant's workspace, in words.

    `answered` is how many new learners were told that they have a seat; None if nobody counted.
    """
    row = connection.execute(
        _COUNTS, {"workspace": contestant["workspace_id"], "actor": contestant["actor"]}
    ).fetchone()
    assert row is not None
    counted, seats, learners, enrollments, decisions, transitions, events, answers = map(int, row)
    expected = {
        "seats counted": (counted, seats),
        "learners": (learners, seats),
        "enrollments": (enrollments, seats),
        "decisions": (decisions, seats),
        "transitions": (transitions, TRANSITIONS * seats),
        "events": (events, EVENTS * seats),
        "answers to new learners": (seats if answered is None else answered, seats),
    }
    breaches = [f"{found} {what} where {right} belong" for what, (found, right) in expected.items() if found != right]
    if answers < seats:
        breaches.append(f"{answers} stored answers for {seats} seats")
    if oversold := count_oversold(connection, contestant):
        breaches.append(f"{oversold} seats oversold")
    return breaches
