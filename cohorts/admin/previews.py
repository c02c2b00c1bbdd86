"""Previews with the figures of what the buttons on cohorts, waiting lists, courses, and steps will do."""

from collections.abc import Sequence
from copy import copy
from typing import Any

from backoffice.display import staff_moment
from backoffice.previews import Preview, tell_number, tell_numbers
from core.clock import utc_now
from core.numbers import counted
from core.time_words import day

from ..consequences import (
    tell_completions,
    tell_end_of_sessions,
    tell_freed_place,
    tell_new_seats,
    tell_offers,
    tell_removed_step,
    tell_seat_given_back,
    tell_seat_taken,
)
from ..course.curriculum import refuse_in_use
from ..course.scheduling import (
    Meeting,
    check_seats,
    draft_clone,
    is_worth_telling,
    notes_about,
    plan_meetings,
    refuse_taken_day,
    times_asked,
    unscheduled_options,
)
from ..learning.booking import Selection, plan_booking, refuse_full
from ..learning.completion import tell_early_end
from ..models import (
    ClassSession,
    Cohort,
    CohortPlace,
    CourseStep,
    CourseStepOption,
    StepProgress,
    StudentPackage,
    WaitlistEntry,
)
from ..queries import offered_by_step
from ..sale.readiness import find_gaps
from ..sale.transfer import Stranded, stranded_steps
from ..sale.waitlist import position_of
from ..states import DONE, StepStatus
from .display import meeting_time

NOTES_TOLD = 10
OFFERS = "Families who are offered a place get a mail; nobody else does."


def foresee_places(cohort: Cohort, form: Any) -> Preview:
    """Preview how many places the cohort would have, and who would be offered one."""
    places = form.cleaned_data["max_enrollment"]
    more = places - cohort.max_enrollment
    if more + cohort.places_left < 0:
        used = cohort.current_enrollment + cohort.held_places
        return Preview((f"Not possible. Places taken or held: {used:,}.",))
    return Preview(
        (
            f"{cohort} has {counted(places, 'place')} instead of {cohort.max_enrollment:,}.",
            *tell_offers(cohort, utc_now(), places=more),
        ),
        mails=OFFERS,
    )


def foresee_opening(cohort: Cohort, form: Any) -> Preview:
    """Preview who on the waiting list would be offered a place, or what is still missing."""
    now = utc_now()
    if gaps := find_gaps(cohort=cohort, now=now):
        return Preview(tuple(f"Not possible yet: {gap.text}" for gap in gaps))
    opened = copy(cohort)
    opened.is_active = True  # the state after opening; not saved
    return Preview((f"{cohort} takes enrollments from now on.", *tell_offers(opened, now, places=0)), mails=OFFERS)


def foresee_closing(cohort: Cohort, form: Any) -> Preview:
    """Preview which learners can still finish, and which ones would wait in vain."""
    paying = CohortPlace.objects.in_checkout().filter(cohort=cohort).count()
    waiting = WaitlistEntry.objects.waiting().filter(cohort=cohort).count()
    return Preview(
        (
            f"Learners who keep their place: {cohort.current_enrollment:,}.",
            f"Families who are paying and can finish: {paying:,}.",
            f"Learners in the line who get no offers while it is closed: {waiting:,}.",
        )
    )


def foresee_leaving_the_line(entry: WaitlistEntry, form: Any) -> Preview:
    """Preview who gets the place that is held for the leaving learner, if there is one."""
    told = [f"{entry.learner} is no longer in the line for {entry.cohort}."]
    if entry.place is None:
        return Preview(tuple(told))
    if entry.place.checkout is not None:
        told.append(f"Their payment page over {entry.place.checkout.money} ends, and the place is free then.")
    else:
        told += tell_freed_place(entry.cohort, utc_now())
    return Preview(tuple(told), mails="No other mail is sent.")


def foresee_new_position(entry: WaitlistEntry, form: Any) -> Preview:
    """Preview the old and new positions, and how many other learners move."""
    waiting = WaitlistEntry.objects.waiting().filter(cohort=entry.cohort).count()
    before = position_of(entry)
    after = min(form.cleaned_data["position"], waiting)
    told = [f"{entry.learner} is number {after} of {waiting} in the line, instead of {before}."]
    if before != after:
        told.append(f"Others who move one {'back' if after < before else 'ahead'}: {abs(after - before)}.")
    return Preview(tuple(told))


