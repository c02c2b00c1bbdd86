"""The invariants of the steps that learners take at partners."""

import datetime as dt
from collections.abc import Iterator

from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from core.invariants import Breach, Extent, Invariant
from enrollments.models import Enrollment
from enrollments.states import FUNDED, ParticipationStatus

from .field_map import find_faults
from .models import WEEK, Certificate, EnrollmentStep, Nudge, PartnerEvent, Provider, SequenceItem, StepTransition
from .states import ACTIVE, DONE, GroupRule, PartnerStepStatus, Revocation

# How long a step may be due before it is tried.
PURSUED_WITHIN = dt.timedelta(minutes=15)
# How long a step may be due for news.
POLLED_WITHIN = dt.timedelta(hours=2)


def steps_follow_one_version(extent: Extent) -> Iterator[Breach]:
    """An enrollment's steps are the items of one version of its own program's sequence, each exactly once."""
    steps = extent.of(EnrollmentStep.objects.current(), "enrollment__workspace")
    foreign = steps.exclude(item__group__sequence__program=F("enrollment__instance__program"))
    for pk in foreign.values_list("pk", flat=True).iterator():
        yield Breach(f"partner step {pk}", "is of another program's sequence")
    sizes = SequenceItem.objects.values("group__sequence").annotate(size=Count("pk"))
    size_of = dict(sizes.values_list("group__sequence", "size"))
    enrollments = steps.values("enrollment").annotate(
        versions=Count("item__group__sequence", distinct=True), count=Count("pk"), one=Min("item__group__sequence")
    )
    for found in enrollments.iterator():
        if found["versions"] > 1:
            yield Breach(f"enrollment {found['enrollment']}", f"has steps of {found['versions']} versions")
        elif found["count"] != size_of[found["one"]]:
            fact = f"has {found['count']} steps of {size_of[found['one']]}"
            yield Breach(f"enrollment {found['enrollment']}", fact)


def step_statuses_follow_their_history(extent: Extent) -> Iterator[Breach]:
    """A step's status is the last one in its history; the history counts 1, 2, 3 and starts with pending."""
    steps = extent.of(EnrollmentStep.objects.all(), "enrollment__workspace")
    last = StepTransition.objects.filter(step=OuterRef("pk"), number=OuterRef("change_count"))
    told = steps.annotate(count=Count("transitions")).filter(
        ~Q(count=F("change_count"))
        | (Q(change_count=0) & ~Q(status=PartnerStepStatus.PENDING))
        | (Q(change_count__gt=0) & ~Exists(last.filter(to_status=OuterRef("status"))))
    )
    for pk, status in told.values_list("pk", "status").iterator():
        yield Breach(f"partner step {pk}", f"{status}, and its history does not end so")
    before = StepTransition.objects.filter(step=OuterRef("step"), number=OuterRef("number") - 1)
    rows = extent.of(StepTransition.objects.all(), "step__enrollment__workspace")
    torn = rows.filter(
        (Q(number=1) & ~Q(from_status=PartnerStepStatus.PENDING))
        | (Q(number__gt=1) & ~Exists(before.filter(to_status=OuterRef("from_status"))))
    )
    for step, number in torn.values_list("step", "number").iterator():
        yield Breach(f"partner step {step}", f"transition {number} does not start where the one before it ended")


def groups_in_order_have_one_active_step(extent: Extent) -> Iterator[Breach]:
    """In an ordered group, a step begins once all before it are done, so at most one is active. Steps that staff put
    before it later, or reopened, do not affect a step that had begun.
    """
    steps = extent.of(EnrollmentStep.objects.current(), "enrollment__workspace")
    begun = steps.filter(item__group__rule=GroupRule.ALL_IN_ORDER).filter(
        Q(status__in=ACTIVE) | Q(status=PartnerStepStatus.COMPLETED)
    )
    turns = StepTransition.objects.filter(step=OuterRef("pk"), to_status=PartnerStepStatus.QUEUED)
    begun = begun.annotate(begun_at=Subquery(turns.order_by("-number").values("created_at")[:1]))
    undone = (
        EnrollmentStep.objects.current()
        .filter(
            enrollment=OuterRef("enrollment"),
            item__group=OuterRef("item__group"),
            sequence_order__lt=OuterRef("sequence_order"),
        )
        .exclude(status__in=DONE)
        .exclude(placed_at__isnull=False, placed_at__gte=OuterRef("begun_at"))
    )
    for pk in begun.filter(Exists(undone)).values_list("pk", flat=True).iterator():
        yield Breach(f"partner step {pk}", "has begun before the one that it follows is done")


def open_steps_belong_to_active_learners(extent: Extent) -> Iterator[Breach]:
    """An enrollment that is not (or no longer) active has nothing to do at a partner."""
    steps = extent.of(EnrollmentStep.objects.open(), "enrollment__workspace")
    strays = steps.exclude(enrollment__participation_status=ParticipationStatus.ACTIVE)
    for pk in strays.values_list("pk", flat=True).iterator():
        yield Breach(f"partner step {pk}", "is open, and its enrollment is not active")


def active_learners_have_something_to_do(extent: Extent) -> Iterator[Breach]:
    """An active enrollment with steps has an active step: nobody waits for a step that never begins."""
    steps = extent.of(EnrollmentStep.objects.current(), "enrollment__workspace")
    active = steps.filter(enrollment__participation_status=ParticipationStatus.ACTIVE)
    under_way = Count("pk", filter=Q(status__in=ACTIVE))
    idle = active.values("enrollment").annotate(under_way=under_way).filter(under_way=0)
    for found in idle.iterator():
        yield Breach(f"enrollment {found['enrollment']}", "is active, and none of its partner steps is under way")


