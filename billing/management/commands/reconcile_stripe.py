import datetime as dt
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from billing.errors import PaymentProviderDown
from billing.reconciliation import LONGEST_WINDOW, Differences, reconcile_stripe
from core.clock import utc_now
from core.commands import number, refused

LONGEST_HOURS = int(LONGEST_WINDOW.total_seconds() // 3600)


class Command(BaseCommand):
    help = (
        "Compare our books with Stripe's: store and handle events whose webhook never came, and settle checkouts that "
        "have not kept up. Exits with 1 if Stripe does not answer; nothing is lost, run it again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--since",
            type=number(0.001, LONGEST_HOURS),
            metavar="HOURS",
            help=f"how far to look back, up to {LONGEST_HOURS} hours; by default to a little before the last run",
        )
        parser.add_argument("--dry-run", action="store_true", help="report what differs and change nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        since = None if options["since"] is None else dt.timedelta(hours=options["since"])
        try:
            found = reconcile_stripe(since=since, dry_run=options["dry_run"], now=utc_now())
        except PaymentProviderDown as error:
            raise refused(error) from error
        report = _as_json(found) if options["json"] else _as_text(found, dry_run=options["dry_run"])
        self.stdout.write(report)


def _as_json(found: Differences) -> str:
    return json.dumps(
        {
            "window_start": found.window_start.isoformat(),
            "events_seen": found.events_seen,
            "events_missed": found.missed_event_ids,
            "sessions_seen": found.sessions_seen,
            "checkouts_settled": found.stale_checkout_ids,
        }
    )


def _as_text(found: Differences, *, dry_run: bool) -> str:
    lines = [
        f"Compared with Stripe since {found.window_start:%Y-%m-%d %H:%M} UTC: "
        f"{found.events_seen} events, {found.sessions_seen} sessions.",
        f"{'Missing here' if dry_run else 'Missed and handled'}: {len(found.missed_event_ids)} events.",
        f"{'Behind' if dry_run else 'Behind and settled'}: {len(found.stale_checkout_ids)} checkouts.",
    ]
    lines += [f"  event {event_id}" for event_id in found.missed_event_ids]
    lines += [f"  checkout {checkout_id}" for checkout_id in found.stale_checkout_ids]
    return "\n".join(lines)
