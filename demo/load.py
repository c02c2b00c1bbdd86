"""Tell all the stories in chronological order."""

import datetime as dt
import heapq
import itertools
import random
from collections.abc import Callable

from django.db import transaction
from django.db.models import F, Q

from accounts.models import Learner, StaffTask, Workspace
from billing.models import Checkout, Payment
from cohorts.models import Cohort, StudentPackage
from core.actors import SYSTEM
from core.clock import time_is, utc_now
from core.errors import require
from core.local_time import local_date, to_instant
from core.work import quietly
from enrollments.models import District, Enrollment, EnrollmentDecision, ProgramInstance
from events.models import OutboxEvent
from events.states import RelayStatus
from notifications.models import Notification
from notifications.states import NotificationStatus

from .applications import begin_applications
from .books import keep_books
from .catalog import (
    GUARDIAN_EMAIL,
    KNOWN_FAMILY,
    ORGANIZATIONS,
    Organization,
    Scene,
    build_scene,
    find_or_build_staff,
)
from .course_stories import ask_back, begin_courses
from .courses import build_courses
from .partners import begin_partners, have_partners_asked_from
from .seats import ask_about_seats
from .stories import Beginning, Story, apply_by_router, apply_through_staff, ask_and_hesitate, meet_an_outage
from .webhooks import add_endpoints

SEED = 20_250_901
HISTORY = dt.timedelta(weeks=26)
Progress = Callable[[float], None]  # called with the share that is done, from 0 to 1
PROGRAMS_PER_LEARNER = (2, 3, 4, 4, 4)
EVENTS_GIVEN_UP = 3


class Teller:
    """Runs stories by their next moment, never past the present."""

    def __init__(self, now: dt.datetime, progress: Progress) -> None:
        self.now = now
        self._progress = progress
        self._order = itertools.count()
        self._waiting: list[tuple[dt.datetime, int, Story]] = []

    def begin(self, moment: dt.datetime, story: Story) -> None:
        if moment <= self.now:
            heapq.heappush(self._waiting, (moment, next(self._order), story))

    def tell(self) -> None:
        while self._waiting:
            moment, _, story = heapq.heappop(self._waiting)
            self._progress(max(0.0, 1 - (self.now - moment) / HISTORY))
            with time_is(moment):
                pause = next(story, None)
            if pause is not None:
                self.begin(moment + pause, story)


def list_missing(organizations: tuple[Organization, ...] = ORGANIZATIONS) -> list[Organization]:
    """Return the organizations still to be loaded: all if there is no workspace yet, the remaining ones after an
    interrupted load, and none if the database is in use for something else.
    """
    there = set(Workspace.objects.values_list("slug", flat=True))
    missing = [organization for organization in organizations if organization.slug not in there]
    return [] if there and len(missing) == len(organizations) else missing


@transaction.atomic
def load_demo(*, organizations: tuple[Organization, ...] = ORGANIZATIONS) -> None:
    """Create the organizations and their history, all or nothing."""
    for organization in organizations:
        load_organization(organization)


@quietly()
@transaction.atomic
def load_organization(organization: Organization, *, progress: Progress = lambda share: None) -> Workspace:
    """Create one organization and its history, all or nothing; the first one also creates the staff accounts."""
    now = utc_now()
    chance = random.Random(f"{SEED} {organization.slug}")  # noqa: S311  the same demo everywhere
    with time_is(now - HISTORY):
        scene = build_scene(organization, find_or_build_staff(), now=now, chance=chance)
        courses = build_courses(scene, today=local_date(now, scene.workspace.timezone))
    teller = Teller(now, progress)
    _begin_stories(teller, scene, chance)
    if organization.has_forms:
        with time_is(now - HISTORY):
            begin_applications(scene, begin=teller.begin, now=now)
    if organization.has_partners:
        with time_is(now - HISTORY):
            begin_partners(scene, begin=teller.begin, now=now)
    begin_courses(scene, courses, begin=teller.begin, now=now)
    teller.tell()
    _relay_the_past(scene.workspace, now)
    _send_the_past(scene.workspace, now)
    # The sweeps' work begins today.
    Checkout.objects.filter(workspace=scene.workspace, next_check_at__lt=now).update(next_check_at=now)
    have_partners_asked_from(now, workspace=scene.workspace)
    ask_about_seats(scene, manager=SYSTEM, now=now)
    keep_books(scene.workspace, now=now)
    ask_back(scene.workspace, now=now)
    if organization.has_integrators:
        add_endpoints(scene.workspace, now=now)
    return scene.workspace


