"""What learners bought, and the places they have: read-only here, and changed by buttons."""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.models import Learner
from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action
from backoffice.display import (
    Card,
    Neighbor,
    admin_url,
    badge,
    link_column,
    neighbor,
    neighbors_of,
    register_subject,
    status_badge,
)
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, actor_of
from billing.admin.currencies import CurrencyFilter
from billing.models import Payment
from core.clock import utc_now
from core.numbers import counted
from enrollments.models import Enrollment
from events.models import OutboxEvent

from ..learning.booking import Selection, book_sessions
from ..learning.stranded import labels_of
from ..models import Cohort, CohortPlace, StepProgress, StudentPackage, StudentPackageQuerySet
from ..queries import stranded_progress, unbooked_steps
from ..sale.transfer import Stranded, move_package, stranded_steps
from ..states import DONE, StepStatus
from .display import meeting_time, step_badge
from .previews import foresee_bookings, foresee_move
from .progress import describe_choice

SESSIONS_SHOWN = 10

register_subject("package", StudentPackage)
register_subject("place", CohortPlace)


class LiveFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("live", "Live"),
            ("completed", "Completed"),
            ("to_book", "With a step to book"),
            ("stranded", "With a step that can't be booked"),
            ("revoked", "Revoked"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        packages = cast(StudentPackageQuerySet, queryset)
        live = packages.live()
        unbooked = StepProgress.objects.filter(status=StepStatus.UNBOOKED)
        stranded = stranded_progress(utc_now())
        rows = {
            "live": live,
            "completed": live.filter(completed_at__isnull=False),
            "to_book": live.filter(progress__in=unbooked.exclude(pk__in=stranded)).distinct(),
            "stranded": live.filter(progress__in=stranded).distinct(),
            "revoked": packages.revoked(),
        }
        return rows.get(self.value() or "", queryset)


class CohortChoice(forms.ModelChoiceField):
    def label_from_instance(self, obj: Cohort) -> str:
        return f"{obj}, {obj.start_date} to {obj.end_date}, {counted(obj.places_left, 'place')} left"


class MoveForm(StaffForm):
    cohort = CohortChoice(queryset=Cohort.objects.none(), label="To cohort")
    stranded = forms.ChoiceField(
        choices=[("", "---------"), *Stranded.choices],
        required=False,
        label="Required steps without a session there",
        help_text="Choose this only if the new cohort has no session left for a step. The family is told.",
    )
    excuse = forms.CharField(max_length=300, required=False, label="Why they are excused", help_text="For staff only.")

    def prepare(self) -> None:
        bound = self.fields["cohort"]
        assert isinstance(bound, CohortChoice)
        bound.queryset = other_cohorts(self.row)

    def clean(self) -> dict[str, Any]:
        """Warn before anything is moved about steps that could never be booked in the new cohort."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        cohort = cleaned.get("cohort")
        if cohort is None:
            return cleaned
        lost = stranded_steps(package=self.row, cohort=cohort, now=utc_now())
        if lost and not cleaned.get("stranded"):
            self.add_error(
                "stranded", f"{cohort} has no session left for {labels_of(lost)}. Choose what becomes of that."
            )
        if lost and cleaned.get("stranded") == Stranded.EXCUSE and not cleaned.get("excuse", "").strip():
            self.add_error("excuse", f"Say why {labels_of(lost)} counts as attended.")
        return cleaned


def other_cohorts(package: StudentPackage) -> QuerySet[Cohort]:
    """Return where the learner could be moved: the course's other cohorts that are not over and have a free place."""
    possible = Cohort.objects.not_over(now=utc_now()).with_room()
    others = possible.filter(instance__program=package.program_id).exclude(pk=package.cohort_id)
    return others.order_by("start_date", "id")


class BookingForm(StaffForm):
    """A field for every step that waits to be booked; a step whose field is left empty keeps waiting."""

    def prepare(self) -> None:
        for step, sessions in unbooked_steps(self.row, now=utc_now()):
            choices = [(str(session.option_id), describe_choice(session.class_session)) for session in sessions]
            self.fields[f"step_{step.pk}"] = forms.ChoiceField(
                choices=[("", "Later"), *choices], required=False, label=str(step)
            )

    def selections(self) -> list[Selection]:
        chosen = ((name.removeprefix("step_"), option) for name, option in self.cleaned_data.items() if option)
        return [Selection(int(step), int(option)) for step, option in chosen]


@admin.register(StudentPackage)
class StudentPackageAdmin(WorkspaceScopedAdmin):
    workspace_path = "program__workspace"
    ordering = ("-purchased_at", "-id")
    list_display = ("learner_name", "name", "state", "done", "purchased_at")
    list_filter = (
        LiveFilter,
        ("program__workspace", ScopedRelatedFilter),
        ("program", ScopedRelatedFilter),
        ("cohort", ScopedRelatedFilter),
        ("payment__currency", CurrencyFilter),
        "purchased_at",
    )
    list_select_related = ("learner", "program", "cohort")
    search_through = ("enrollment",)
    search_help_text = "Learner's name, email or external id; number, enrollment's CUID"
    date_hierarchy = "purchased_at"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("state", "done"),
                    ("learner_link", "cohort_link"),
                    ("enrollment_link", "payment_link"),
                    ("purchased_at", "expires_at"),
                    ("completed_at",),
                )
            },
        ),
        ("Taken back", {"fields": (("revoked_at", "revoke_reason"),), "classes": ("collapse",)}),
    )
    actions_detail = ("book_steps", "move")
    learner_link = link_column("learner", "learner")
    cohort_link = link_column("cohort", "cohort")
    enrollment_link = link_column("enrollment", "enrollment")
    payment_link = link_column("payment", "payment (refund there)")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        progress = StepProgress.objects.select_related("step").order_by("step__order")
        return super().get_queryset(request).prefetch_related(Prefetch("progress", progress))

    def describe(self, row: StudentPackage) -> str:
        return f"{row.learner}, {row}"

    def tell_state(self, row: StudentPackage) -> str:
        return "revoked" if row.revoked_at else "completed" if row.completed_at else "live"

    @display(description="learner", ordering="learner__last_name", header=True)
    def learner_name(self, package: StudentPackage) -> tuple[str, str]:
        return str(package.learner), package.learner.email

    @display(description="state", ordering="revoked_at")
    def state(self, package: StudentPackage) -> SafeString:
        if package.revoked_at:
            return badge("revoked", "Revoked")
        return badge("completed", "Completed") if package.completed_at else badge("active", "Live")

    @display(description="attended")
    def done(self, package: StudentPackage) -> str:
        statuses = [row.status for row in package.progress.all()]
        return f"{sum(status in DONE for status in statuses)} of {len(statuses)}"

    @staff_action(
        description="Book sessions",
        power=Power.DECIDE,
        possible=lambda package: package.is_live and bool(unbooked_steps(package, now=utc_now())),
        form=BookingForm,
        preview=foresee_bookings,
        icon="event_available",
        variant=ActionVariant.PRIMARY,
        explanation="Books all sessions that you choose for the learner, or none if one of them is full.",
    )
    def book_steps(self, request: HttpRequest, package: StudentPackage, form: StaffForm) -> str:
        assert isinstance(form, BookingForm)
        done = book_sessions(package_id=package.pk, selections=form.selections(), now=utc_now())
        return f"{self.describe(package)}: {counted(len(done.booked), 'session')} booked."

    @staff_action(
        description="Move to another cohort",
        power=Power.DECIDE,
        possible=lambda package: package.is_live and other_cohorts(package).exists(),
        form=MoveForm,
        preview=foresee_move,
        icon="swap_horiz",
        explanation="The learner takes a place in the new cohort, and the old place goes to the next in line. "
        "Sessions not yet "
        "attended are given back, and steps that leave no choice are booked again.",
    )
    def move(self, request: HttpRequest, package: StudentPackage, form: StaffForm) -> str:
        chosen = form.cleaned_data
        moved = move_package(
            package_id=package.pk,
            cohort_id=chosen["cohort"].pk,
            stranded=Stranded(chosen["stranded"]) if chosen["stranded"] else None,
            excuse=chosen["excuse"],
            actor=actor_of(request),
            now=utc_now(),
        )
        return f"{package.learner} is in {moved.cohort} now."


