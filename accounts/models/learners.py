"""The tenant, its people and its keys. Everything above these rows belongs to exactly one workspace."""

import datetime as dt
import hashlib
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.validators import RegexValidator
from django.db import models

from core.addresses import AddressField, canonical_address
from core.clock import utc_now
from core.ids import new_cuid
from core.local_time import validate_timezone
from core.names import fold_name, fold_reference

from ..states import POSSIBLE_TWINS, Role, TaskStatus


def default_timezone() -> str:
    """The zone of a new workspace that names none."""
    return str(settings.DEFAULT_WORKSPACE_TIMEZONE)


class Workspace(models.Model):
    """An organization running enrollment: the tenant."""

    slug = models.SlugField(max_length=50, unique=True, validators=[RegexValidator(r"^[a-z0-9][a-z0-9-]*$")])
    name = models.CharField(max_length=200)
    timezone = models.CharField(
        "time zone",
        max_length=64,
        default=default_timezone,
        db_default="UTC",
        validators=[validate_timezone],
        help_text="Where its days begin and end: for dates without a zone of their own, and for invoices.",
    )
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.name


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
    """Somebody who signs in, by email. Staff see the workspaces they are members of; a superuser sees all."""

    email = AddressField(max_length=254, unique=True)
    first_name = models.CharField(max_length=150, blank=True)
    last_name = models.CharField(max_length=150, blank=True)
    is_staff = models.BooleanField(default=False, help_text="May sign in to the back office.")
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=utc_now, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ["email"]

    def __str__(self) -> str:
        return str(self.email)

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
        constraints = [
            models.UniqueConstraint(fields=["workspace", "user"], name="membership_one_per_workspace_and_user"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


def identity_by_external_id(external_id: str) -> str:
    """The identity of a learner that the workspace's own system names."""
    return f"ext:{external_id}"


def person_key(email: str, first_name: str, last_name: str) -> str:
    """Who a learner is as far as email and name tell; siblings who share a parent's address stay two people."""
    joined = "\x1f".join((canonical_address(email), fold_name(first_name), fold_name(last_name)))
    return hashlib.sha256(joined.encode()).hexdigest()


def external_key(external_id: str | None) -> str | None:
    """The external id as it is compared with others that may be the same one, written otherwise."""
    return fold_reference(external_id or "")[:150] or None


def identity_by_person(person: str) -> str:
    """The identity of a learner known by email and name only."""
    return f"who:{person}"


def identity_of_twin(cuid: str) -> str:
    """The identity of a learner whose email and names are another's too, until staff say whether they are one."""
    return f"{_TWIN}{cuid}"


def identity_of_merged(cuid: str) -> str:
    """The identity of a learner that was merged into another: one that no request can name."""
    return f"merged:{cuid}"


_TWIN = "twin:"


class LearnerQuerySet(models.QuerySet["Learner"]):
    def live(self) -> "LearnerQuerySet":
        """The learners there are, without those that were merged into one of them."""
        return self.filter(merged_into__isnull=True)

    def known_as(self, cuid: str) -> "LearnerQuerySet":
        """The live learner with this CUID, or the one that the learner with it was merged into."""
        return self.live().filter(models.Q(cuid=cuid) | models.Q(merged__cuid=cuid)).distinct()


class Learner(models.Model):
    """A person who learns: the documents' learner, student and customer.

    Invariant: `identity` is unique in the workspace. It is the external id where the workspace's system gave one, else
    `person` (a hash of email and names), so two concurrent requests about one new learner make one row.

    A learner that turned out to be another one is kept as a tombstone: `merged_into` names the live one, its names and
    ids lead there, and nothing else belongs to it.
    """

    cuid = models.CharField(max_length=32, unique=True, default=new_cuid, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="learners")
    identity = models.CharField(max_length=160, editable=False)
    person = models.CharField(max_length=64, editable=False)
    external_id = models.CharField(max_length=150, null=True, blank=True)
    external_key = models.CharField(max_length=150, null=True, editable=False)
    first_name = models.CharField(max_length=150)
    last_name = models.CharField(max_length=150)
    email = AddressField(max_length=254)
    phone = models.CharField(max_length=32, blank=True)
    grade_level = models.CharField(max_length=50, blank=True)
    school = models.CharField(max_length=200, blank=True)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="learners")
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, editable=False, on_delete=models.PROTECT, related_name="merged"
    )
    created_at = models.DateTimeField(default=utc_now, editable=False)

    objects = LearnerQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "identity"], name="learner_identity_unique"),
            models.UniqueConstraint(fields=["workspace", "external_id"], name="learner_external_id_unique"),
            models.CheckConstraint(
                condition=models.Q(merged_into__isnull=True) | ~models.Q(merged_into=models.F("id")),
                name="learner_not_merged_into_itself",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "email"], name="learner_by_email"),
            models.Index(fields=["workspace", "person"], name="learner_by_person"),
            models.Index(
                fields=["workspace", "external_key"],
                condition=models.Q(external_key__isnull=False),
                name="learner_by_external_key",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.cuid

    def save(self, *args: object, **kwargs: object) -> None:
        self.derive_identity()
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    def derive_identity(self) -> None:
        """Set `person`, `external_key` and `identity` from the fields they stand for."""
        self.external_id = self.external_id or None
        self.external_key = external_key(self.external_id)
        self.person = person_key(self.email, self.first_name, self.last_name)
        if self.merged_into_id is not None:
            self.identity = identity_of_merged(self.cuid)
        elif self.external_id:
            self.identity = identity_by_external_id(self.external_id)
        elif not self.identity.startswith(_TWIN):
            self.identity = identity_by_person(self.person)


class LearnerMerge(models.Model):
    """That two learners turned out to be one: which one stayed, what moved to it, who said so and why.

    Invariant: a learner is dropped at most once. The rows are never changed.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="learner_merges")
    kept = models.ForeignKey(Learner, on_delete=models.PROTECT, related_name="+")
    dropped = models.OneToOneField(Learner, on_delete=models.PROTECT, related_name="merge")
    reason = models.CharField(max_length=300)
    moved = models.JSONField()  # what it was called -> the ids of the rows
    actor = models.CharField(max_length=64)
    merged_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~models.Q(kept=models.F("dropped")), name="learner_merge_of_two"),
        ]

    def __str__(self) -> str:
        return f"Learner {self.dropped_id} into {self.kept_id}"


class Lead(models.Model):
    """Whatever is known of a prospect; becomes a learner with the first approved enrollment."""

    cuid = models.CharField(max_length=32, unique=True, default=new_cuid, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="leads")
    first_name = models.CharField(max_length=150, blank=True)
    last_name = models.CharField(max_length=150, blank=True)
    email = AddressField(max_length=254, blank=True)
    phone = models.CharField(max_length=32, blank=True)
    converted_to = models.ForeignKey(Learner, null=True, blank=True, on_delete=models.SET_NULL, related_name="leads")
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.email or self.cuid


class Guardian(models.Model):
    """A parent or guardian: follows the enrollments of their learners, and acts for them.

    Known by `external_id` (the router document's guardian_id), by email, or by both; each is unique in its workspace.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="guardians")
    external_id = models.CharField(max_length=150, null=True, blank=True)
    email = AddressField(max_length=254, null=True, blank=True)
    first_name = models.CharField(max_length=150, blank=True)
    last_name = models.CharField(max_length=150, blank=True)
    learners = models.ManyToManyField(Learner, through="Guardianship", related_name="guardians")
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "external_id"], name="guardian_external_id_unique"),
            models.UniqueConstraint(fields=["workspace", "email"], name="guardian_email_unique"),
            models.CheckConstraint(
                condition=models.Q(external_id__isnull=False) | models.Q(email__isnull=False),
                name="guardian_known_by_something",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.external_id or self.email or "guardian"


class Guardianship(models.Model):
    """Which guardian answers for which learner."""

    guardian = models.ForeignKey(Guardian, on_delete=models.CASCADE, related_name="guardianships")
    learner = models.ForeignKey(Learner, on_delete=models.CASCADE, related_name="guardianships")
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["guardian", "learner"], name="guardianship_unique")]

    def __str__(self) -> str:
        return f"{self.guardian_id} for {self.learner_id}"


