"""The personal data that this app stores, and what erasing a person does to it (`core.personal`)."""

from django.db.models import Q, QuerySet

from core.personal import ERASED, Fate, Kind, Person, Personal, kept, unless_empty, words

from .models import Certificate, EnrollmentStep, Nudge, PartnerEvent, Provider, StepTransition


def _steps(person: Person) -> QuerySet[EnrollmentStep]:
    return EnrollmentStep.objects.filter(enrollment__in=person.enrollments)


def _events(person: Person) -> QuerySet[PartnerEvent]:
    """Return the events about their steps. An event that could not be read yet may be about anybody, by any partner of
    the workspace.
    """
    unread = Q(provider__workspace=person.workspace) & ~Q(unread="")
    return PartnerEvent.objects.filter(Q(step__in=_steps(person).values("pk")) | unread)


def _erase_events(person: Person) -> int:
    """Delete, of the unreadable messages, those that contain an address or an id of theirs."""
    needles = {*person.addresses, *person.cuids, *_steps(person).values_list("cuid", flat=True)}
    needles |= {known for known in _steps(person).values_list("external_enrollment_id", flat=True) if known}
    erased = PartnerEvent.objects.filter(step__in=_steps(person).values("pk")).update(unread="")
    for event in _events(person).exclude(unread=""):
        if any(needle in event.unread for needle in needles):
            erased += PartnerEvent.objects.filter(pk=event.pk).update(unread="")
    return erased


PERSONAL = (
    Personal(
        Certificate,
        {"learner_name": Kind.NAME, "revoked_reason": Kind.WORDS},
        Fate.REPLACED,
        lambda person: Certificate.objects.filter(enrollment__in=person.enrollments),
        {"learner_name": ERASED, "revoked_reason": unless_empty("revoked_reason")},
    ),
    Personal(
        EnrollmentStep,
        {"launch_url": Kind.ABOUT, "evidence": Kind.WORDS, "certificate": Kind.ABOUT},
        Fate.REPLACED,
        _steps,
        {"launch_url": "", "evidence": unless_empty("evidence"), "certificate": None},
    ),
    words(StepTransition, lambda person: StepTransition.objects.filter(step__in=_steps(person).values("pk")), "reason"),
    Personal(
        PartnerEvent,
        {"payload": Kind.ABOUT, "unread": Kind.ABOUT},
        Fate.REPLACED,
        _events,
        erase=_erase_events,
        why="the payload keeps ids and states alone",
    ),
    Personal(
        Nudge,
        {"recipient": Kind.CONTACT},
        Fate.DELETED,
        lambda person: Nudge.objects.filter(enrollment__in=person.enrollments),
    ),
    kept(Provider, "of the partner", contact_email=Kind.STAFF),
)
