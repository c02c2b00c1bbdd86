"""Cohorts: their terms, their size, and who has which place."""

from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action
from backoffice.display import Guide, admin_url, badge, guides_from, link_column, staff_moment
from backoffice.guided import list_link, row_link
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin
from billing.models import Price
from core.clock import utc_now
from core.numbers import counted

from ..course.replanning import change_cohort_zone, change_dates
from ..course.scheduling import clock_notes, clone_cohort, schedule_cohort, unscheduled_options
from ..models import HAS_ROOM, Cohort, CohortQuerySet, CourseStep, GroupClass
from ..queries import with_sessions_left
from ..sale.opening import change_capacity, close_cohort, open_cohort, serve_waitlist
from .cohort_forms import (
    CapacityForm,
    CloneForm,
    CohortForm,
    CohortZoneForm,
    DatesForm,
    foresee_cohort_zone,
    foresee_dates,
)
from .course_setup import CoursePage, course_setup_url
from .display import place_bar
from .previews import foresee_clone, foresee_closing, foresee_opening, foresee_places, foresee_schedule


class SaleFilter(DropdownFilter):
    """Filters cohorts by whether a learner could enroll now."""

    title = "enrollment"
    parameter_name = "sale"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("open", "Open"),
            ("full", "Full"),
            ("over", "Deadline passed"),
            ("done", "No sessions left"),
            ("off", "Switched off"),
            ("closed", "Closed"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Filter with the same terms as `CohortAdmin.sale`, in the same order."""
        now = utc_now()
        cohorts = cast(CohortQuerySet, queryset)
        started = cohorts.filter(is_active=True)
        in_time = started.before_deadline(now=now)
        going_on = in_time.having_sessions_left(now=now)
        taking = cohorts.taking_enrollments(now=now)
        rows = {
            "open": taking.with_room(),
            "full": taking.exclude(HAS_ROOM),
            "over": started.exclude(pk__in=Cohort.objects.before_deadline(now=now)),
            "done": in_time.exclude(pk__in=Cohort.objects.having_sessions_left(now=now)),
            "off": going_on.exclude(pk__in=Cohort.objects.taking_enrollments(now=now)),
            "closed": cohorts.filter(is_active=False),
        }
        return rows.get(self.value() or "", queryset)


@admin.register(Cohort)
class CohortAdmin(WorkspaceScopedAdmin):
    """Only `places.py` changes the counters, and a button the size; everything else is a form field."""

    workspace_path = "instance__workspace"
    add_power = Power.MANAGE
    change_power = Power.MANAGE
    form = CohortForm
    list_display = ("name", "course", "bar", "sale", "start_date", "end_date", "deadline")
    list_filter = (
        SaleFilter,
        ("instance__workspace", ScopedRelatedFilter),
        ("instance__program", ScopedRelatedFilter),
        ("instance", ScopedRelatedFilter),
        "start_date",
    )
    list_select_related = ("instance__program", "instance__price")
    search_fields = ("=id", "name", "=instance__program__code", "instance__program__title")
    search_help_text = "Number, name, program's code or title"
    date_hierarchy = "start_date"
    ordering = ("-start_date", "-id")
    readonly_fields = ("bar", "sale", "current_enrollment", "held_places", "is_active", "created_at", "course_link")
    actions_list = ("set_up_course",)
    actions_detail = (
        "schedule_sessions",
        "change_places",
        "change_dates",
        "change_zone",
        "open_sale",
        "close_sale",
        "clone",
        "copy_course",
    )
    set_up_course = list_link(
        description="New course",
        power=Power.MANAGE,
        icon="auto_awesome",
        to=course_setup_url,
    )
    copy_course = row_link(
        description="Copy as a new course",
        power=Power.MANAGE,
        icon="library_add",
        to=lambda cohort: course_setup_url(like=cohort.pk),
    )
    course_link = link_column("instance.program", "course")

    def describe(self, row: Cohort) -> str:
        return f"{row.instance.program}, {row}"

    def get_fieldsets(self, request: HttpRequest, obj: Cohort | None = None) -> Any:
        term = ("Term", {"fields": (("start_date", "end_date"), ("timezone", "enrollment_deadline"), "location")})
        if obj is None:
            return ((None, {"fields": ("instance", ("name", "max_enrollment"))}), term)
        return (
            (None, {"fields": (("bar", "sale"), ("course_link", "instance"), "name")}),
            term,
            (
                "Places",
                {
                    "fields": (("max_enrollment", "current_enrollment", "held_places"), ("is_active", "created_at")),
                    "classes": ("collapse",),
                },
            ),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Cohort | None = None) -> list[str]:
        """Buttons change size, dates, and time zone, and say what that means for the learners in the cohort."""
        by_button = ["max_enrollment", "start_date", "end_date", "timezone"]
        return [*super().get_readonly_fields(request, obj), *(by_button if obj else [])]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return with_sessions_left(super().get_queryset(request), now=utc_now())

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.set_up_page)
        return [path("course/", page, name="cohorts_cohort_course"), *super().get_urls()]

    def set_up_page(self, request: HttpRequest) -> HttpResponse:
        return CoursePage(self, request).answer()

    def save_model(self, request: HttpRequest, obj: Cohort, form: Any, change: bool) -> None:
        """Save only the edited fields: the counters may have changed since the page was opened."""
        if not change:
            super().save_model(request, obj, form, change)
            messages.info(
                request, f"{obj} is closed: nobody sees it until you open it. Its page lists what is missing."
            )
            return
        edited = set(form.changed_data)
        obj.save(update_fields=edited)
        if "enrollment_deadline" in edited:
            serve_waitlist(cohort_id=obj.pk, now=utc_now())
            if form.deadline is not None and form.deadline.note:
                messages.warning(request, form.deadline.note)

    @display(description="course", ordering="instance__program__title")
    def course(self, cohort: Cohort) -> str:
        return str(cohort.instance.program)

    @display(description="places", ordering=F("current_enrollment") + F("held_places"))
    def bar(self, cohort: Cohort) -> SafeString:
        return place_bar(cohort)

    @display(description="deadline", ordering="enrollment_deadline")
    def deadline(self, cohort: Cohort) -> str:
        if cohort.enrollment_deadline is None:
            return "none"
        return staff_moment(cohort.enrollment_deadline, cohort.timezone)

    @display(description="enrollment")
    def sale(self, cohort: Cohort) -> SafeString:
        if not cohort.is_active:
            return badge("closed", "Closed")
        now = utc_now()
        if cohort.is_past_deadline(now):
            return badge("closed", "Deadline passed")
        if not cohort.has_sessions_left(now):
            return badge("closed", "No sessions left")
        if not cohort.takes_enrollments(now):  # its program or its instance is switched off
            return badge("closed", "Switched off")
        return badge("active", "Open") if cohort.has_room else badge("failed", "Full")

    @staff_action(
        description="Schedule sessions",
        power=Power.MANAGE,
        possible=lambda cohort: unscheduled_options(cohort).exists(),
        preview=foresee_schedule,
        icon="calendar_add_on",
        variant=ActionVariant.PRIMARY,
        explanation="Puts every class of every step on the calendar unless it is there already. Step n meets in week "
        "n.",
    )
    def schedule_sessions(self, request: HttpRequest, cohort: Cohort, form: StaffForm) -> str:
        made = schedule_cohort(cohort_id=cohort.pk)
        for note in clock_notes(made)[:10]:
            messages.warning(request, note)
        return f"{cohort}: {counted(len(made), 'session')} scheduled."

    @staff_action(
        description="Change places",
        power=Power.MANAGE,
        form=CapacityForm,
        preview=foresee_places,
        icon="event_seat",
        explanation="The number can't be lower than the places taken and held. New places go to the waiting list "
        "first.",
    )
    def change_places(self, request: HttpRequest, cohort: Cohort, form: StaffForm) -> str:
        changed = change_capacity(
            cohort_id=cohort.pk, max_enrollment=form.cleaned_data["max_enrollment"], now=utc_now()
        )
        return f"{cohort}: {counted(changed.max_enrollment, 'place')}, {changed.places_left:,} left."

    @staff_action(
        description="Change dates",
        power=Power.MANAGE,
        form=DatesForm,
        preview=foresee_dates,
        icon="date_range",
        explanation="Choose what follows the new dates. You see everything that will move before anything moves.",
    )
    def change_dates(self, request: HttpRequest, cohort: Cohort, form: DatesForm) -> str:
        now = utc_now()
        plan = change_dates(cohort_id=cohort.pk, now=now, **form.plan())
        serve_waitlist(cohort_id=cohort.pk, now=now)
        return f"{cohort} has its new dates; {counted(len(plan.moves), 'session')} moved."

    @staff_action(
        description="Change time zone",
        power=Power.MANAGE,
        form=CohortZoneForm,
        preview=foresee_cohort_zone,
        icon="schedule",
        explanation="Its times are shown, and its days end, in this time zone. Its sessions do not move.",
    )
    def change_zone(self, request: HttpRequest, cohort: Cohort, form: StaffForm) -> str:
        chosen = form.cleaned_data
        changed = change_cohort_zone(
            cohort_id=cohort.pk, timezone=chosen["timezone"], keep_clock=chosen["deadline"] == "clock"
        )
        serve_waitlist(cohort_id=cohort.pk, now=utc_now())
        return f"{cohort} now uses the time zone {changed.timezone}."

    @staff_action(
        description="Open",
        power=Power.MANAGE,
        possible=lambda cohort: not cohort.is_active,
        preview=foresee_opening,
        icon="lock_open",
        variant=ActionVariant.SUCCESS,
        explanation="Learners may enroll from now on, those on the waiting list first. Opening is refused while "
        "something is "
        "missing; the cohort's page lists what.",
    )
    def open_sale(self, request: HttpRequest, cohort: Cohort, form: StaffForm) -> str:
        opened = open_cohort(cohort_id=cohort.pk, now=utc_now())
        return f"{cohort} takes enrollments: {opened.places_left:,} places left."

    @staff_action(
        description="Close",
        power=Power.MANAGE,
        possible=lambda cohort: cohort.is_active,
        preview=foresee_closing,
        icon="lock",
        variant=ActionVariant.DANGER,
        explanation="Nobody else may enroll. Learners who already have a place keep it, and families who are paying "
        "can finish.",
    )
    def close_sale(self, request: HttpRequest, cohort: Cohort, form: StaffForm) -> str:
        close_cohort(cohort_id=cohort.pk)
        return f"{cohort} takes no more enrollments."

    @staff_action(
        description="Clone",
        power=Power.MANAGE,
        form=CloneForm,
        preview=foresee_clone,
        icon="content_copy",
        explanation="The same cohort in another term, with its sessions scheduled; closed until you open it.",
    )
    def clone(self, request: HttpRequest, cohort: Cohort, form: StaffForm) -> HttpResponse:
        clone = clone_cohort(cohort_id=cohort.pk, **form.cleaned_data)
        self.log_addition(request, clone, f"Cloned from {cohort}")
        for note in clock_notes(
            clone.sessions.select_related("cohort", "step", "option__group_class").order_by("step__order", "id")
        )[:10]:
            messages.warning(request, note)
        messages.success(request, f"{clone} has {clone.sessions.count()} sessions. Open it when it is ready.")
        return HttpResponseRedirect(admin_url(clone))


guides_from(
    Cohort,
    CourseStep,
    GroupClass,
    Price,
    guide=Guide(
        "New course",
        "A course with its classes, steps, cohort and price is set up on one page.",
        course_setup_url,
    ),
)
