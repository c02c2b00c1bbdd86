"""What this app knows of people, and what erasing one of them does to it (`core.personal`)."""

from allauth.account.models import EmailAddress
from django.contrib.sessions.models import Session
from django.db.models import F, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat

from core.personal import ERASED, NOWHERE, Fate, Kind, Person, Personal, kept, unless_empty

from .models import (
    Consent,
    FamilySignIn,
    Guardian,
    GuardianInvitation,
    Guardianship,
    Lead,
    Learner,
    LearnerMerge,
    NameChange,
    Passkey,
    SecondFactor,
    StaffInvitation,
    StaffSignIn,
    StaffTask,
    User,
)
from .staff_tasks import find_tasks_about


def _nowhere(prefix: str, column: str) -> Concat:
    """Return an address without a mailbox that nobody else has."""
    return Concat(Value(prefix), Cast(column, TextField()), Value(NOWHERE), output_field=TextField())


def _learners(person: Person) -> QuerySet[Learner]:
    return Learner.objects.filter(pk__in=person.learners)


def _erase_accounts(person: Person) -> int:
    """Close the accounts: no code is mailed to them, and all their sessions end."""
    users = User.objects.filter(pk__in=person.users)
    return users.update(
        email=_nowhere("user-", "pk"),
        first_name="",
        last_name="",
        password="!",  # noqa: S106  (what Django calls unusable)
        is_active=False,
        session_epoch=F("session_epoch") + 1,
    )


def tasks_about(person: Person) -> QuerySet[StaffTask]:
    return find_tasks_about(workspace_id=person.workspace, subjects=person.subjects, learner_ids=person.learners)


PERSONAL = (
    Personal(
        Learner,
        {
            "identity": Kind.NAME,
            "person": Kind.NAME,
            "external_id": Kind.ABOUT,
            "external_key": Kind.ABOUT,
            "first_name": Kind.NAME,
            "last_name": Kind.NAME,
            "email": Kind.CONTACT,
            "phone": Kind.CONTACT,
            "address": Kind.CONTACT,
            "grade_level": Kind.ABOUT,
            "school": Kind.ABOUT,
        },
        Fate.REPLACED,
        _learners,
        {
            "identity": Concat(Value("erased:"), F("cuid")),
            "person": "",
            "external_id": None,
            "external_key": None,
            "first_name": "Erased",
            "last_name": "learner",
            "email": _nowhere("", "cuid"),
            "phone": "",
            "address": {},
            "grade_level": "",
            "school": "",
            "user": None,
        },
    ),
    Personal(
        LearnerMerge,
        {"reason": Kind.WORDS},
        Fate.REPLACED,
        lambda person: LearnerMerge.objects.filter(Q(kept__in=person.learners) | Q(dropped__in=person.learners)),
        {"reason": ERASED},
    ),
    Personal(
        NameChange,
        {
            "first_name_before": Kind.NAME,
            "last_name_before": Kind.NAME,
            "first_name": Kind.NAME,
            "last_name": Kind.NAME,
            "note": Kind.WORDS,
        },
        Fate.DELETED,
        lambda person: NameChange.objects.filter(learner__in=person.learners),
    ),
    Personal(
        Consent,
        {"address": Kind.CONTACT, "evidence": Kind.ABOUT, "end_evidence": Kind.ABOUT},
        Fate.DELETED,
        lambda person: Consent.objects.filter(learner__in=person.learners),
    ),
    Personal(
        Lead,
        {
            "first_name": Kind.NAME,
            "last_name": Kind.NAME,
            "email": Kind.CONTACT,
            "phone": Kind.CONTACT,
            "address": Kind.CONTACT,
        },
        Fate.REPLACED,
        lambda person: Lead.objects.filter(pk__in=person.leads),
        {"first_name": "", "last_name": "", "email": "", "phone": "", "address": {}},
    ),
    Personal(
        GuardianInvitation,
        {"email": Kind.CONTACT},
        Fate.DELETED,
        lambda person: GuardianInvitation.objects.filter(guardian__in=person.guardians),
    ),
    Personal(
        Guardianship,
        {"learner": Kind.ABOUT},
        Fate.DELETED,
        lambda person: Guardianship.objects.filter(learner__in=person.learners),
    ),
    Personal(
        Guardian,
        {"external_id": Kind.ABOUT, "email": Kind.CONTACT, "first_name": Kind.NAME, "last_name": Kind.NAME},
        Fate.REPLACED,
        lambda person: Guardian.objects.filter(pk__in=person.guardians),
        {
            "external_id": None,
            "email": _nowhere("guardian-", "pk"),
            "first_name": "",
            "last_name": "",
        },
    ),
    Personal(
        EmailAddress,
        {"email": Kind.CONTACT},
        Fate.DELETED,
        lambda person: EmailAddress.objects.filter(user__in=person.users),
    ),
    Personal(
        FamilySignIn,
        {"browser": Kind.ACCOUNT, "system": Kind.ACCOUNT, "began_at": Kind.ACCOUNT, "last_used_date": Kind.ACCOUNT},
        Fate.DELETED,
        lambda person: FamilySignIn.objects.filter(user__in=person.users),
    ),
    Personal(
        User,
        {"password": Kind.ACCOUNT, "email": Kind.CONTACT, "first_name": Kind.NAME, "last_name": Kind.NAME},
        Fate.REPLACED,
        lambda person: User.objects.filter(pk__in=person.users),
        erase=_erase_accounts,
    ),
    Personal(
        StaffTask,
        {"summary": Kind.WORDS, "resolution": Kind.WORDS},
        Fate.REPLACED,
        tasks_about,
        {"summary": ERASED, "resolution": unless_empty("resolution")},
    ),
    kept(
        Session,
        "says nothing readable, ends after two weeks, and opens nothing once the account is erased",
        session_data=Kind.ACCOUNT,
    ),
    kept(StaffInvitation, "of staff", email=Kind.STAFF),
    kept(SecondFactor, "of staff", secret=Kind.STAFF, recovery_digests=Kind.STAFF),
    kept(Passkey, "of staff", name=Kind.STAFF, credential_id=Kind.STAFF, public_data=Kind.STAFF),
    kept(StaffSignIn, "of staff", browser=Kind.STAFF, network=Kind.STAFF),
)
