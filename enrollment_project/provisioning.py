"""Set up a new organization so that its first learner can be routed at once."""

import re
from dataclasses import dataclass

from django.db import transaction

from accounts.languages import check_language
from accounts.models import Workspace, default_language, default_timezone
from billing.models import Price
from billing.prices import check_chargeable
from core.errors import DomainError, NotFound, invalid_field
from core.local_time import known_zones
from core.money import Money
from core.rows import insert_unless_present
from enrollments.models import Program, ProgramInstance
from enrollments.states import ReviewMode

GENERAL_PROGRAM = "general"
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,49}")


class WorkspaceExists(DomainError):
    code = "workspace_exists"
    title = "A workspace with this slug already exists"


@dataclass(frozen=True, slots=True)
class Provisioned:
    """A workspace with the instance the router enrolls in when a request names none; None if staff removed it."""

    workspace: Workspace
    instance: ProgramInstance | None


@transaction.atomic
def create_workspace(
    *,
    slug: str,
    name: str = "",
    price_minor: int = 4900,
    currency: str = "usd",
    timezone: str = "",
    language: str = "",
) -> Provisioned:
    """Create a workspace with one program, open to everybody and reviewed automatically, at `price_minor` for parents.

    Raise WorkspaceExists if the slug is taken, and Invalid for a slug that is not lower-case letters, digits, and
    dashes; a price or currency that can't be charged; an unknown time zone; or a language the platform does not
    support. `timezone` defaults to DEFAULT_TIMEZONE and `language` to DEFAULT_LANGUAGE.
    """
    code = currency.lower()
    if not _SLUG.fullmatch(slug):
        raise invalid_field("slug", "invalid", "Use up to 50 lower-case letters, digits and dashes, no dash first.")
    check_chargeable(Money(price_minor, code), amount_field="price_minor")
    if timezone and timezone not in known_zones():
        raise invalid_field("timezone", "invalid", "Give a time zone's name, for example America/Chicago.")
    if language:
        check_language(language)
    workspace = Workspace(
        slug=slug,
        name=name.strip() or slug.replace("-", " ").title(),
        timezone=timezone or default_timezone(),
        language=language or default_language(),
    )
    if not insert_unless_present(workspace):
        raise WorkspaceExists(f"The workspace {slug} already exists.")
    program = Program.objects.create(workspace=workspace, code=GENERAL_PROGRAM, title="General enrollment")
    price = Price.objects.create(
        workspace=workspace, name="General enrollment", amount_minor=price_minor, currency=code
    )
    instance = ProgramInstance.objects.create(
        workspace=workspace,
        program=program,
        name="General enrollment",
        review_mode=ReviewMode.AUTOMATIC,
        price=price,
        is_default=True,
    )
    return Provisioned(workspace, instance)


def get_workspace(*, slug: str) -> Provisioned:
    """Return the existing workspace and its default instance. Raise NotFound, naming the existing workspaces."""
    workspace = Workspace.objects.filter(slug=slug).first()
    if workspace is None:
        others = ", ".join(Workspace.objects.order_by("slug").values_list("slug", flat=True)[:10])
        raise NotFound(
            f"There is no workspace {slug}. " + (f"There are: {others}." if others else "There is none yet.")
        )
    default = ProgramInstance.objects.filter(workspace=workspace, is_default=True).select_related("price").first()
    return Provisioned(workspace, default)