class ApiKey(models.Model):
    """An integrator's key to one workspace. Only its SHA-256 is stored; the text is shown once, when it is made.

    A rotated key stays usable until `expires_at` while its `replaced_by` already works.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=11, editable=False)  # the public start of the key, safe to show and to log
    digest = models.CharField(max_length=64, unique=True, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(default=utc_now, editable=False)
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    replaced_by = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="replaces", editable=False
    )

    class Meta:
        ordering = ["-id"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…{self.last_four})"

    def is_usable(self, now: dt.datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class StaffTask(models.Model):
    """Something only a person can decide: a payment that does not fit, a refund that failed, a dispute.

    Invariant: one open task per kind and subject; raising it again changes nothing.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="staff_tasks")
    kind = models.CharField(max_length=50)
    subject = models.CharField(max_length=64)  # e.g. "payment:12"
    summary = models.CharField(max_length=300)
    status = models.CharField(max_length=4, choices=TaskStatus.choices, default=TaskStatus.OPEN)
    created_at = models.DateTimeField(default=utc_now, editable=False)
    done_at = models.DateTimeField(null=True, blank=True, editable=False)
    done_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    resolution = models.TextField(blank=True)

    class Meta:
        ordering = ["status", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"],
                condition=models.Q(status=TaskStatus.OPEN),
                name="staff_task_one_open_per_subject",
            ),
            # Staff are asked once whether two learners are one person, whatever they answered.
            models.UniqueConstraint(
                fields=["subject"], condition=models.Q(kind=POSSIBLE_TWINS), name="staff_task_one_per_pair_of_twins"
            ),
            models.CheckConstraint(condition=models.Q(status__in=TaskStatus.values), name="staff_task_status_known"),
        ]

    def __str__(self) -> str:
        return self.summary


class Invitation(models.Model):
    """What a mailed link opens, once, for whoever reads the mail of its address.

    Only the SHA-256 of the link's secret is kept; an invitation that is sent again has a new link and more time.
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
    """An address that may join the staff of a workspace, once whoever reads its mail accepts. Until then it changes
    nothing for anybody's account.

    Invariant: one that is neither accepted nor revoked per workspace and address.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="staff_invitations")
    role = models.CharField(max_length=10, choices=Role.choices)

    class Meta:
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
    """An address that a guardian of the workspace may be reached by, once whoever reads its mail says so. Until then
    it shows nobody anything.

    Invariant: one that is neither accepted nor revoked per guardian. `unanswered_at` is when staff were last told that
    it ran out.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="guardian_invitations")
    guardian = models.ForeignKey(Guardian, on_delete=models.CASCADE, related_name="invitations")
    unanswered_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
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
