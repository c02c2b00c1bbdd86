from typing import Any

from django.core.management.base import CommandParser

from billing.checkout import check_due_checkouts
from billing.models import Checkout
from cohorts.models import CohortPlace
from cohorts.sale.waitlist import expire_due_offers
from core.clock import utc_now
from core.commands import UseCaseCommand, whole_number
from core.numbers import MAX_INT


class Command(UseCaseCommand):
    help = (
        "Release the holds that nobody will pay for: asks Stripe about due checkouts, and ends "
        "waiting list offers that have run out, as the scheduler does all the time. Nothing is "
        "released without Stripe's answer."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--limit", type=whole_number(1, MAX_INT), default=1000, help="how many of each at most (1000)"
        )
        parser.add_argument("--dry-run", action="store_true", help="count what is due and change nothing")

    def run(self, **options: Any) -> dict[str, Any]:
        now = utc_now()
        if not options["dry_run"]:
            asked = check_due_checkouts(limit=options["limit"], now=now)
            ended = expire_due_offers(limit=options["limit"], now=now)
        else:
            asked = ended = 0
        due = Checkout.objects.due(now=now).count()
        offers = CohortPlace.objects.due_offers(now=now).count()
        return {"checkouts_asked_about": asked, "offers_ended": ended, "checkouts_due": due, "offers_due": offers}

    def show(self, report: dict[str, Any]) -> None:
        self.say(
            f"Asked Stripe about {report['checkouts_asked_about']:,} checkouts, ended {report['offers_ended']:,} "
            f"offers; {report['checkouts_due']:,} and {report['offers_due']:,} are due."
        )