@neighbors_of(StudentPackage)
def steps_of_package(request: HttpRequest, package: StudentPackage) -> Card:
    rows = package.progress.select_related("step", "class_session__group_class").order_by("step__order")
    return Card("Steps", [_step(row) for row in rows], wide=True)


def _step(row: StepProgress) -> Neighbor:
    session = row.class_session
    note = f"{session.group_class}, {meeting_time(session)}" if session else ""
    return Neighbor(title=row.step, url=admin_url(row), badge=step_badge(row.status), note=note)


@neighbors_of(StudentPackage)
def origin_of_package(request: HttpRequest, package: StudentPackage) -> Card:
    rows = [
        neighbor(package.place, title="Place", status="status", at=package.place.taken_at),
        neighbor(package.enrollment, title="Enrollment", status="eligibility_status"),
    ]
    if package.payment:
        rows.append(neighbor(package.payment, status="status", at=package.payment.paid_at))
    return Card("Origin", rows)


@neighbors_of(StudentPackage)
def events_of_package(request: HttpRequest, package: StudentPackage) -> Card:
    events = OutboxEvent.objects.filter(aggregate=f"package:{package.pk}").order_by("-sequence")[:10]
    rows = [
        neighbor(event, title=f"{event.sequence}. {event.type}", status="relay_status", at=event.occurred_at)
        for event in events
    ]
    return Card("Latest events", rows)