def queued_steps_are_pursued(extent: Extent) -> Iterator[Breach]:
    """A partner that has an API and is not paused has been asked about every learner whose turn came, or will be."""
    steps = extent.of(EnrollmentStep.objects.to_enroll(), "enrollment__workspace")
    for pk in _overdue(steps, extent, PURSUED_WITHIN).values_list("pk", flat=True).iterator():
        yield Breach(f"partner step {pk}", "is queued, and nobody has asked its partner for a quarter of an hour")


def learners_in_progress_are_asked_about(extent: Extent) -> Iterator[Breach]:
    """A partner that has an API and is not paused is polled about every learner of whom it reported nothing."""
    steps = extent.of(EnrollmentStep.objects.to_poll(), "enrollment__workspace")
    for pk in _overdue(steps, extent, POLLED_WITHIN).values_list("pk", flat=True).iterator():
        yield Breach(f"partner step {pk}", "is in progress, and its partner was to be asked for news two hours ago")


def partners_let_go_of_who_left(extent: Extent) -> Iterator[Breach]:
    """A partner that has an API and is not paused has been told of every learner who left, or will be."""
    steps = extent.of(EnrollmentStep.objects.to_end(), "enrollment__workspace")
    for pk in _overdue(steps, extent, PURSUED_WITHIN).values_list("pk", flat=True).iterator():
        yield Breach(f"partner step {pk}", "is over, and nobody has told its partner for a quarter of an hour")


def _overdue(steps: QuerySet[EnrollmentStep], extent: Extent, within: dt.timedelta) -> QuerySet[EnrollmentStep]:
    """Return steps that will never be due, or have been due for too long. A partner that has just failed to answer is
    asked about one learner at a time, so its others wait.
    """
    late = Q(next_attempt_at__lt=extent.now - within)
    silent = Q(provider__silent_until__gte=extent.now - PURSUED_WITHIN)
    return steps.filter(Q(next_attempt_at=None) | (late & ~silent))


def the_partners_inbox_is_handled(extent: Extent) -> Iterator[Breach]:
    """A partner's message has been applied, or will be; waiting for a learner to be known is no breach."""
    events = extent.of(PartnerEvent.objects.filter(handled_at=None), "provider__workspace")
    for pk in events.filter(next_attempt_at__lt=extent.now - PURSUED_WITHIN).values_list("pk", flat=True).iterator():
        yield Breach(f"partner event {pk}", "is due, and nobody has applied it for a quarter of an hour")


def certificates_iff_complete(extent: Extent) -> Iterator[Breach]:
    """An enrollment that finished its steps and owes nothing has a certificate unless it was revoked; no others do."""
    groups = EnrollmentStep.objects.current().filter(enrollment=OuterRef("pk")).values("item__group")
    counted = groups.annotate(done=Count("pk", filter=Q(status__in=DONE)))
    needed = Coalesce(Max("item__group__at_least"), Count("pk"))
    unsatisfied = counted.annotate(needed=needed).filter(done__lt=F("needed"))
    enrollments = extent.of(Enrollment.objects.filter(partner_steps__isnull=False).distinct(), "workspace")
    earned = enrollments.filter(
        ~Exists(unsatisfied),
        participation_status=ParticipationStatus.COMPLETED,
        payment_status__in=FUNDED,
        deleted_at=None,
    )
    certificates = Certificate.objects.filter(enrollment=OuterRef("pk"))
    last = certificates.order_by("-pk").values("revocation")[:1]
    lacking = earned.annotate(last=Coalesce(Subquery(last), Value("none"))).exclude(last__in=["", Revocation.WITHDRAWN])
    for pk in lacking.values_list("pk", flat=True).iterator():
        yield Breach(f"enrollment {pk}", "is completed and paid, and has no certificate")
    live = extent.of(Certificate.objects.live(), "enrollment__workspace")
    for pk in live.exclude(enrollment__in=earned.values("pk")).values_list("pk", flat=True).iterator():
        yield Breach(f"certificate {pk}", "is valid, and its enrollment is not completed and paid")


def nudges_keep_their_distance(extent: Extent) -> Iterator[Breach]:
    """Nobody is nudged about the same thing again within a week, or after they stopped it."""
    nudges = extent.of(Nudge.objects.filter(last_sent_at__isnull=False), "workspace")
    soon = nudges.filter(next_attempt_at__lt=F("last_sent_at") + WEEK)
    for pk in soon.values_list("pk", flat=True).iterator():
        yield Breach(f"nudge {pk}", "is due within a week of the one before")
    unwanted = nudges.filter(stopped_at__lt=F("last_sent_at"))
    for pk in unwanted.values_list("pk", flat=True).iterator():
        yield Breach(f"nudge {pk}", "was sent after its receiver had stopped it")


def field_maps_hold(extent: Extent) -> Iterator[Breach]:
    """A partner's field map names our fields, and no two of them have the same path."""
    mapped = extent.of(Provider.objects.exclude(field_map={}), "workspace")
    for pk, field_map in mapped.values_list("pk", "field_map").iterator():
        if faults := find_faults(field_map):
            yield Breach(f"partner {pk}", f"has a field map that does not hold at {faults[0].field or 'all'}")


INVARIANTS: tuple[Invariant, ...] = (
    steps_follow_one_version,
    step_statuses_follow_their_history,
    groups_in_order_have_one_active_step,
    open_steps_belong_to_active_learners,
    active_learners_have_something_to_do,
    queued_steps_are_pursued,
    learners_in_progress_are_asked_about,
    partners_let_go_of_who_left,
    the_partners_inbox_is_handled,
    certificates_iff_complete,
    nudges_keep_their_distance,
    field_maps_hold,
)
