"""Metrics about the doctor and backups."""

import datetime as dt
from collections.abc import Iterator

from core.metrics import Figure, Reading, count_by

from .models import Backup, Examination, Finding
from .states import ExaminationStatus


def _since_last_examination(now: dt.datetime) -> Iterator[Reading]:
    completed = Examination.objects.filter(status=ExaminationStatus.COMPLETED).order_by("-began_at")
    if last := completed.values_list("began_at", flat=True).first():
        yield (), (now - last).total_seconds()


def _since_last_backup(now: dt.datetime) -> Iterator[Reading]:
    if last := Backup.objects.order_by("-made_at").values_list("made_at", flat=True).first():
        yield (), (now - last).total_seconds()


FIGURES = (
    Figure(
        "findings",
        "Rows that break an invariant by two examinations of the doctor or more.",
        ("invariant",),
        lambda now: count_by(Finding.objects.confirmed(), "invariant"),
    ),
    Figure(
        "examined_seconds_ago",
        "How long ago the doctor's last examination that came to its end began.",
        (),
        _since_last_examination,
    ),
    Figure(
        "backup_seconds_ago",
        "How old the newest backup is that was read again and is whole.",
        (),
        _since_last_backup,
    ),
)
