from typing import Any

from django.core.management.base import CommandParser

from accounts.api_keys import get_api_key, revoke_api_key
from core.clock import utc_now
from core.commands import UseCaseCommand
from core.errors import require


class Command(UseCaseCommand):
    help = (
        "Revoke an API key permanently and at once. Revoking it again changes nothing. Exits with "
        "1 if there is no such key."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("key", help="its id, or the public start of it (ek_ and 8 characters)")

    def run(self, **options: Any) -> dict[str, Any]:
        key = revoke_api_key(api_key_id=get_api_key(reference=options["key"]).pk, now=utc_now())
        revoked_at = require(key.revoked_at, "a revoked key says since when")
        return {"id": key.pk, "name": key.name, "prefix": key.prefix, "revoked_at": revoked_at.isoformat()}
