from django.db import models

from accounts.models import Workspace
from billing.models import Price
from core.clock import utc_now
from core.ids import new_cuid
from core.local_time import validate_date

from ..states import ReviewMode


class Program(models.Model):
    """The general offering; learners enroll in one of its instances."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="programs")
    code = models.CharField(max_length=50)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    provider = models.CharField(
        "taught by",
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text="Who teaches it, as families know them. Empty: the workspace.",
    )
    audience = models.CharField(
        "for whom",
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text="The ages or grades it is for: Ages 8 to 11, grades 3 to 5.",
    )
    listed = models.BooleanField(
        default=False,
        help_text="Show it in the public catalog, where its code must be unlike any other's.",
    )
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "code"], name="program_code_unique"),
            models.UniqueConstraint(
                fields=["code"], condition=models.Q(listed=True), name="program_listed_code_unique"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def taught_by(self) -> str:
        return self.provider or self.workspace.name


class ProgramInstance(models.Model):
    """A program as its workspace offers it: with these dates, this price, and this review mode.

    Invariant: at most one default instance per workspace; the router enrolls in it when the request names none.
    `criteria_version` grows with every change of the criteria, which lets refused learners try again.
    """

    cuid = models.CharField(max_length=32, unique=True, default=new_cuid, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="program_instances")
    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="instances")
    name = models.CharField(max_length=200)
    external_id = models.CharField(
        max_length=150,
        null=True,
        blank=True,
        help_text="The sourcedId or code of the class that OneRoster archives know it by.",
    )
    start_date = models.DateField(null=True, blank=True, validators=[validate_date])
    end_date = models.DateField(null=True, blank=True, validators=[validate_date])
    review_mode = models.CharField(max_length=9, choices=ReviewMode.choices, default=ReviewMode.AUTOMATIC)
    criteria_version = models.PositiveIntegerField(default=1, editable=False)
    price = models.ForeignKey(Price, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    capacity = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="How many enrollments may be submitted or approved at a time, by whichever way in. Empty: no limit. "
        "Those that are there already stay when it is lowered.",
    )
    sibling_discount_percent = models.DecimalField(
        "sibling discount",
        max_digits=5,
        decimal_places=2,
        null=True,
        blank=True,
        help_text="In percent, for each further child of a family while another one takes part here and has paid.",
    )
    is_default = models.BooleanField(default=False)
    active = models.BooleanField(default=True)
    takes_applications = models.BooleanField(
        "self-enrollment form",
        default=False,
        db_default=False,
        help_text="Families can apply at the form's public address.",
    )
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace"], condition=models.Q(is_default=True), name="instance_one_default_per_workspace"
            ),
            models.UniqueConstraint(fields=["workspace", "external_id"], name="instance_external_id_unique"),
            models.CheckConstraint(condition=models.Q(review_mode__in=ReviewMode.values), name="instance_review_known"),
            models.CheckConstraint(
                condition=models.Q(start_date__isnull=True)
                | models.Q(end_date__isnull=True)
                | models.Q(end_date__gte=models.F("start_date")),
                name="instance_dates_in_order",
            ),
            models.CheckConstraint(
                condition=models.Q(sibling_discount_percent=None)
                | models.Q(sibling_discount_percent__gt=0, sibling_discount_percent__lte=100),
                name="instance_sibling_discount_in_percent",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def full_title(self) -> str:
        """Return its name among others: the program and the instance, without repeating the program."""
        title = self.program.title
        return self.name if self.name.startswith(title) else f"{title}, {self.name}"

    @property
    def zone(self) -> str:
        """Return the time zone of its dates: its workspace's, which is fetched along where many are read."""
        return str(getattr(self, "workspace_timezone", "") or self.workspace.timezone)
