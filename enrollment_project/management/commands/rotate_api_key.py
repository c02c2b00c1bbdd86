import datetime as dt
from typing import Any

from django.core.management.base import CommandParser

from accounts.api_keys import get_api_key, rotate_api_key
from core.clock import utc_now
from core.commands import UseCaseCommand, number


class Command(UseCaseCommand):
    help = (
        "Replace an API key with a new one that has the same scopes, and print it once. The old one keeps working for "
        "the "
        "overlap. Exits with 1 if there is no such key or it is no longer usable."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("key", help="its id, or the public start of it (ek_ and 8 characters)")
        parser.add_argument("--overlap-hours", type=number(0, 24 * 365), default=24.0, help="how long both work (24)")

    def run(self, **options: Any) -> dict[str, Any]:
        old = get_api_key(reference=options["key"])
        new, text = rotate_api_key(
            api_key_id=old.pk, overlap=dt.timedelta(hours=options["overlap_hours"]), now=utc_now()
        )
        old.refresh_from_db()
        return {
            "id": new.pk,
            "key": text,
            "name": new.name,
            "workspace": new.workspace.slug,
            "scopes": new.scopes,
            "last_four": new.last_four,
            "expires_at": new.expires_at.isoformat() if new.expires_at else None,
            "replaces": old.pk,
            "old_key_ends_at": old.expires_at.isoformat() if old.expires_at else None,
        }

    def show(self, report: dict[str, Any]) -> None:
        super().show(report)
        self.say("[yellow]Keep the key now: it can't be shown again.[/]")
