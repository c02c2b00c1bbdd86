from typing import Any

from django.core.management.base import CommandParser

from accounts.invitation_links import OPEN, AlreadyInvited, renew_invitation
from accounts.invitations import invitation_url, invite_member
from accounts.memberships import AlreadyMember
from accounts.models import StaffInvitation, Workspace
from accounts.states import Role
from core.addresses import canonical_address
from core.clock import utc_now
from core.commands import UseCaseCommand, whole_number
from core.numbers import MAX_INT
from enrollment_project.provisioning import Provisioned, WorkspaceExists, create_workspace, get_workspace


class Command(UseCaseCommand):
    help = (
        "Create a workspace (a tenant) with a program to enroll in and its price, so that learners can be routed at "
        "once. Exits with 1 if the slug is taken, unless --if-missing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("slug", help="lower-case letters, digits and dashes")
        parser.add_argument("--name", default="", help="the name people see; derived from the slug by default")
        parser.add_argument(
            "--price-minor",
            type=whole_number(1, MAX_INT),
            default=4900,
            help="what a parent pays, in the currency's smallest unit: 4900 is 49.00 USD or 4,900 JPY (4900)",
        )
        parser.add_argument("--currency", default="usd", help="three-letter ISO 4217 code (usd)")
        parser.add_argument("--owner", default="", help="invite this address as its owner, and print the link")
        parser.add_argument("--timezone", default="", help="its time zone, such as America/Chicago")
        parser.add_argument("--language", default="", help="the language of mails to families: en, es, or pl")
        parser.add_argument(
            "--if-missing", action="store_true", help="leave an existing workspace and its owner as they are"
        )

    def run(self, **options: Any) -> dict[str, Any]:
        slug = options["slug"]
        try:
            made = create_workspace(
                slug=slug,
                name=options["name"],
                price_minor=options["price_minor"],
                currency=options["currency"],
                timezone=options["timezone"],
                language=options["language"],
            )
        except WorkspaceExists:
            if not options["if_missing"]:
                raise
            there = get_workspace(slug=slug)
            return _report(there, created=False) | _invite_again(there.workspace, options["owner"])
        return _report(made, created=True) | _invite(made.workspace, options["owner"])

    def show(self, report: dict[str, Any]) -> None:
        verb = "[green]Created[/]" if report["created"] else "[yellow]Already there:[/]"
        self.say(f"{verb} workspace [bold]{report['slug']}[/].")
        super().show(report)
        self.say(f"Next: manage.py create_api_key --workspace {report['slug']} --scopes all")


def _invite(workspace: Workspace, owner: str) -> dict[str, Any]:
    """Return the first owner's invitation link for the operator to hand on; this needs no mail server."""
    if not owner:
        return {}
    _, token = invite_member(workspace_id=workspace.pk, email=owner, role=Role.OWNER, invited_by=None, now=utc_now())
    return {"owner_invitation": invitation_url(token)}


def _invite_again(workspace: Workspace, owner: str) -> dict[str, Any]:
    """Return the link again on a second run: members remain, and an open invitation gets a link that can be shown."""
    try:
        return _invite(workspace, owner)
    except AlreadyMember:
        return {"owner_invitation": None}
    except AlreadyInvited:
        address = canonical_address(owner)
        invitation = StaffInvitation.objects.filter(OPEN, workspace=workspace, email=address, role=Role.OWNER).first()
        if invitation is None:  # they are invited with a lesser role, which only owners may change
            raise
        _, token = renew_invitation(StaffInvitation, invitation_id=invitation.pk, now=utc_now())
        return {"owner_invitation": invitation_url(token)}


def _report(made: Provisioned, *, created: bool) -> dict[str, Any]:
    instance = made.instance
    price = instance.price if instance else None
    return {
        "id": made.workspace.pk,
        "slug": made.workspace.slug,
        "name": made.workspace.name,
        "timezone": made.workspace.timezone,
        "language": made.workspace.language,
        "created": created,
        "program_instance_id": instance.cuid if instance else None,
        "course_id": instance.pk if instance else None,
        "price_minor": price.amount_minor if price else None,
        "currency": price.currency if price else None,
    }
