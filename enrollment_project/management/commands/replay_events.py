from typing import Any

from django.core.management.base import CommandError, CommandParser

from core.clock import utc_now
from core.commands import UseCaseCommand
from core.http.query import parse_moment
from core.ids import is_cuid
from events.models import WebhookEndpoint
from events.webhooks.queueing import replay


class Command(UseCaseCommand):
    help = "Send the events of a range of time to one webhook endpoint, whether they were sent before or not."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("endpoint", help="CUID of the endpoint, as the API and the back office show it")
        parser.add_argument("--since", required=True, help="the first moment, e.g. 2026-09-01T22:00:00Z")
        parser.add_argument("--until", required=True, help="the first moment after the range")
        parser.add_argument("--dry-run", action="store_true", help="count the events and send none")
        parser.add_argument("--type", action="append", default=[], help="only events of this type; may be repeated")

    def run(self, **options: Any) -> dict[str, Any]:
        moments = {name: parse_moment(options[name]) for name in ("since", "until")}
        for name, moment in moments.items():
            if moment is None:
                raise CommandError(f"--{name}: give a date and time as in 2027-01-31T09:00:00Z.")
        known = WebhookEndpoint.objects.kept().filter(cuid=options["endpoint"] if is_cuid(options["endpoint"]) else "")
        endpoint = known.first()
        if endpoint is None:
            raise CommandError("There is no such webhook endpoint.")
        dry_run = options["dry_run"]
        events = replay(
            endpoint_id=endpoint.pk,
            types=options["type"],
            dry_run=dry_run,
            now=utc_now(),
            **moments,  # type: ignore[arg-type]
        )
        return {"dry_run": dry_run, "events": events}

    def show(self, report: dict[str, Any]) -> None:
        self.say(f"{report['events']:,} events {'would be' if report['dry_run'] else 'are'} on their way.")
