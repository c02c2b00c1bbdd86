"""A workspace of its own with a partner whose texts have their maximum length, and the pages about it."""

from django.db.models import Model
from standardwebhooks.webhooks import Webhook

from accounts.states import Role
from accounts.tests.factories import MembershipFactory, StaffFactory, WorkspaceFactory
from core.clock import utc_now
from core.signing import new_signing_secret
from enrollments.tests.factories import ProgramFactory
from partners.inbox import receive_event
from partners.models import Nudge, Provider
from partners.nudges.links import stop_url
from partners.providers import change_provider
from partners.sequences import GroupDraft, ItemDraft, define_sequence
from partners.tests.factories import STAFF, ProviderFactory

PASSWORD = "partners-in-learning"
LONG = "Nordwestdeutsche-Weiterbildungsgesellschaft "


def longest(model: type[Model], column: str) -> str:
    limit = getattr(model._meta.get_field(column), "max_length", 0)
    return (LONG * limit)[:limit].strip()


def build() -> dict[str, str]:
    """Create them; return who signs in, and the addresses of the pages."""
    workspace = WorkspaceFactory(slug="riverside", name="Riverside College")
    provider = ProviderFactory(
        workspace=workspace, slug="w" * 50, name=longest(Provider, "name"), webhook_secret=new_signing_secret()
    )
    long_path = ".".join(["a" * 39] * 5)
    change_provider(provider_id=provider.pk, field_map={"answer": {"launchUrl": long_path}}, now=utc_now())
    say(provider, b'{"' + b"t" * 60 + b'": {"' + b"u" * 60 + b'": 1}}')
    program = ProgramFactory(workspace=workspace, title=LONG * 3)
    course = GroupDraft((ItemDraft(provider.slug, "c" * 255),), name="g" * 100)
    define_sequence(program_id=program.pk, groups=[course], actor=STAFF, now=utc_now())
    nudge = Nudge.objects.create(workspace=workspace, provider=provider, recipient=f"{'c' * 60}@partner.test")
    owner = StaffFactory(email="owner@riverside.test")
    owner.set_password(PASSWORD)
    owner.save()
    MembershipFactory(workspace=workspace, user=owner, role=Role.OWNER)
    return {
        "staff": owner.email,
        "password": PASSWORD,
        "field map": f"/admin/partners/provider/{provider.pk}/field-map/",
        "partner": f"/admin/partners/provider/{provider.pk}/change/",
        "sequence": f"/admin/partners/partnersequence/editor/?program={program.pk}",
        "nudge": stop_url(nudge),
    }


def say(provider: Provider, raw: bytes) -> None:
    """Let the partner send a message that its map does not fit."""
    now = utc_now()
    signature = Webhook(provider.webhook_secret).sign("msg-1", now, raw.decode())
    headers = {"webhook-id": "msg-1", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    receive_event(slug=provider.slug, raw=raw, headers=headers, now=now)