def foresee_move(package: StudentPackage, form: Any) -> Preview:
    """Preview which place is given up and which is taken, and what happens to the sessions."""
    now = utc_now()
    target = form.cleaned_data["cohort"]
    is_held = CohortPlace.objects.held().filter(cohort=target, learner=package.learner_id).exists()
    left = target.places_left - (not is_held)
    takes = "the place that is held for them" if is_held else "a place"
    told = [
        f"{package.learner} takes {takes} in {target}: {left:,} of {target.max_enrollment:,} are left then.",
        *tell_freed_place(package.cohort, now),
        *tell_end_of_sessions([package]),
    ]
    enrollment = package.enrollment
    told += tell_early_end(instance=enrollment.instance, ends_on=enrollment.last_day, last_day=target.end_date)
    if lost := stranded_steps(package=package, cohort=target, now=now):
        is_excused = form.cleaned_data["stranded"] == Stranded.EXCUSE
        becomes = "count as attended" if is_excused else "wait for another session: you get a task for each"
        told.append(f"Steps that have no session there and {becomes}: {', '.join(step.label for step in lost)}.")
        if is_excused:
            told += tell_completions(package.progress.filter(step__in=lost).values_list("pk", flat=True))
    return Preview(tuple(told), mails="The family gets a mail.")


def foresee_freed_session(row: StepProgress, form: Any) -> Preview:
    """Preview how many free seats the session would have."""
    return Preview((tell_seat_given_back(row.seat),), mails="The family gets a mail.")


def foresee_excuse(row: StepProgress, form: Any) -> Preview:
    """Preview what is given back, and whether that completes the course."""
    told = [f"{row.step.label} counts as attended for {row.package.learner}."]
    if row.class_session is not None:
        told.append(tell_seat_given_back(row.class_session))
    return _with_completions(told, [row.pk])


def foresee_withdrawn_excuse(row: StepProgress, form: Any) -> Preview:
    """Preview how many required steps would be left to attend."""
    required = StepProgress.objects.filter(package=row.package_id, step__required=True)
    left = required.exclude(status__in=DONE).exclude(pk=row.pk).count() + row.step.required
    told = [f"Required steps that {row.package.learner} has to attend then: {left:,}."]
    told += ["The course stays completed."] if row.package.completed_at else []
    return Preview(tuple(told))


def foresee_choice(row: StepProgress, form: Any) -> Preview:
    """Preview which seats would be taken, and which one would be freed. Raises what booking raises."""
    if row.class_session is None:
        return _tell_bookings(row.package, [Selection(row.step_id, form.cleaned_data["option"])])
    offered = offered_by_step(cohort_id=row.package.cohort_id, now=utc_now()).get(row.step_id, [])
    chosen = [each.class_session for each in offered if each.option_id == form.cleaned_data["option"]]
    refuse_full([row.step_id for session in chosen if not session.has_room])
    told = [*(tell_seat_taken(session) for session in chosen), tell_seat_given_back(row.class_session)]
    return Preview(tuple(told), mails="The family gets a mail.")


def foresee_schedule(cohort: Cohort, form: Any) -> Preview:
    """Preview which sessions would be added to the calendar. Raises TermTooShort."""
    return Preview(tuple(_tell_meetings(plan_meetings(cohort, unscheduled_options(cohort)))))


def foresee_clone(cohort: Cohort, form: Any) -> Preview:
    """Preview the new cohort and the sessions it would get. Raises what cloning raises."""
    clone = draft_clone(cohort, **form.cleaned_data)
    options = CourseStepOption.objects.filter(step__program=clone.instance.program_id)
    price = clone.instance.price
    deadline = clone.enrollment_deadline
    told = [
        f"{clone} runs {day(clone.start_date)} to {day(clone.end_date)} and is closed until you open it.",
        f"Places: {clone.max_enrollment:,}. " + (f"Each costs {price.money}." if price else "It has no price yet."),
        f"The enrollment deadline is {staff_moment(deadline, clone.timezone)}."
        if deadline
        else "It has no enrollment deadline.",
    ]
    return Preview((*told, *_tell_meetings(plan_meetings(clone, options))))


