"""The powers of `roles.py` under the names of Django's permissions: `user.has_perm("accounts.money", workspace)`.

Nothing is assigned, and no table is read except `Membership`: Django's answer is the back office's answer.
"""

from typing import Any

from django.contrib.auth.backends import BaseBackend

from .models import Workspace
from .roles import Power, get_staff_access


def permission_of(power: Power) -> str:
    return f"accounts.{power}"


_NAMES = frozenset(map(permission_of, Power))


class RolePermissions(BaseBackend):
    """Answers for one workspace. Without one, it answers for the platform as a whole, where no role grants anything."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        return perm in _NAMES and perm in self.get_all_permissions(user_obj, obj)

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        if not (obj is None or isinstance(obj, Workspace)):
            return set()
        access = get_staff_access(user_obj)
        return {permission_of(power) for power in Power if access.may(power, obj.pk if obj is not None else None)}
