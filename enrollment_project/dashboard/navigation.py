"""The sidebar of the back office and the tabs of related lists, limited to the workspaces of the person looking."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.urls import reverse

from accounts.models import (
    ApiKey,
    Consent,
    ConsentText,
    Guardian,
    GuardianInvitation,
    Lead,
    Learner,
    LearnerMerge,
    Membership,
    NameChange,
    StaffInvitation,
    StaffTask,
    User,
    Workspace,
)
from accounts.roles import Power
from accounts.states import TaskStatus
from backoffice.display import page_url
from backoffice.models import AuditEntry, Export
from backoffice.scoping import access_of
from billing.models import (
    Checkout,
    Discount,
    Dispute,
    Invoice,
    LedgerLine,
    Mismatch,
    MonthClose,
    Payment,
    Payout,
    PayoutLine,
    Price,
    ReconciliationRun,
    Refund,
    Seller,
    StripeEvent,
    Voucher,
)
from cohorts.models import (
    ClassSession,
    Cohort,
    CohortPlace,
    CourseStep,
    GroupClass,
    StepProgress,
    StudentPackage,
    WaitlistEntry,
)
from core.models import IdempotencyRecord
from demo.progress import loaded_percent
from enrollments.models import (
    AllocationChange,
    Application,
    District,
    DistrictSeatAllocation,
    Enrollment,
    EnrollmentDecision,
    EnrollmentTransition,
    EvaluationJob,
    HeldReview,
    IdleSeat,
    ImportJob,
    Inquiry,
    PlannedExit,
    Program,
    ProgramInstance,
    ProposedSeats,
    ReviewReason,
    SeatAssignment,
    WhatIf,
)
from enrollments.queries import awaiting_review
from events.models import OutboxEvent, WebhookDelivery, WebhookEndpoint
from notifications.models import Notification, WorkspaceLetter
from operations.models import Backup, Examination, Finding
from partners.models import Certificate, EnrollmentStep, Nudge, PartnerEvent, PartnerSequence, Provider
from privacy.models import Erasure, Retention

OPERATIONS = "Operations"
BADGE_CAP = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One sidebar entry: a model's list, optionally filtered; another page of the model; or the page of a `route` that
    shows several models.

    People see it if they have the `power` in some workspace, since it is of no use to others, and may view the page.
    Less-used lists are `beside` it: they appear as tabs on its list and on one another's.
    """

    title: str
    icon: str
    model: type[models.Model]
    query: str = ""
    badge: str = ""
    page: str = "changelist"
    power: Power = Power.VIEW
    route: str = ""
    beside: tuple["Entry", ...] = ()

    @property
    def is_list(self) -> bool:
        return self.page == "changelist" and not self.route


