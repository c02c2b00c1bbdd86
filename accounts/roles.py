"""What staff may do and where: one table from role to power, and the question every admin page asks."""

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
    """A kind of thing to do in the back office of one workspace."""

    VIEW = "view"  # see everything of the workspace, keys apart
    ASSIST = "assist"  # complete staff tasks, send a mail again, ask Stripe again
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
    """A role and those that hold everything it holds, the least first."""
    return [role for role in POWERS if POWERS[role] >= POWERS[least]]


@dataclass(frozen=True, slots=True)
class StaffAccess:
    """What one person may do in which workspaces; a superuser may do everything everywhere."""

    everywhere: bool
    powers: Mapping[int, frozenset[Power]]
    zones: frozenset[str] = frozenset()  # of those workspaces

    def may(self, power: Power, workspace_id: int | None) -> bool:
        """Whether this power is held in that workspace (None: in the platform, which only superusers have)."""
        return self.everywhere or (workspace_id is not None and power in self.powers.get(workspace_id, ()))

    def may_anywhere(self, power: Power) -> bool:
        return self.everywhere or any(power in held for held in self.powers.values())

    def workspace_ids(self, power: Power) -> list[int]:
        """Where the power is held by membership. Not to be asked of a superuser, who needs no membership."""
        return [workspace_id for workspace_id, held in self.powers.items() if power in held]

    @property
    def zone(self) -> str:
        """The zone their lists are written in: that of their workspaces, the platform's if those differ."""
        return next(iter(self.zones)) if len(self.zones) == 1 else str(settings.DEFAULT_WORKSPACE_TIMEZONE)

    def limit(self, rows: models.QuerySet[M], *, path: str, power: Power) -> models.QuerySet[M]:
        """The rows whose workspace, found along `path`, is one where the power is held."""
        if self.everywhere:
            return rows
        return rows.filter(**{f"{path}__in": self.workspace_ids(power)})


NOBODY = StaffAccess(everywhere=False, powers={})


def get_staff_access(user: Any, *, has_second_factor: bool = True) -> StaffAccess:
    """The access of a signed-in user; nobody's for visitors, people who left and those who are not staff. Without a
    second factor, workspaces that ask for one are left out."""
    if isinstance(user, AnonymousUser) or not (user.is_active and user.is_staff):
        return NOBODY
    if user.is_superuser:
        is_enough = has_second_factor or not settings.SUPERUSERS_NEED_SECOND_FACTOR
        return StaffAccess(everywhere=True, powers={}) if is_enough else NOBODY
    return _by_membership(user, has_second_factor=has_second_factor)


def is_kept_out_without_second_factor(user: User) -> bool:
    """Whether something of theirs stays closed until they set one up."""
    if user.is_superuser:
        return bool(settings.SUPERUSERS_NEED_SECOND_FACTOR)
    return Membership.objects.filter(user_id=user.pk, workspace__second_factor_from__lte=Now()).exists()


def workspaces_asking_for_second_factor(user: User) -> list[Workspace]:
    """Those of theirs that ask for one, by now or from a day to come."""
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
