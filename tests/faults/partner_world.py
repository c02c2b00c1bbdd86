"""Partners whose systems the sandbox plays, and learners on their way through them, for tests that inject faults."""

import datetime as dt
import json
from collections import Counter
from dataclasses import dataclass, field

from standardwebhooks.webhooks import Webhook

from core.clock import utc_now
from core.signing import new_signing_secret
from enrollments.models import Enrollment, ProgramInstance
from enrollments.tests.factories import InstanceFactory
from notifications.models import Notification
from partners.ending import end_at_provider
from partners.enrolling import enroll_at_provider
from partners.inbox import handle_due_events
from partners.models import Certificate, EnrollmentStep, Provider
from partners.polling import poll_provider
from partners.sequences import GroupDraft, ItemDraft
from partners.states import GroupRule
from partners.tests.factories import ProviderFactory, approved, define
from sandbox.testing import SandboxProcess

# Each round finds what the previous one postponed: a lease, a pause, the hours after which a partner is asked.
ROUND = dt.timedelta(hours=25)
SECRET = new_signing_secret()


@dataclass
class World:
    """A program that goes through `partners` partners in order; one of them may lack idempotency."""

    lms: SandboxProcess
    partners: int = 2
    honors_keys: bool = True
    now: dt.datetime = field(default_factory=utc_now)
    instance: ProgramInstance = field(init=False)
    providers: list[Provider] = field(init=False)

    def __post_init__(self) -> None:
        self.lms.reset()
        self.instance = InstanceFactory(price=None)
        self.providers = [self._partner(number) for number in range(1, self.partners + 1)]
        items = tuple(ItemDraft(each.slug, f"course-{each.slug}") for each in self.providers)
        define(self.instance, GroupDraft(items, GroupRule.ALL_IN_ORDER))

    def _partner(self, number: int) -> Provider:
        slug = f"partner-{number}"
        self.lms.partner(slug, api_key="key", honors_keys=self.honors_keys)
        made: Provider = ProviderFactory(
            workspace=self.instance.workspace,
            slug=slug,
            base_url=f"{self.lms.url}/lms/{slug}",
            api_key="key",
            webhook_secret=SECRET,
        )
        return made

    def learner(self) -> Enrollment:
        return approved(self.instance)

    def take_courses(self) -> None:
        """Let everybody who was accepted finish; the partners tell nobody."""
        taught = EnrollmentStep.objects.filter(status="in_progress")
        for url in taught.order_by("pk").values_list("launch_url", flat=True):
            self.lms.take_course(url)

    def go_on(self) -> None:
        """Let time pass."""
        self.now += ROUND

    def run_sweeps(self) -> None:
        """Run the schedule's sweeps, a day later each time. A round requests the next one while there is more to do."""
        self.go_on()
        handle_due_events(now=self.now)
        for provider in self.providers:
            for go_round in (enroll_at_provider, poll_provider, end_at_provider):
                while go_round(provider_id=provider.pk, now=self.now):
                    pass

    def bring_to_the_end(self) -> None:
        """Take courses and run the sweeps until every learner is through, which takes a round or two per partner."""
        for _ in range(3 * self.partners):
            self.run_sweeps()
            self.take_courses()
        self.run_sweeps()

    def check_books(self) -> None:
        """Check that a partner taught each learner that we sent there, once, and knows each by our id."""
        ours = [
            (step.provider.slug, step.cuid, step.external_enrollment_id)
            for step in EnrollmentStep.objects.filter(asked_at__isnull=False).select_related("provider")
        ]
        theirs = [(slug, each["reference"], each["id"]) for slug in self._slugs() for each in self.books(slug)]
        assert sorted(set(theirs) ^ set(ours), key=str) == []
        assert len(theirs) == len(ours)

    def check_end(self) -> None:
        """Check that everybody has completed all steps, has one certificate, and got one mail about it."""
        enrollments = Enrollment.objects.count()
        reached = Counter(EnrollmentStep.objects.values_list("status", flat=True))
        assert set(reached) == {"completed"}, reached
        assert EnrollmentStep.objects.count() == enrollments * self.partners
        assert set(Enrollment.objects.values_list("participation_status", flat=True)) == {"completed"}
        assert Certificate.objects.live().values("enrollment").distinct().count() == enrollments
        assert Certificate.objects.count() == enrollments
        assert Notification.objects.filter(kind="certificate_issued").count() == enrollments

    def books(self, slug: str) -> list[dict[str, object]]:
        found: list[dict[str, object]] = self.lms.partner(slug)["enrollments"]
        return found

    def _slugs(self) -> list[str]:
        return [provider.slug for provider in self.providers]


def message(event: str, external_id: str, *, message_id: str, **data: object) -> tuple[bytes, dict[str, str]]:
    """Return a signed message as a partner posts it to our webhook."""
    now = utc_now()
    raw = json.dumps({"event": event, "data": {"enrollmentId": external_id, **data}})
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(message_id, now, raw),
    }
    return raw.encode(), headers
