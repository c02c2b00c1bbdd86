"""Everything that is about one learner and nobody else, by its ids."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from django.db.models import Q, QuerySet

from accounts.models import Consent, Guardian, Lead, Learner, User, Workspace
from billing.models import Payment
from cohorts.models import CohortPlace, StudentPackage
from core.errors import NotFound
from core.personal import Person
from enrollments.models import Enrollment, EnrollmentDecision, Inquiry
from partners.models import Certificate, EnrollmentStep


def find_learner(*, workspace_id: int, learner_cuid: str) -> Learner:
    """Return the learner with this CUID, or the one they were merged into; also one who was erased. Raises NotFound."""
    named = Learner.objects.filter(workspace=workspace_id, cuid=learner_cuid).select_related("merged_into").first()
    if named is None:
        raise NotFound("There is no such learner.")
    return named.merged_into or named


def find_person(*, workspace_id: int, learner_cuid: str, now: dt.datetime) -> Person:
    """Return this learner, followed by all who were merged into them. Raises NotFound."""
    learner = find_learner(workspace_id=workspace_id, learner_cuid=learner_cuid)
    if learner.erased_at is not None:
        raise NotFound("This learner was erased.")
    learners = (learner.pk, *_keys(Learner.objects.filter(merged_into=learner.pk)))
    rows = Learner.objects.filter(pk__in=learners)
    leads = _leads(learners)
    guardians = _guardians_of_nobody_else(learners)
    addresses = _addresses(rows, learners, guardians)
    enrollments = _keys(Enrollment.objects.filter(Q(learner__in=learners) | Q(lead__in=leads)))
    decisions = EnrollmentDecision.objects.filter(learner__in=learners)
    packages = StudentPackage.objects.filter(learner__in=learners)
    places = CohortPlace.objects.filter(learner__in=learners)
    checkouts = tuple(sorted({*_column(decisions, "checkout"), *_column(places, "checkout")}))
    paid = {*_column(decisions, "payment"), *_column(packages, "payment")}
    payments = tuple(sorted({*paid, *_keys(Payment.objects.filter(checkout__in=checkouts))}))
    steps = _keys(EnrollmentStep.objects.filter(enrollment__in=enrollments))
    found = Person(
        workspace=workspace_id,
        moment=now,
        cuids=frozenset({*_column(rows, "cuid"), *_column(Enrollment.objects.filter(pk__in=enrollments), "cuid")}),
        learners=learners,
        leads=leads,
        guardians=guardians,
        users=_keys(User.objects.filter(email__in=addresses)),
        addresses=addresses,
        enrollments=enrollments,
        checkouts=checkouts,
        payments=payments,
        packages=_keys(packages),
        steps=steps,
    )
    return _with_subjects(found)


def part_of(
    *, workspace_id: int, enrollments: tuple[int, ...] = (), leads: tuple[int, ...] = (), now: dt.datetime
) -> Person:
    """Return what is about these enrollments and leads, and nothing else about their people."""
    part = Person(
        workspace=workspace_id,
        moment=now,
        cuids=frozenset(_column(Enrollment.objects.filter(pk__in=enrollments), "cuid")),
        learners=(),
        leads=leads,
        enrollments=enrollments,
        steps=_keys(EnrollmentStep.objects.filter(enrollment__in=enrollments)),
    )
    return _with_subjects(part)


def _leads(learners: tuple[int, ...]) -> tuple[int, ...]:
    """Return the leads that became the learners, or that an enrollment of theirs began with."""
    enrolled = Enrollment.objects.filter(learner__in=learners, lead__isnull=False)
    return tuple(sorted({*_keys(Lead.objects.filter(converted_to__in=learners)), *_column(enrolled, "lead")}))


def _guardians_of_nobody_else(learners: tuple[int, ...]) -> tuple[int, ...]:
    theirs = Guardian.objects.filter(learners__in=learners)
    return _keys(theirs.exclude(guardianships__learner__in=Learner.objects.exclude(pk__in=learners)).distinct())


def _addresses(rows: QuerySet[Learner], learners: tuple[int, ...], guardians: tuple[int, ...]) -> frozenset[str]:
    """Return the addresses of the learner, of their account, and of the guardians who are erased too, unless somebody
    who stays has the same one in any workspace: an account goes with the last person who signs in with it."""
    candidates = {
        *_column(rows, "email"),
        *_column(rows.filter(user__isnull=False), "user__email"),
        *_column(Guardian.objects.filter(pk__in=guardians), "email"),
    }
    others = Learner.objects.exclude(pk__in=learners)
    anywhere = list(Workspace.objects.values_list("pk", flat=True))  # the indexes on addresses begin with them
    works = Q(is_staff=True) | Q(is_superuser=True) | Q(memberships__isnull=False)
    staying = {
        *_column(others.filter(workspace__in=anywhere, email__in=candidates), "email"),
        *_column(others.filter(user__email__in=candidates), "user__email"),
        *_column(
            Guardian.objects.exclude(pk__in=guardians).filter(workspace__in=anywhere, email__in=candidates), "email"
        ),
        *_column(User.objects.filter(works, email__in=candidates), "email"),
    }
    return frozenset(str(address) for address in candidates - staying)


def _with_subjects(person: Person) -> Person:
    """Add the names by which tasks and mails refer to the rows."""
    cuids = Enrollment.objects.filter(pk__in=person.enrollments).values_list("cuid", flat=True)
    steps = EnrollmentStep.objects.filter(pk__in=person.steps).values_list("cuid", flat=True)
    inquiries = Inquiry.objects.filter(enrollment__in=person.enrollments).values_list("pk", flat=True)
    serials = Certificate.objects.filter(enrollment__in=person.enrollments).values_list("serial", flat=True)
    consents = Consent.objects.filter(learner__in=person.learners).values_list("pk", flat=True)
    decided = Q(learner__in=person.learners) | Q(enrollment__in=person.enrollments)
    decisions = EnrollmentDecision.objects.filter(decided).values_list("pk", flat=True)
    names: dict[str, Iterable[Any]] = {
        "learner": person.learners,
        "guardian": person.guardians,
        "consent": consents,
        "enrollment": [*person.enrollments, *cuids],
        "decision": decisions,
        "package": person.packages,
        "checkout": person.checkouts,
        "payment": person.payments,
        "partner_step": [*person.steps, *steps],
        "inquiry": inquiries,
        "certificate": serials,
    }
    subjects = frozenset(f"{name}:{key}" for name, keys in names.items() for key in keys)
    return replace(person, subjects=subjects)


def _keys(rows: QuerySet[Any]) -> tuple[int, ...]:
    return tuple(sorted(rows.values_list("pk", flat=True)))


def _column(rows: QuerySet[Any], name: str) -> list[Any]:
    return [value for value in rows.order_by().values_list(name, flat=True).distinct() if value is not None]
