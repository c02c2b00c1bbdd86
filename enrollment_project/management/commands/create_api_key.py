import datetime as dt
from typing import Any

from django.core.management.base import CommandParser

from accounts.api_keys import create_api_key
from accounts.states import Scope
from core.clock import utc_now
from core.commands import UseCaseCommand, number
from enrollment_project.provisioning import get_workspace


class Command(UseCaseCommand):
    help = "Create an API key and print it once; only its hash is kept. Exits with 1 for an unknown workspace or scope."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--workspace", required=True, metavar="SLUG")
        parser.add_argument("--scopes", required=True, help=f"all, or some of: {','.join(Scope.values)}")
        parser.add_argument(
            "--name", default="Command line", help="who uses it, for people who look at the list of keys"
        )
        parser.add_argument("--expires-days", type=number(0.001, 36_500), help="when it ends; never, by default")

    def run(self, **options: Any) -> dict[str, Any]:
        scopes = (
            Scope.values if options["scopes"] == "all" else [scope.strip() for scope in options["scopes"].split(",")]
        )
        days = options["expires_days"]
        now = utc_now()
        workspace = get_workspace(slug=options["workspace"]).workspace
        key, text = create_api_key(
            workspace_id=workspace.pk,
            name=options["name"],
            scopes=[scope for scope in scopes if scope],
            expires_at=None if days is None else now + dt.timedelta(days=days),
            now=now,
        )
        return {
            "id": key.pk,
            "key": text,
            "name": key.name,
            "workspace": workspace.slug,
            "scopes": key.scopes,
            "last_four": key.last_four,
            "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        }

    def show(self, report: dict[str, Any]) -> None:
        super().show(report)
        self.say("[yellow]Keep the key now: it can't be shown again.[/]")