def count_rows() -> dict[str, int]:
    """Count the rows of each kind, for the operator who loaded them."""
    counted = (
        Workspace,
        District,
        Learner,
        Enrollment,
        EnrollmentDecision,
        Cohort,
        StudentPackage,
        Payment,
        StaffTask,
        OutboxEvent,
    )
    return {str(model._meta.verbose_name_plural): model.objects.count() for model in counted}


def _begin_stories(teller: Teller, scene: Scene, chance: random.Random) -> None:
    for family in scene.families:
        undecided = scene.instances[-1]  # runs now and costs money
        if family is KNOWN_FAMILY:
            asked = teller.now - dt.timedelta(hours=2)
            teller.begin(asked, ask_and_hesitate(scene, family, family.children[0], undecided, chance))
        for child in family.children:
            count = min(chance.choice(PROGRAMS_PER_LEARNER), len(scene.instances))
            for instance in chance.sample(scene.instances, count):
                if family is KNOWN_FAMILY and instance is undecided:
                    continue
                moment = _when(instance, teller.now, chance)
                story = _choose(chance, moment > teller.now - dt.timedelta(days=1))
                teller.begin(moment, story(scene, family, child, instance, chance))


def _when(instance: ProgramInstance, now: dt.datetime, chance: random.Random) -> dt.datetime:
    """Return when a learner asks: mostly around the start of a term, or these days if the term is running."""
    first_day = require(instance.start_date, "a term has its dates")
    last_day = require(instance.end_date, "a term has its dates")
    moment = to_instant(date=first_day, time=dt.time(8), zone=instance.zone).at + dt.timedelta(
        days=chance.triangular(-24, 30, -2), minutes=chance.randrange(600)
    )
    is_running = last_day > local_date(now, instance.zone)
    if moment > now or (is_running and chance.random() < 0.25):
        return now - dt.timedelta(days=chance.expovariate(0.2), minutes=20)
    return moment


def _choose(chance: random.Random, is_recent: bool) -> Beginning:
    if is_recent and chance.random() < 0.08:
        return meet_an_outage
    return apply_through_staff if chance.random() < 0.22 else apply_by_router


def _relay_the_past(workspace: Workspace, now: dt.datetime) -> None:
    """Mark all but the newest events as relayed long ago, and a few as given up, so that staff can replay them."""
    old = OutboxEvent.objects.filter(workspace=workspace, occurred_at__lt=now - dt.timedelta(minutes=10))
    old.update(relay_status=RelayStatus.RELAYED, relayed_at=F("occurred_at"), attempts=1)
    given_up = list(old.order_by("-id").values_list("pk", flat=True)[100 : 100 + EVENTS_GIVEN_UP])
    OutboxEvent.objects.filter(pk__in=given_up).update(
        relay_status=RelayStatus.DEAD,
        relayed_at=None,
        attempts=12,
        last_error="The stream refused the entry: maximum size exceeded",
    )


def _send_the_past(workspace: Workspace, now: dt.datetime) -> None:
    """Mark emails as sent when they were due; those the known family got today are sent now and reach the mailbox."""
    fresh = Q(recipient=GUARDIAN_EMAIL, created_at__gt=now - dt.timedelta(days=1))
    emails = Notification.objects.filter(workspace=workspace)
    emails.filter(fresh).update(next_attempt_at=now)
    emails.exclude(fresh).update(status=NotificationStatus.SENT, sent_at=F("created_at"), attempts=1)
