import datetime as dt
from typing import Any

from django.core.management.base import CommandParser

from billing.reconciliation import LONGEST_WINDOW, reconcile_stripe
from core.clock import utc_now
from core.commands import UseCaseCommand, number

LONGEST_HOURS = int(LONGEST_WINDOW.total_seconds() // 3600)


class Command(UseCaseCommand):
    help = (
        "Compare our books with Stripe's: store and handle events whose webhook never arrived, and "
        "settle checkouts that have fallen behind. Exits with 1 if Stripe does not answer; nothing "
        "is lost, run it again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--since",
            type=number(0.001, LONGEST_HOURS),
            metavar="HOURS",
            help=(f"how many hours to look back, at most {LONGEST_HOURS}; the default is shortly before the last run"),
        )
        parser.add_argument("--dry-run", action="store_true", help="report what differs and change nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        since = None if options["since"] is None else dt.timedelta(hours=options["since"])
        found = reconcile_stripe(since=since, dry_run=options["dry_run"], now=utc_now())
        return {
            "dry_run": options["dry_run"],
            "window_start": found.window_start.isoformat(),
            "events_seen": found.events_seen,
            "events_missed": found.missed_event_ids,
            "sessions_seen": found.sessions_seen,
            "checkouts_settled": found.stale_checkout_ids,
        }

    def show(self, report: dict[str, Any]) -> None:
        missed = report["events_missed"]
        settled = report["checkouts_settled"]
        since = dt.datetime.fromisoformat(report["window_start"])
        self.say(
            f"Compared with Stripe since {since:%Y-%m-%d %H:%M} UTC: {report['events_seen']} events, "
            f"{report['sessions_seen']} sessions."
        )
        self.say(f"{'Missing here' if report['dry_run'] else 'Missed and handled'}: {len(missed)} events.")
        self.say(f"{'Behind' if report['dry_run'] else 'Behind and settled'}: {len(settled)} checkouts.")
        for event_id in missed:
            self.say(f"  event {event_id}")
        for checkout_id in settled:
            self.say(f"  checkout {checkout_id}")
