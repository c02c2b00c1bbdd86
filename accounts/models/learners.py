"""Learners, how each is told apart from the others, merged learners, and leads."""

import hashlib

from django.db import models

from core.addresses import AddressField, canonical_address
from core.clock import utc_now
from core.ids import new_cuid
from core.names import fold_name, fold_reference

from .users import User
from .workspaces import Workspace


def identity_by_external_id(external_id: str) -> str:
    """Return the identity of a learner whom the workspace's own system names."""
    return f"ext:{external_id}"


def person_key(email: str, first_name: str, last_name: str) -> str:
    """Return who a learner is as far as email and name tell; siblings who share a parent's address stay two people."""
    joined = "\x1f".join((canonical_address(email), fold_name(first_name), fold_name(last_name)))
    return hashlib.sha256(joined.encode()).hexdigest()


def external_key(external_id: str | None) -> str | None:
    """Return the external id in the form that matches other spellings of the same id."""
    return fold_reference(external_id or "")[:150] or None


def identity_by_person(person: str) -> str:
    """Return the identity of a learner known by email and name only."""
    return f"who:{person}"


def identity_of_twin(cuid: str) -> str:
    """Return the identity of a learner who shares email and names with another, until staff say if they are one."""
    return f"{_TWIN}{cuid}"


def identity_of_merged(cuid: str) -> str:
    """Return the identity of a learner that was merged into another: one that no request can name."""
    return f"merged:{cuid}"


_TWIN = "twin:"


class LearnerQuerySet(models.QuerySet["Learner"]):
    def live(self) -> "LearnerQuerySet":
        """Select the learners that are neither merged nor erased."""
        return self.filter(merged_into__isnull=True, erased_at__isnull=True)

    def known_as(self, cuid: str) -> "LearnerQuerySet":
        """Return the live learner with this CUID, or the one it was merged into."""
        return self.live().filter(models.Q(cuid=cuid) | models.Q(merged__cuid=cuid)).distinct()


class Learner(models.Model):
    """A person who takes part in programs: the documents' learner, student, and customer.

    Invariant: `identity` is unique in the workspace. It is the external id if the workspace's system gave one, else
    `person` (a hash of email and names), so two concurrent requests about one new learner create one row.

    A learner that turned out to be another one is kept as a tombstone: `merged_into` names the live one, its names and
    ids lead there, and nothing else belongs to it.

    A learner who was erased (`erased_at`) no longer identifies anybody: their rows stay, because they were counted and
    paid for.
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
    address = models.JSONField(default=dict, blank=True, db_default={})  # {} where none is known
    grade_level = models.CharField(max_length=50, blank=True)
    school = models.CharField(max_length=200, blank=True)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="learners")
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, editable=False, on_delete=models.PROTECT, related_name="merged"
    )
    erased_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    objects = LearnerQuerySet.as_manager()

    class Meta:
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
        """Set `person`, `external_key`, and `identity` from the fields they derive from."""
        if self.erased_at is not None:
            return
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
    """The merge of two learners: which one stayed, what moved to it, who decided, and why.

    Invariant: a learner is dropped at most once. The rows never change.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="learner_merges")
    kept = models.ForeignKey(Learner, on_delete=models.PROTECT, related_name="+")
    dropped = models.OneToOneField(Learner, on_delete=models.PROTECT, related_name="merge")
    reason = models.CharField(max_length=300)
    moved = models.JSONField()  # kind of row -> the ids of the rows
    actor = models.CharField(max_length=64)
    merged_at = models.DateTimeField()

    class Meta:
        verbose_name = "merged learner"
        constraints = [
            models.CheckConstraint(condition=~models.Q(kept=models.F("dropped")), name="learner_merge_of_two"),
        ]

    def __str__(self) -> str:
        return f"Learner {self.dropped_id} into {self.kept_id}"


class Lead(models.Model):
    """Everything known about a prospect, who becomes a learner with the first approved enrollment."""

    cuid = models.CharField(max_length=32, unique=True, default=new_cuid, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="leads")
    first_name = models.CharField(max_length=150, blank=True)
    last_name = models.CharField(max_length=150, blank=True)
    email = AddressField(max_length=254, blank=True)
    phone = models.CharField(max_length=32, blank=True)
    address = models.JSONField(default=dict, blank=True, db_default={})  # {} where none is known
    converted_to = models.ForeignKey(Learner, null=True, blank=True, on_delete=models.SET_NULL, related_name="leads")
    created_at = models.DateTimeField(default=utc_now, editable=False)

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.email or self.cuid
