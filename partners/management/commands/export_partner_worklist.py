import csv
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from partners.models import Provider
from partners.worklist import list_work


class Command(BaseCommand):
    help = (
        "Print the worklist of a partner without an API as CSV: the learners it should enroll and "
        "those who learn there. Its empty columns are for the results, which import_partner_results "
        "reads. The file contains names."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("partner", metavar="SLUG", help="the partner")

    def handle(self, *args: Any, **options: Any) -> None:
        provider = Provider.objects.filter(slug=options["partner"]).first()
        if provider is None:
            raise CommandError(f"There is no partner {options['partner']}.")
        csv.writer(self.stdout).writerows(list_work(provider))