@admin.register(CohortPlace)
class CohortPlaceAdmin(WorkspaceScopedAdmin):
    """Only use cases hold, take, and release places."""

    workspace_path = "cohort__instance__workspace"
    list_display = ("learner_link", "cohort_name", "status_label", "created_at", "held_until", "taken_at")
    list_display_links = ("cohort_name",)
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("cohort__instance__workspace", ScopedRelatedFilter),
        ("cohort__instance__program", ScopedRelatedFilter),
        ("cohort", ScopedRelatedFilter),
        "created_at",
    )
    list_select_related = ("learner", "cohort__instance__program")
    search_through = ("learner", "enrollment", "checkout")
    search_help_text = "Learner's name or email, number, enrollment's CUID, payer, Stripe session"
    date_hierarchy = "created_at"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("status_label", "cohort_link"),
                    ("learner_link", "enrollment_link"),
                    ("checkout_link", "held_until"),
                )
            },
        ),
        ("Times", {"fields": (("created_at", "taken_at"), ("released_at", "release_reason"))}),
    )
    status_label = status_badge("status")
    learner_link = link_column("learner", "learner")
    cohort_link = link_column("cohort", "cohort")
    enrollment_link = link_column("enrollment", "enrollment")
    checkout_link = link_column("checkout", "checkout")

    def describe(self, row: CohortPlace) -> str:
        return f"{row.learner}: {self.cohort_name(row)}"

    @display(description="cohort", ordering="cohort__name")
    def cohort_name(self, place: CohortPlace) -> str:
        return f"{place.cohort.instance.program}, {place.cohort}"


@neighbors_of(CohortPlace)
def outcome_of_place(request: HttpRequest, place: CohortPlace) -> Card:
    packages = place.packages.select_related("payment").order_by("-purchased_at", "-id")
    rows = [neighbor(package, note="revoked" if package.revoked_at else "") for package in packages]
    entry = getattr(place, "waitlist_entry", None)
    if entry is not None:
        rows.append(neighbor(entry, status="status", at=entry.offer_expires_at))
    return Card("Outcome", rows, empty="Nothing yet.")


@neighbors_of(Learner)
def courses_of_learner(request: HttpRequest, learner: Learner) -> Card:
    packages = learner.packages.order_by("-purchased_at", "-id")[:20]
    rows = [
        neighbor(package, note="revoked" if package.revoked_at else "", at=package.purchased_at) for package in packages
    ]
    waiting = learner.waitlist_entries.select_related("cohort").order_by("-id")[:10]
    rows += [neighbor(entry, status="status", at=entry.created_at) for entry in waiting]
    return Card("Courses", rows)


@neighbors_of(Learner)
def sessions_of_learner(request: HttpRequest, learner: Learner) -> Card:
    """Return the card of coming sessions, the next one first, followed by missed ones."""
    theirs = StepProgress.objects.filter(package__learner=learner, package__revoked_at=None)
    theirs = theirs.select_related("step", "class_session__group_class").order_by("class_session__starts_at", "id")
    coming = theirs.filter(status=StepStatus.BOOKED, class_session__ends_at__gte=utc_now())[:SESSIONS_SHOWN]
    missed = theirs.filter(status=StepStatus.MISSED)[:SESSIONS_SHOWN]
    return Card("Sessions", [_step(row) for row in (*coming, *missed)], empty="No session is booked or was missed.")


@neighbors_of(Enrollment)
def packages_of_enrollment(request: HttpRequest, enrollment: Enrollment) -> Card:
    places = enrollment.places.select_related("cohort", "checkout").prefetch_related(
        Prefetch("packages", StudentPackage.objects.order_by("-purchased_at", "-id"))
    )
    rows = []
    for place in places.order_by("-id")[:10]:
        rows.append(neighbor(place, title=place.cohort, status="status", at=place.taken_at or place.created_at))
        rows += [neighbor(package, at=package.purchased_at) for package in place.packages.all()]
    return Card("Places in cohorts", rows)


@neighbors_of(Payment)
def packages_of_payment(request: HttpRequest, payment: Payment) -> Card:
    packages = payment.packages.select_related("learner").order_by("-purchased_at", "-id")
    return Card(
        "Courses it paid for",
        [neighbor(package, note=package.learner, at=package.purchased_at) for package in packages],
    )
