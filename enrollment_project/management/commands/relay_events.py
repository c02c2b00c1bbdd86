from typing import Any

from django.core.management.base import CommandParser

from core.clock import utc_now
from core.commands import UseCaseCommand, whole_number
from core.numbers import MAX_INT
from events.relay import due_events_by_type, relay_due_events, replay_dead_events

BATCH = 500


class Command(UseCaseCommand):
    help = (
        "Relay due events to the stream (REDIS_URL) or the log, as the scheduler does all the time. "
        "Exits with 1 if the stream does not answer; the events wait, run it again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--limit", type=whole_number(1, MAX_INT), default=10_000, help="how many at most (10000)")
        parser.add_argument("--replay-dead", action="store_true", help="first revive the events that were given up")
        parser.add_argument("--dry-run", action="store_true", help="count what is due and change nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        if options["dry_run"]:
            return {"relayed": 0, "due": due_events_by_type(now=utc_now())}
        revived = replay_dead_events(now=utc_now()) if options["replay_dead"] else 0
        limit = options["limit"]
        relayed = 0
        due = min(limit, sum(due_events_by_type(now=utc_now()).values()))
        with self.progress(hide=options["json"]) as progress:
            for start in range(0, due, BATCH):
                relayed += relay_due_events(limit=min(BATCH, limit - start), now=utc_now())
                progress(relayed, due)
        return {"relayed": relayed, "revived": revived, "due": due_events_by_type(now=utc_now())}

    def show(self, report: dict[str, Any]) -> None:
        self.say(f"Relayed {report['relayed']:,} events; {sum(report['due'].values()):,} are due.")
        for event_type, count in report["due"].items():
            self.say(f"  {count:>8,}  {event_type}")
