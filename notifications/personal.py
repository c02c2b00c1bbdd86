"""What this app knows of people, and what erasing one of them does to it (`core.personal`)."""

from django.db.models import QuerySet

from core.personal import Fate, Kind, Person, Personal

from .models import Notification


def _mails(person: Person) -> QuerySet[Notification]:
    """Select all mails to their own addresses, and those about them to anybody."""
    about = Notification.objects.about(person.subjects)
    return (about | Notification.objects.filter(recipient__in=person.addresses)).filter(workspace=person.workspace)


PERSONAL = (
    Personal(
        Notification,
        {"recipient": Kind.CONTACT, "params": Kind.ABOUT},
        Fate.DELETED,
        _mails,
    ),
)
