from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from core.commands import UseCaseCommand
from core.resealing import reseal_secrets


class Command(UseCaseCommand):
    help = (
        "Seal every stored secret (partners' keys, webhook secrets, tokens) again with the first of "
        "SEALING_KEYS, so that an older key can be removed. Run it once every process has the new "
        "key. It can be interrupted and started again. Exits with 1 if none of the keys opens a "
        "secret; the others are sealed anyway."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--dry-run", action="store_true", help="count what an older key has sealed and change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self._broken: list[str] = []
        super().handle(*args, **options)
        if self._broken:
            raise SystemExit(1)

    def run(self, **options: Any) -> dict[str, Any]:
        done = reseal_secrets(dry_run=options["dry_run"])
        self._broken = done.broken
        return {"dry_run": options["dry_run"], **asdict(done)}
