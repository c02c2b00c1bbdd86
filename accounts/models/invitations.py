"""Invitations of staff and guardians, opened by a mailed link."""

import datetime as dt

from django.db import models

from core.addresses import AddressField
from core.clock import utc_now

from ..states import Role
from .guardians import Guardian
from .users import User
from .workspaces import Workspace


class Invitation(models.Model):
    """What a mailed link opens, once, for the reader of its address's mail.

    Only the SHA-256 of the link's secret is stored; sending an invitation again gives it a new link and more time.
    """

    email = AddressField(max_length=254)
    token_digest = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=utc_now, editable=False)
    sent_at = models.DateTimeField(default=utc_now, editable=False)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True, editable=False)
    accepted_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    def is_open(self) -> bool:
        return self.accepted_at is None and self.revoked_at is None

    def state(self, now: dt.datetime) -> str:
        if self.accepted_at:
            return "accepted"
        if self.revoked_at:
            return "revoked"
        return "pending" if now < self.expires_at else "expired"


class StaffInvitation(Invitation):
    """An address that may join a workspace's staff once its owner accepts. Until then it changes nobody's account.

    Invariant: at most one per workspace and address is neither accepted nor revoked.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="staff_invitations")
    role = models.CharField(max_length=10, choices=Role.choices)

    class Meta:
        verbose_name_plural = "staff invited"
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "email"],
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="staff_invitation_one_open",
            ),
            models.CheckConstraint(
                condition=models.Q(accepted_at=None) | models.Q(revoked_at=None),
                name="staff_invitation_ends_once",
            ),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="staff_invitation_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.email} ({self.role})"


class GuardianInvitation(Invitation):
    """An address at which a guardian of the workspace may be reached once the reader of its mail confirms. Until then
    it shows nobody anything.

    Invariant: at most one per guardian is neither accepted nor revoked. `unanswered_at` is when staff were last told
    that it expired.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="guardian_invitations")
    guardian = models.ForeignKey(Guardian, on_delete=models.CASCADE, related_name="invitations")
    unanswered_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name_plural = "guardians invited"
        constraints = [
            models.UniqueConstraint(
                fields=["guardian"],
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="guardian_invitation_one_open",
            ),
            models.CheckConstraint(
                condition=models.Q(accepted_at=None) | models.Q(revoked_at=None),
                name="guardian_invitation_ends_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} (guardian {self.guardian_id})"
