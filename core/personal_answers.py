"""What the core knows of people: the answers stored for Idempotency-Keys (`core.personal`)."""

import json

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from .models import IdempotencyRecord
from .personal import Fate, Kind, Person, Personal


def _answers(person: Person) -> QuerySet[IdempotencyRecord]:
    """Select the answers that contain one of the person's ids or addresses. A key whose answer is gone counts as new: a
    repeated request finds what the first one did."""
    named = Q(pk__in=[])
    for word in sorted(person.cuids | person.addresses):
        for spelled in {word, json.dumps(word)[1:-1]}:  # SQLite stores JSON as it was sent
            named |= Q(text__contains=spelled)
    return IdempotencyRecord.objects.annotate(text=Cast("response_body", TextField())).filter(named)


PERSONAL = (Personal(IdempotencyRecord, {"response_body": Kind.ABOUT}, Fate.DELETED, _answers, passes=True),)
