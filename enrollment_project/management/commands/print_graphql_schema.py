from typing import Any

from django.core.management.base import BaseCommand

from enrollment_project.schema import schema


class Command(BaseCommand):
    help = "Print the GraphQL schema, as a gateway or a generator of clients reads it."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(schema.as_str())