# Ordered by what is used daily. The last group is for the people who keep things running; it starts collapsed.
NAVIGATION: dict[str, tuple[Entry, ...]] = {
    "Today": (
        Entry("Review queue", "inbox", Enrollment, badge="awaiting_review", page="review", power=Power.DECIDE),
        Entry(
            "Staff tasks", "task_alt", StaffTask, query="?status__exact=open", badge="open_tasks", power=Power.ASSIST
        ),
        Entry("Stuck learners", "hourglass_disabled", EnrollmentStep, query="?stuck=yes", power=Power.DECIDE),
        Entry("Sessions this week", "event", ClassSession, query="?when=week"),
    ),
    "Enrollment": (
        Entry(
            "Learners",
            "face",
            Learner,
            beside=(
                Entry("Guardians", "family_restroom", Guardian),
                Entry("Guardians invited", "mark_email_unread", GuardianInvitation),
                Entry("Leads", "person_search", Lead),
                Entry("Merged learners", "merge", LearnerMerge),
                Entry("Changed names", "badge", NameChange),
                Entry("Consents", "draw", Consent),
                Entry("Erasures", "delete_forever", Erasure, power=Power.MANAGE),
            ),
        ),
        Entry(
            "Enrollments",
            "how_to_reg",
            Enrollment,
            beside=(
                Entry("Applications", "edit_document", Application),
                Entry("Decisions", "alt_route", EnrollmentDecision),
                Entry("Held answers", "hourglass_top", HeldReview, query="?status__exact=held"),
                Entry("Questions to families", "contact_support", Inquiry, query="?status__exact=open"),
                Entry("Planned exits", "logout", PlannedExit, query="?status__exact=planned"),
                Entry("Certificates", "workspace_premium", Certificate),
                Entry("History", "history", EnrollmentTransition),
            ),
        ),
        Entry(
            "Imports",
            "upload_file",
            ImportJob,
            power=Power.MANAGE,
            beside=(Entry("Evaluations", "rule", EvaluationJob),),
        ),
        Entry("Exports", "download", Export),
    ),
    "Courses": (
        Entry(
            "Cohorts",
            "groups",
            Cohort,
            beside=(
                Entry("Places", "chair", CohortPlace),
                Entry("Waiting list", "hourglass_top", WaitlistEntry),
            ),
        ),
        Entry("Packages", "inventory_2", StudentPackage, beside=(Entry("Bookings", "fact_check", StepProgress),)),
        Entry(
            "Class sessions",
            "calendar_view_week",
            ClassSession,
            beside=(Entry("Group classes", "co_present", GroupClass),),
        ),
    ),
    "Partners": (
        Entry("Partner pipeline", "conveyor_belt", Provider, page="pipeline"),
        Entry("Partner steps", "steps", EnrollmentStep),
        Entry(
            "Partners",
            "handshake",
            Provider,
            power=Power.DECIDE,
            beside=(
                Entry("Sequences", "account_tree", PartnerSequence),
                Entry("Nudges", "notifications", Nudge),
            ),
        ),
    ),
    "Districts": (
        Entry(
            "Seats",
            "event_seat",
            DistrictSeatAllocation,
            beside=(
                Entry("Seat holders", "airline_seat_recline_normal", SeatAssignment),
                Entry("Idle seats", "bedtime", IdleSeat, query="?status__exact=asked"),
                Entry("Seat changes", "history", AllocationChange),
            ),
        ),
        Entry("Districts", "domain", District),
        Entry(
            "What-ifs",
            "psychology_alt",
            WhatIf,
            power=Power.MANAGE,
            beside=(Entry("Proposed seats", "rule", ProposedSeats),),
        ),
    ),
    "Money": (
        Entry(
            "Payments",
            "payments",
            Payment,
            beside=(
                Entry("Refunds", "undo", Refund),
                Entry("Disputes", "gavel", Dispute),
                Entry("Checkouts", "shopping_cart", Checkout),
                Entry("Payout lines", "account_balance", PayoutLine),
            ),
        ),
        Entry("Invoices", "receipt_long", Invoice),
        Entry(
            "Mismatches",
            "balance",
            Mismatch,
            query="?settled_at__isempty=1",
            power=Power.MONEY,
            beside=(
                Entry("Day by day", "calendar_month", Mismatch, route="money-days"),
                Entry("Closed months", "lock", MonthClose),
                Entry("Ledger", "menu_book", LedgerLine),
            ),
        ),
    ),
    "Set up": (
        Entry(
            "Programs",
            "menu_book",
            Program,
            beside=(
                Entry("Program instances", "calendar_month", ProgramInstance),
                Entry("Course steps", "format_list_numbered", CourseStep),
                Entry("Reasons for rejection", "speaker_notes", ReviewReason),
            ),
        ),
        Entry(
            "Prices",
            "sell",
            Price,
            power=Power.MONEY,
            beside=(
                Entry("Sellers", "storefront", Seller),
                Entry("Vouchers", "confirmation_number", Voucher),
                Entry("Discounts", "percent", Discount),
            ),
        ),
        Entry(
            "Email wording",
            "edit_note",
            WorkspaceLetter,
            power=Power.MANAGE,
            beside=(Entry("Consent texts", "contract", ConsentText),),
        ),
        Entry(
            "Staff",
            "badge",
            Membership,
            power=Power.GOVERN,
            beside=(
                Entry("Staff invited", "forward_to_inbox", StaffInvitation),
                Entry("Accounts", "account_circle", User),
            ),
        ),
        Entry(
            "Workspaces",
            "workspaces",
            Workspace,
            power=Power.GOVERN,
            beside=(Entry("Data retention", "auto_delete", Retention),),
        ),
        Entry("API keys", "key", ApiKey, power=Power.GOVERN),
    ),
    OPERATIONS: (
        Entry("Emails", "mail", Notification, power=Power.ASSIST),
        Entry("Audit log", "policy", AuditEntry, power=Power.GOVERN),
        Entry(
            "Webhook endpoints",
            "webhook",
            WebhookEndpoint,
            power=Power.MANAGE,
            beside=(Entry("Webhook deliveries", "send", WebhookDelivery),),
        ),
        Entry("Events", "outbox", OutboxEvent, power=Power.MANAGE),
        Entry("Partners' inbox", "move_to_inbox", PartnerEvent, power=Power.MANAGE),
        Entry(
            "Stripe inbox",
            "move_to_inbox",
            StripeEvent,
            power=Power.OPERATE,
            beside=(
                Entry("Reconciliations", "fact_check", ReconciliationRun),
                Entry("Payouts", "account_balance", Payout),
            ),
        ),
        Entry(
            "Doctor's findings",
            "stethoscope",
            Finding,
            query="?gone_at__isempty=1",
            power=Power.OPERATE,
            beside=(Entry("Examinations", "fact_check", Examination),),
        ),
        Entry("Backups", "backup", Backup, power=Power.OPERATE),
        Entry("Idempotency records", "fingerprint", IdempotencyRecord, power=Power.OPERATE),
    ),
}


