"""The back office as a whole: sidebar and search, each limited to the workspaces of the person looking."""

from dataclasses import dataclass
from typing import Any, cast

from django.conf import settings
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from unfold.dataclasses import SearchResult

from accounts.models import (
    ApiKey,
    Guardian,
    GuardianInvitation,
    Lead,
    Learner,
    LearnerMerge,
    Membership,
    StaffInvitation,
    StaffTask,
    User,
    Workspace,
)
from accounts.roles import Power
from accounts.states import TaskStatus
from backoffice.display import admin_url, page_url
from backoffice.models import AuditEntry, Export
from backoffice.scoping import WorkspaceScopedAdmin, access_of
from billing.models import Checkout, Dispute, Invoice, Payment, Price, ReconciliationRun, Refund, Seller, StripeEvent
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
from partners.models import Certificate, EnrollmentStep, Nudge, PartnerEvent, PartnerSequence, Provider

RESULTS_PER_MODEL = 5
BADGE_CAP = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the sidebar: a model's list, optionally filtered, or another page of the model."""

    title: str
    icon: str
    model: type[models.Model]
    query: str = ""
    badge: str = ""
    page: str = "changelist"


NAVIGATION: dict[str, tuple[Entry, ...]] = {
    "Enrollment": (
        Entry(
            "Review queue",
            "inbox",
            Enrollment,
            badge="awaiting_review",
            page="review",
        ),
        Entry("Enrollments", "how_to_reg", Enrollment),
        Entry("Evaluations", "rule", EvaluationJob),
        Entry("Imports", "upload_file", ImportJob),
        Entry("Planned exits", "logout", PlannedExit, query="?status__exact=planned"),
        Entry("Applications", "edit_document", Application),
        Entry("Decisions", "alt_route", EnrollmentDecision),
        Entry("Certificates", "workspace_premium", Certificate),
        Entry("Programs", "menu_book", Program),
        Entry("Program instances", "calendar_month", ProgramInstance),
        Entry("Questions to families", "contact_support", Inquiry, query="?status__exact=open"),
        Entry("Reasons to reject", "speaker_notes", ReviewReason),
        Entry("History", "history", EnrollmentTransition),
    ),
    "Courses": (
        Entry("Cohorts", "groups", Cohort),
        Entry("Sessions this week", "event", ClassSession, query="?when=week"),
        Entry("Class sessions", "calendar_view_week", ClassSession),
        Entry("Bookings", "fact_check", StepProgress),
        Entry("Packages", "inventory_2", StudentPackage),
        Entry("Waiting list", "hourglass_top", WaitlistEntry),
        Entry("Places", "chair", CohortPlace),
        Entry("Group classes", "co_present", GroupClass),
        Entry("Course steps", "format_list_numbered", CourseStep),
    ),
    "Partners": (
        Entry("Partner pipeline", "conveyor_belt", Provider, page="pipeline"),
        Entry("Stuck learners", "hourglass_disabled", EnrollmentStep, query="?stuck=yes"),
        Entry("Partner steps", "steps", EnrollmentStep),
        Entry("Partners", "handshake", Provider),
        Entry("Sequences", "account_tree", PartnerSequence),
        Entry("Partners' inbox", "move_to_inbox", PartnerEvent),
        Entry("Nudges", "notifications", Nudge),
    ),
    "Districts": (
        Entry("Districts", "domain", District),
        Entry("Seats", "event_seat", DistrictSeatAllocation),
        Entry("Seat holders", "airline_seat_recline_normal", SeatAssignment),
        Entry("Changes of seats", "history", AllocationChange),
        Entry("What-ifs", "psychology_alt", WhatIf),
        Entry("Proposed seats", "rule", ProposedSeats),
    ),
    "Money": (
        Entry("Payments", "payments", Payment),
        Entry("Refunds", "undo", Refund),
        Entry("Invoices", "receipt_long", Invoice),
        Entry("Disputes", "gavel", Dispute),
        Entry("Checkouts", "shopping_cart", Checkout),
        Entry("Prices", "sell", Price),
        Entry("Sellers", "storefront", Seller),
    ),
    "People": (
        Entry("Learners", "face", Learner),
        Entry("Guardians", "family_restroom", Guardian),
        Entry("Guardians invited", "mark_email_unread", GuardianInvitation),
        Entry("Merged learners", "merge", LearnerMerge),
        Entry("Leads", "person_search", Lead),
        Entry("Staff", "badge", Membership),
        Entry("Staff invited", "forward_to_inbox", StaffInvitation),
        Entry("Accounts", "account_circle", User),
    ),
    "Integration": (
        Entry("API keys", "key", ApiKey),
        Entry("Events", "outbox", OutboxEvent),
        Entry("Webhook endpoints", "webhook", WebhookEndpoint),
        Entry("Webhook deliveries", "send", WebhookDelivery),
        Entry("Stripe inbox", "move_to_inbox", StripeEvent),
    ),
    "Operations": (
        Entry("Staff tasks", "task_alt", StaffTask, query="?status__exact=open", badge="open_tasks"),
        Entry("Exports", "download", Export),
        Entry("Audit log", "policy", AuditEntry),
        Entry("Emails", "mail", Notification),
        Entry("Words of emails", "edit_note", WorkspaceLetter),
        Entry("Workspaces", "workspaces", Workspace),
        Entry("Reconciliations", "fact_check", ReconciliationRun),
        Entry("Idempotency records", "fingerprint", IdempotencyRecord),
    ),
}


