from django.db import models

from accounts.models import Workspace
from core.clock import utc_now
from core.local_time import validate_date
from core.money import Money

from .programs import ProgramInstance
from .seats import District, DistrictSeatAllocation


class WhatIf(models.Model):
    """A question about seats: how would the proposed seats fund the learners who asked on these days?

    Invariant: it neither assigns nor frees seats. `result` is the outcome of the last calculation, for the proposals as
    they are.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="what_ifs")
    name = models.CharField(max_length=100)
    first_day = models.DateField(validators=[validate_date])
    last_day = models.DateField(validators=[validate_date])
    result = models.JSONField(default=dict, editable=False)
    actor = models.CharField(max_length=64, editable=False)
    calculated_at = models.DateTimeField(editable=False)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        verbose_name = "what-if"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(last_day__gte=models.F("first_day")), name="what_if_days_in_order"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ProposedSeats(models.Model):
    """How many seats a what-if supposes that a district has, for one program instance or for any; `funded` is how many
    would have been taken, and `allocation` what was created from it.
    """

    what_if = models.ForeignKey(WhatIf, on_delete=models.PROTECT, related_name="proposals")
    district = models.ForeignKey(District, on_delete=models.PROTECT, related_name="+")
    instance = models.ForeignKey(ProgramInstance, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    total_seats = models.PositiveIntegerField()
    seat_price_minor = models.PositiveIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True, default="")
    funded = models.PositiveIntegerField(default=0)
    allocation = models.ForeignKey(
        DistrictSeatAllocation, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        verbose_name_plural = "proposed seats"
        constraints = [
            models.UniqueConstraint(
                fields=["what_if", "district"],
                condition=models.Q(instance__isnull=True),
                name="proposal_one_general",
            ),
            models.UniqueConstraint(
                fields=["what_if", "district", "instance"],
                condition=models.Q(instance__isnull=False),
                name="proposal_one_per_instance",
            ),
            models.CheckConstraint(
                condition=models.Q(seat_price_minor__isnull=True, currency="")
                | (models.Q(seat_price_minor__isnull=False) & ~models.Q(currency="")),
                name="proposal_price_has_currency",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.district}, {self.instance or 'any program'}"

    @property
    def cost(self) -> Money | None:
        """Return what the district pays for all of them, if the price of a seat is known."""
        if self.seat_price_minor is None:
            return None
        return Money(self.total_seats * self.seat_price_minor, self.currency)