def every_entry() -> list[Entry]:
    """Return the sidebar's entries, each followed by those beside it, in the order of the sidebar."""
    return [each for entries in NAVIGATION.values() for entry in entries for each in (entry, *entry.beside)]


ICONS = {entry.model: entry.icon for entry in reversed(every_entry())}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Build the sidebar with the person's own entries and the counts of what waits for them."""
    badges = badges_of(request)
    access = access_of(request)
    dashboard = {"title": "Dashboard", "icon": "space_dashboard", "link": reverse("admin:index")}
    groups: list[dict[str, Any]] = [{"title": "", "items": [dashboard]}]
    for title, entries in NAVIGATION.items():
        mine = [entry for entry in entries if access.may_anywhere(entry.power) and _may_view(request, entry.model)]
        if mine:
            items = [_item(request, entry, badges) for entry in mine]
            groups.append({"title": title, "separator": True, "collapsible": title == OPERATIONS, "items": items})
    return groups


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the tabs of related lists if the current page is one of them."""
    groups = [(entry, *entry.beside) for entries in NAVIGATION.values() for entry in entries if entry.beside]
    return [
        {
            "models": [str(entry.model._meta) for entry in group],
            "items": [
                {"title": entry.title, "link": path_of(entry) + entry.query, "active": _is_open(request, entry)}
                for entry in group
                if _may_view(request, entry.model)
            ],
        }
        for group in groups
        if request.path in {*map(path_of, group), *(page_url(entry.model, "changelist") for entry in group)}
    ]


def every_page(request: HttpRequest) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return every page that this person may see as (title, address), by the groups of the sidebar."""
    found = []
    for title, entries in NAVIGATION.items():
        pages = [each for entry in entries for each in (entry, *entry.beside) if _may_view(request, each.model)]
        if pages:
            found.append((title, [(page.title, path_of(page) + page.query) for page in pages]))
    return found


def badges_of(request: HttpRequest) -> dict[str, int]:
    """Count what waits in all workspaces of the person looking, up to the number a badge has room for."""
    access = access_of(request)
    enrollments = access.limit(Enrollment.objects.kept().order_by(), path="workspace", power=Power.VIEW)
    tasks = access.limit(
        StaffTask.objects.filter(status=TaskStatus.OPEN).order_by(), path="workspace", power=Power.VIEW
    )
    return {
        "awaiting_review": awaiting_review(enrollments)[:BADGE_CAP].count(),
        "open_tasks": tasks[:BADGE_CAP].count(),
    }


def _may_view(request: HttpRequest, model: type[models.Model]) -> bool:
    return admin.site.get_model_admin(model).has_module_permission(request)


def _item(request: HttpRequest, entry: Entry, badges: dict[str, int]) -> dict[str, Any]:
    item = {
        "title": entry.title,
        "icon": entry.icon,
        "link": path_of(entry) + entry.query,
        "active": any(_is_open(request, each) for each in (entry, *entry.beside)),
    }
    waiting = badges.get(entry.badge, 0)
    return {**item, "badge": f"{waiting:,}", "badge_variant": "warning"} if waiting else item


def _is_open(request: HttpRequest, entry: Entry) -> bool:
    """Return whether the current page is this entry's page, or the page of a row of its list."""
    path = path_of(entry)
    if not request.path.startswith(path):
        return False
    pages = tuple(_pages_of_their_own())
    queues = _queues_of(entry.model)
    filtered = request.GET.urlencode() == entry.query.removeprefix("?")
    is_elsewhere = not entry.query and f"?{request.GET.urlencode()}" in queues
    return (path in pages or not request.path.startswith(pages)) and (
        filtered if entry.query and entry.page == "changelist" and len(queues) > 1 else not is_elsewhere
    )


def page_of_its_own_at(path: str) -> Entry | None:
    """Return the entry that is not a list and whose page, or one below it, is at this path."""
    return next((entry for own, entry in _pages_of_their_own().items() if path.startswith(own)), None)


@cache
def _pages_of_their_own() -> dict[str, Entry]:
    """Return the entries that are not lists by their addresses."""
    return {path_of(entry): entry for entry in every_entry() if not entry.is_list}


@cache
def _queues_of(model: type[models.Model]) -> tuple[str, ...]:
    """Return the filters that the entries for this model's list use."""
    return tuple(entry.query for entry in every_entry() if entry.model is model and not entry.route)


@cache
def path_of(entry: Entry) -> str:
    return reverse(entry.route) if entry.route else page_url(entry.model, entry.page)


def environment(request: HttpRequest) -> list[str] | None:
    """Return the label next to the user: with stand-ins for the vendors, no real money moves."""
    if not settings.SANDBOX:
        return None
    percent = loaded_percent()
    return ["Sandbox" if percent is None else f"Demo data: {percent} % loaded", "warning"]
