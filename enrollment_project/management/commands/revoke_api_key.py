from typing import Any

from django.core.management.base import CommandParser

from accounts.api_keys import get_api_key, revoke_api_key
from core.commands import UseCaseCommand


class Command(UseCaseCommand):
    help = "End an API key for good, at once. Revoking it again changes nothing. Exits with 1 if there is no such key."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("key", help="its id, or the public start of it (ek_ and 8 characters)")

    def run(self, **options: Any) -> dict[str, Any]:
        key = revoke_api_key(api_key_id=get_api_key(reference=options["key"]).pk)
        assert key.revoked_at is not None, "the key shows when it was revoked"
        return {"id": key.pk, "name": key.name, "prefix": key.prefix, "revoked_at": key.revoked_at.isoformat()}
