"""The shapes of requests about single allocations and seats, and of their responses."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.http.fields import CuidField, DayField, MultilineField, TextField, TruthField, WholeNumberField
from core.numbers import MAX_BIGINT

from ...imports.roster_replay import FundedLine
from ...models import DistrictSeatAllocation, SeatAssignment
from ...seats import MAX_SEATS
from .serializers import AllocationSerializer, InstanceReferenceField


class DryRunSerializer(serializers.Serializer[Any]):
    dry_run = TruthField(required=False, default=False, help_text="Return what would be answered, and change nothing.")


class ForecastSerializer(serializers.Serializer[Any]):
    """How long the seats last at the rate of the last four weeks."""

    taken = serializers.IntegerField(help_text="In the days that the pace is of.")
    days = serializers.IntegerField()
    runs_out_on = serializers.DateField(allow_null=True)
    unused = serializers.IntegerField(allow_null=True, help_text="On the last day, if that comes first.")
    words = serializers.CharField(source="__str__")


class SavingsSerializer(serializers.Serializer[Any]):
    """Idle seats that were taken back."""

    seats = serializers.IntegerField()
    passed_on = serializers.IntegerField()


class UsageSerializer(serializers.Serializer[Any]):
    allocation = AllocationSerializer()
    forecast = ForecastSerializer()
    reclaimed = SavingsSerializer()
    idle_days = serializers.IntegerField(allow_null=True)
    grace_days = serializers.IntegerField()


class SeatSerializer(serializers.ModelSerializer[SeatAssignment]):
    allocation_id = serializers.IntegerField()
    learner_id = serializers.CharField(source="learner.cuid")
    enrollment_id = serializers.CharField(source="enrollment.cuid")

    class Meta:
        model = SeatAssignment
        fields = [
            "id",
            "allocation_id",
            "learner_id",
            "enrollment_id",
            "status",
            "reserved_at",
            "used_at",
            "released_at",
            "release_reason",
        ]


class RenewSerializer(DryRunSerializer):
    term = TextField(max_length=80, required=False, allow_blank=True, help_text="If omitted: its dates.")
    valid_from = DayField(
        required=False, allow_null=True, help_text="If omitted: the day after the last day of this one."
    )
    valid_until = DayField(required=False, allow_null=True, help_text="If omitted: as long as this one.")
    total_seats = WholeNumberField(
        min_value=0,
        max_value=MAX_SEATS,
        required=False,
        allow_null=True,
        help_text="If omitted: one for each learner who holds a seat or was turned away.",
    )


class RenewalSerializer(serializers.Serializer[Any]):
    """The next allocation: as it is, or as it would be created. `allocation_id` is null in a dry run."""

    allocation_id = serializers.IntegerField(allow_null=True)
    program_instance_id = serializers.CharField(allow_null=True)
    term = serializers.CharField()
    valid_from = serializers.DateField(allow_null=True)
    valid_until = serializers.DateField(allow_null=True)
    total_seats = serializers.IntegerField()
    dry_run = serializers.BooleanField()


class RosterSerializer(DryRunSerializer):
    program_instance_id = InstanceReferenceField()
    roster = MultilineField(
        max_length=100_000,
        help_text="A CSV file of at most 500 learners. Its first line names the columns, among learner_id, email, "
        "first_name, last_name, grade_level and school.",
    )


class RosterLineSerializer(serializers.Serializer[Any]):
    line = serializers.IntegerField(source="number")
    fault = serializers.CharField(help_text="Why the learner has no seat; empty if they have one.")
    decision_id = serializers.IntegerField(allow_null=True)


class RosterOutcomeSerializer(serializers.Serializer[Any]):
    seated = serializers.IntegerField()
    lines = RosterLineSerializer(many=True)
    dry_run = serializers.BooleanField()


class ReleaseSerializer(DryRunSerializer):
    reason = TextField(max_length=300, help_text="What the family is told, word for word.")


class ReassignSerializer(ReleaseSerializer):
    learner_id = CuidField(help_text="The learner who gets the seat.")


class TransferSerializer(DryRunSerializer):
    allocation_id = WholeNumberField(
        min_value=0, max_value=MAX_BIGINT, help_text="The allocation that the seat moves to."
    )


class MovedSeatSerializer(serializers.Serializer[Any]):
    """The seat as it is now, or as it would be, and how many seats are left of its allocation."""

    seat = serializers.SerializerMethodField()
    available_seats = serializers.SerializerMethodField()
    dry_run = serializers.SerializerMethodField()

    @extend_schema_field(SeatSerializer)
    def get_seat(self, seat: SeatAssignment) -> dict[str, Any]:
        return dict(SeatSerializer(seat).data)

    def get_available_seats(self, seat: SeatAssignment) -> int:
        return DistrictSeatAllocation.objects.get(pk=seat.allocation_id).available_seats

    def get_dry_run(self, seat: SeatAssignment) -> bool:
        return bool(self.context["dry_run"])


class SupposedSeatsSerializer(serializers.Serializer[Any]):
    tenant_id = WholeNumberField(min_value=0, max_value=MAX_BIGINT)
    program_instance_id = InstanceReferenceField(required=False, allow_null=True, default=None)
    total_seats = WholeNumberField(min_value=0, max_value=MAX_SEATS)


class WhatIfSerializer(serializers.Serializer[Any]):
    first_day = DayField(help_text="First day of the requests …")
    last_day = DayField(help_text="… to this day, where the workspace is.")
    seats = SupposedSeatsSerializer(  # type: ignore[call-arg]  # of the list
        many=True,
        required=False,
        default=list,
        max_length=100,
        help_text="How many seats a district would have, each district and program once. All others keep those that "
        "they had on these days.",
    )


class WhoPaysSerializer(serializers.Serializer[Any]):
    """How many enrollments each funder would pay for."""

    district = serializers.IntegerField()
    parent = serializers.IntegerField()  # type: ignore[assignment]  # a field by that name
    nobody = serializers.IntegerField(help_text="Refused, regardless of seats.")
    parents_pay = serializers.DictField(
        child=serializers.IntegerField(), help_text="By currency, in its smallest unit, at the present prices."
    )


class SupposedOutcomeSerializer(serializers.Serializer[Any]):
    tenant_id = serializers.IntegerField(source="district.tenant_id")
    program_instance_id = serializers.CharField(source="instance.cuid", allow_null=True, default=None)
    total_seats = serializers.IntegerField()
    funded = serializers.IntegerField()


class WhatIfOutcomeSerializer(serializers.Serializer[Any]):
    happened = WhoPaysSerializer()
    supposed = WhoPaysSerializer()
    changed = serializers.IntegerField(help_text="How many learners somebody else would pay for.")
    seats = SupposedOutcomeSerializer(many=True)


class RosterWhatIfSerializer(WhatIfSerializer):
    first_day = DayField(help_text="The seats that districts have from this day on …")
    last_day = DayField(help_text="… to this one, where the workspace is, are supposed for a start.")
    tenant_id = WholeNumberField(min_value=0, max_value=MAX_BIGINT, help_text="The district of the learners.")
    program_instance_id = InstanceReferenceField(help_text="The program instance they would ask for.")
    roster = MultilineField(
        max_length=900_000,
        help_text="A CSV file of at most 10,000 learners with the columns of an import of candidates: firstName, "
        "lastName, email and so on. They ask in the order of the lines.",
    )


class FundedLineSerializer(serializers.Serializer[Any]):
    line = serializers.IntegerField(source="number")
    funding = serializers.ChoiceField(choices=["district", "parent"], allow_null=True, help_text="Null: see the fault.")
    fault = serializers.SerializerMethodField(
        help_text="What is wrong with the line and in which field; empty if nothing is."
    )

    def get_fault(self, line: FundedLine) -> str:
        return f"{line.fault.field}: {line.fault.detail}" if line.fault else ""


class RosterWhatIfOutcomeSerializer(serializers.Serializer[Any]):
    district = serializers.IntegerField(help_text="How many would have a seat.")
    parent = serializers.IntegerField()  # type: ignore[assignment]  # a field by that name
    faults = serializers.IntegerField(help_text="How many lines are at fault; they ask for nothing.")
    parents_pay = serializers.DictField(
        child=serializers.IntegerField(), help_text="By currency, in its smallest unit, at the present price."
    )
    districts_pay = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="For all proposed seats, by currency, as far as seat prices are known.",
    )
    seats = SupposedOutcomeSerializer(many=True)
    lines = FundedLineSerializer(many=True)