ICONS = {entry.model: entry.icon for entries in NAVIGATION.values() for entry in reversed(entries)}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar, with what this person may see and what waits for them."""
    badges = badges_of(request)
    dashboard = {"title": "Dashboard", "icon": "space_dashboard", "link": reverse("admin:index")}
    groups: list[dict[str, Any]] = [{"title": "", "items": [dashboard]}]
    for title, entries in NAVIGATION.items():
        items = [_item(request, entry, badges) for entry in entries if _may_view(request, entry.model)]
        if items:
            groups.append({"title": title, "separator": True, "items": items})
    return groups


def badges_of(request: HttpRequest) -> dict[str, int]:
    """How much waits, over all workspaces of the person looking; no further than a badge has room for."""
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
    path = _path(entry)
    pages = [_path(other) for group in NAVIGATION.values() for other in group if other.page != "changelist"]
    queues = (other.query for group in NAVIGATION.values() for other in group if other.model is entry.model)
    filtered = request.GET.urlencode() == entry.query.removeprefix("?")
    is_elsewhere = not entry.query and f"?{request.GET.urlencode()}" in queues
    item = {
        "title": entry.title,
        "icon": entry.icon,
        "link": path + entry.query,
        "active": request.path.startswith(path)
        and (path in pages or not request.path.startswith(tuple(pages)))
        and (filtered if entry.query else not is_elsewhere),
    }
    waiting = badges.get(entry.badge, 0)
    return {**item, "badge": f"{waiting:,}", "badge_variant": "warning"} if waiting else item


def _path(entry: Entry) -> str:
    return page_url(entry.model, entry.page)


def search(request: HttpRequest, term: str) -> list[SearchResult]:
    """A few rows of each kind for the command search, found as their lists would find them, and told as people would:
    who, what, and how it stands."""
    found = []
    for model in (
        Learner,
        Guardian,
        Lead,
        Enrollment,
        Payment,
        Invoice,
        Refund,
        StudentPackage,
        EnrollmentDecision,
        Checkout,
        Certificate,
        District,
        Program,
        Cohort,
    ):
        page = admin.site.get_model_admin(model)
        if not (isinstance(page, WorkspaceScopedAdmin) and page.has_module_permission(request)):
            continue
        listed = page.get_queryset(request)
        if needed := cast(tuple[str, ...], page.list_select_related):
            listed = listed.select_related(*needed)
        rows, _ = page.get_search_results(request, listed, term)
        shown = list(rows.order_by("-pk")[:RESULTS_PER_MODEL])
        page.look_up(request, shown)
        found += [_result(page, row) for row in shown]
    return found


def _result(page: WorkspaceScopedAdmin, row: models.Model) -> SearchResult:
    told = [str(page.opts.verbose_name).capitalize(), page.tell_state(row)]
    return SearchResult(
        title=page.describe(row),
        description=" · ".join(filter(None, told)),
        link=admin_url(row),
        icon=ICONS[page.model],
    )


def environment(request: HttpRequest) -> list[str] | None:
    """The label next to the user: with stand-ins for the vendors, no real money moves."""
    if not settings.SANDBOX:
        return None
    percent = loaded_percent()
    return ["Sandbox" if percent is None else f"Demo data: {percent} % loaded", "warning"]
