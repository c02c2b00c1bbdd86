"""People who sign in, and staff roles in a workspace."""

from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models

from core.addresses import AddressField, canonical_address
from core.clock import utc_now

from ..states import Role
from .workspaces import Workspace


class UserManager(BaseUserManager["User"]):
    use_in_migrations = True

    def create_user(self, email: str, password: str | None = None, **fields: object) -> "User":
        user = self.model(email=canonical_address(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: object) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=username or "")


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in, by email. Staff see the workspaces they are members of; a superuser sees all."""

    email = AddressField(max_length=254, unique=True)
    first_name = models.CharField(max_length=150, blank=True)
    last_name = models.CharField(max_length=150, blank=True)
    # The language a family has chosen, if any.
    language = models.CharField(max_length=5, choices=settings.LANGUAGES, blank=True, default="", db_default="")
    is_staff = models.BooleanField(default=False, help_text="May sign in to the back office.")
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=utc_now, editable=False)
    # A session belongs to the epoch in which it was opened: increasing the epoch signs the person out everywhere.
    session_epoch = models.IntegerField(default=0, db_default=0, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = "account"

    def __str__(self) -> str:
        return str(self.email)

    def _get_session_auth_hash(self, secret: str | bytes | None = None) -> str:
        """Return what Django compares a session with on each request; in the first epoch it is Django's own value."""
        of_password = str(super()._get_session_auth_hash(secret=secret))  # type: ignore[misc]  # not in the stubs
        return f"{of_password}.{self.session_epoch}" if self.session_epoch else of_password

    def get_full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    def get_short_name(self) -> str:
        return self.first_name or self.email


class Membership(models.Model):
    """A staff member's role in one workspace."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        verbose_name = "staff member"
        verbose_name_plural = "staff"
        constraints = [
            models.UniqueConstraint(fields=["workspace", "user"], name="membership_one_per_workspace_and_user"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"
