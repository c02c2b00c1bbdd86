"""What staff may do and where: one table from role to power, and the check that every admin page makes."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models.functions import Now

from .models import Membership, User, Workspace
from .states import Role

M = TypeVar("M", bound=models.Model)


class Power(StrEnum):
    """A kind of action in the back office of one workspace."""

    VIEW = "view"  # see everything of the workspace, except keys
    ASSIST = "assist"  # complete staff tasks, resend a mail, ask Stripe again
    DECIDE = "decide"  # decide enrollments, keep classes and partner steps going
    MONEY = "money"  # prices, refunds, payments, invoices, sellers
    MANAGE = "manage"  # programs, districts, people's contact data, replays
    GOVERN = "govern"  # the workspace itself, its members and API keys
    OPERATE = "operate"  # the platform as a whole; no role has it, a superuser does


POWERS: Mapping[Role, frozenset[Power]] = {
    Role.VIEWER: frozenset({Power.VIEW}),
    Role.REVIEWER: frozenset({Power.VIEW, Power.ASSIST, Power.DECIDE}),
    Role.FINANCE: frozenset({Power.VIEW, Power.ASSIST, Power.MONEY}),
    Role.ADMIN: frozenset({Power.VIEW, Power.ASSIST, Power.DECIDE, Power.MONEY, Power.MANAGE}),
    Role.OWNER: frozenset({Power.VIEW, Power.ASSIST, Power.DECIDE, Power.MONEY, Power.MANAGE, Power.GOVERN}),
}


def list_roles_from(least: Role) -> list[Role]:
    """Return a role and those that have all its powers, the least powerful first."""
    return [role for role in POWERS if POWERS[role] >= POWERS[least]]


@dataclass(frozen=True, slots=True)
class StaffAccess:
    """What one person may do in which workspaces; a superuser may do everything everywhere."""

    everywhere: bool
    powers: Mapping[int, frozenset[Power]]
    zones: frozenset[str] = frozenset()  # those of their workspaces

    def may(self, power: Power, workspace_id: int | None) -> bool:
        """Return whether the person has this power in that workspace (None: on the platform, as only superusers do)."""
        return self.everywhere or (workspace_id is not None and power in self.powers.get(workspace_id, ()))

    def may_anywhere(self, power: Power) -> bool:
        return self.everywhere or any(power in held for held in self.powers.values())

    def workspace_ids(self, power: Power) -> list[int]:
        """Return where a membership grants the power. Don't call it for a superuser, who needs no membership."""
        return [workspace_id for workspace_id, held in self.powers.items() if power in held]

    @property
    def zone(self) -> str:
        """Return the zone of their lists: their workspaces' zone, or the platform's if those differ."""
        return next(iter(self.zones)) if len(self.zones) == 1 else str(settings.DEFAULT_WORKSPACE_TIMEZONE)

    def limit(self, rows: models.QuerySet[M], *, path: str, power: Power) -> models.QuerySet[M]:
        """Return the rows whose workspace, found along `path`, is one where the person has the power."""
        if self.everywhere:
            return rows
        return rows.filter(**{f"{path}__in": self.workspace_ids(power)})


NOBODY = StaffAccess(everywhere=False, powers={})


def get_staff_access(user: Any, *, has_second_factor: bool = True) -> StaffAccess:
    """Return the access of a signed-in user; visitors, former staff, and people who are not staff have none. Without a
    second factor, workspaces that require one are left out."""
    if isinstance(user, AnonymousUser) or not (user.is_active and user.is_staff):
        return NOBODY
    if user.is_superuser:
        is_enough = has_second_factor or not settings.SUPERUSERS_NEED_SECOND_FACTOR
        return StaffAccess(everywhere=True, powers={}) if is_enough else NOBODY
    return _by_membership(user, has_second_factor=has_second_factor)


def is_kept_out_without_second_factor(user: User) -> bool:
    """Return whether a workspace of theirs stays closed until they set up a second factor."""
    if user.is_superuser:
        return bool(settings.SUPERUSERS_NEED_SECOND_FACTOR)
    return Membership.objects.filter(user_id=user.pk, workspace__second_factor_from__lte=Now()).exists()


def workspaces_asking_for_second_factor(user: User) -> list[Workspace]:
    """Return their workspaces that require one, now or from a future day."""
    asking = Workspace.objects.filter(memberships__user=user.pk, second_factor_from__isnull=False)
    return list(asking.order_by("second_factor_from", "pk"))


def _by_membership(user: User, *, has_second_factor: bool) -> StaffAccess:
    memberships = Membership.objects.filter(user_id=user.pk)
    if not has_second_factor:
        memberships = memberships.exclude(workspace__second_factor_from__lte=Now())
    rows = list(memberships.values_list("workspace_id", "role", "workspace__timezone"))
    return StaffAccess(
        everywhere=False,
        powers={workspace: POWERS[Role(role)] for workspace, role, _ in rows},
        zones=frozenset(zone for _, _, zone in rows),
    )