def _tell_meetings(meetings: Sequence[Meeting]) -> list[str]:
    """Say how many sessions are added to the calendar and when, how many other cohorts already have, and which times
    the clock skips or shows twice."""
    if not meetings:
        return ["No session is put on the calendar: the course has no classes."]
    days = [meeting.day for meeting in meetings]
    of_classes = {meeting.option.group_class_id for meeting in meetings}
    known = ClassSession.objects.filter(group_class__in=of_classes, date__in=days).values_list("group_class", "date")
    present = set(known)
    shared = sum((meeting.option.group_class_id, meeting.day) in present for meeting in meetings)
    return [
        f"Sessions that are put on the calendar: {len(meetings):,}, from {day(min(days))} to {day(max(days))}.",
        *tell_number("Of these, held already for other cohorts, which share the seats", shared),
        *notes_about(meetings)[:NOTES_TOLD],
    ]


def foresee_bookings(package: StudentPackage, form: Any) -> Preview:
    """Preview which seats are taken: the chosen ones, and the only ones of other steps. Raises what booking raises."""
    return _tell_bookings(package, form.selections())


def _tell_bookings(package: StudentPackage, selections: Sequence[Selection]) -> Preview:
    plan = plan_booking(package=package, selections=selections, now=utc_now())
    refuse_full([step for step, each in plan.chosen.items() if not each.class_session.has_room])
    along = [each.class_session for each in plan.along.values()]
    told = [
        *(tell_seat_taken(each.class_session) for each in plan.chosen.values()),
        *(f"Booked along, as its step leaves no choice: {tell_seat_taken(each)}" for each in along if each.seats_left),
        *(f"Not booked, as no seat is left: {each}." for each in along if not each.seats_left),
    ]
    is_booked = bool(plan.chosen) or any(each.seats_left for each in along)
    return Preview(
        tuple(told) if is_booked else (*told, "Nothing is booked."),
        mails="The family gets a mail." if is_booked else "No mail is sent.",
    )


def foresee_removed_step(step: CourseStep, form: Any) -> Preview:
    """Preview what is removed with the step. Raises StepInUse."""
    refuse_in_use(step)
    told = tell_removed_step(step)
    return Preview(tuple(told), mails="Families of learners who complete the course with it get a mail; others do not.")


def foresee_new_time(session: ClassSession, form: Any) -> Preview:
    """Preview when the session would meet, for whom, and with how many seats. Raises what moving it raises."""
    chosen = form.cleaned_data
    starts_at, ends_at = times_asked(session, chosen["date"], chosen["start_time"], chosen["end_time"])
    check_seats(session, chosen["max_students"])
    told = tell_new_seats(session, chosen["max_students"])
    if (starts_at, ends_at) == (session.starts_at, session.ends_at):
        return Preview(tuple(told or ["It stays as it is."]))
    moved = copy(session)
    moved.starts_at = starts_at  # the new time; not saved
    moved.ends_at = ends_at
    refuse_taken_day(moved)
    cohorts = session.cohort_sessions.values("cohort").distinct().count()
    told = [
        f"{session.group_class} meets {meeting_time(moved)}, instead of {meeting_time(session)}.",
        f"Cohorts that meet there: {cohorts:,}. Learners whose bookings move along: {session.booked_count:,}.",
        *told,
    ]
    is_told = is_worth_telling(session, ends_at, utc_now()) and session.booked_count
    return Preview(
        tuple(told), mails="Their families are told the new time by mail." if is_told else "No mail is sent."
    )


def _with_completions(told: list[str], progress_ids: list[int]) -> Preview:
    completions = tell_completions(progress_ids)
    mails = "A mail about a completed course goes to the family." if completions else "No mail is sent."
    return Preview((*told, *completions), mails=mails)


def foresee_attendance(session: ClassSession, form: Any) -> Preview:
    """Preview how many attended, how many missed it, and whose courses that completes."""
    came = {int(pk) for pk in form.cleaned_data["came"]}
    seated = list(session.bookings.of_live_packages().seated().values_list("pk", "status"))
    present = [pk for pk, _ in seated if pk in came]
    told = [f"Attended: {len(present):,}. Missed: {len(seated) - len(present):,}."]
    marked = {pk: StepStatus.COMPLETED if pk in came else StepStatus.MISSED for pk, _ in seated}
    changed = sum(status != StepStatus.BOOKED and status != marked[pk] for pk, status in seated)
    told += tell_number("Of these, marked otherwise before", changed)
    return _with_completions(told, present)


def foresee_attendances(rows: Sequence[StepProgress], form: Any) -> Preview:
    """Preview whose courses would be completed."""
    return _with_completions(tell_numbers("Attended:", [row.step.label for row in rows]), [row.pk for row in rows])


def foresee_absences(rows: Sequence[StepProgress], form: Any) -> Preview:
    return Preview(tuple(tell_numbers("Missed:", [row.step.label for row in rows])))
