"""The labels by which enrollments are found: their tags and manufacturers, one row each."""

from collections.abc import Collection, Sequence

from core.rows import insert_many, insert_rows

from .models import Enrollment, EnrollmentLabel
from .states import LabelKind

# The fields that are labels, each with its kind of label.
LABELED = {"tags": LabelKind.TAG, "manufacturer_slugs": LabelKind.MANUFACTURER}


def relabel(enrollment: Enrollment, *, fields: Collection[str], is_new: bool) -> None:
    """Update the labels to match these fields of a stored enrollment, inside the transaction that changed them."""
    for field in LABELED.keys() & set(fields):
        kind = LABELED[field]
        wanted: list[str] = getattr(enrollment, field)
        known: set[str] = set()
        if not is_new:
            labels = enrollment.labels.filter(kind=kind)
            labels.exclude(value__in=wanted).delete()
            known = set(labels.values_list("value", flat=True))
        insert_rows([_label(enrollment, kind, value) for value in wanted if value not in known])


def label_new(enrollments: Sequence[Enrollment]) -> None:
    """Create the labels of all fields for many enrollments that were just stored."""
    insert_many(
        [
            _label(enrollment, kind, value)
            for enrollment in enrollments
            for field, kind in LABELED.items()
            for value in getattr(enrollment, field)
        ]
    )


def _label(enrollment: Enrollment, kind: LabelKind, value: str) -> EnrollmentLabel:
    return EnrollmentLabel(
        enrollment=enrollment,
        instance_id=enrollment.instance_id,
        kind=kind,
        value=value,
        created_at=enrollment.created_at,
    )
