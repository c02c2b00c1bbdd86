from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.models import Guardian, Learner
from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action
from backoffice.actors import actor_column
from backoffice.display import (
    NOTHING,
    Card,
    Neighbor,
    badge,
    json_column,
    link_column,
    list_url,
    neighbor,
    neighbors_of,
    register_subject,
    status_badge,
)
from backoffice.previews import Preview
from backoffice.queues import Queue, register_queue
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin
from billing.states import LIVE_CHECKOUTS
from core.clock import utc_now
from events.models import OutboxEvent

from ..consequences import tell_cancellation
from ..models import EnrollmentDecision
from ..routing.decision import cancel_decision
from ..states import DecisionStatus

register_subject("decision", EnrollmentDecision)

_ANSWERS = {True: ("completed", "yes"), False: ("failed", "no"), None: ("pending", "not evaluated")}


def waits_for_payment(decision: EnrollmentDecision) -> bool:
    return decision.status == DecisionStatus.CHECKOUT_REQUIRED and decision.checkout_id is not None


def foresee_cancellation(decision: EnrollmentDecision, form: StaffForm) -> Preview:
    return Preview(tuple(tell_cancellation(decision)))


register_queue(
    Queue(
        name="interrupted",
        label="Decisions interrupted while Stripe was down",
        hint="They continue when the learner is routed again, or when the payment arrives.",
        model=EnrollmentDecision,
        narrow=lambda decisions, now: decisions.filter(
            status=DecisionStatus.FAILED, checkout__status__in=LIVE_CHECKOUTS
        ),
        since="created_at",
        power=Power.DECIDE,
    )
)


@admin.register(EnrollmentDecision)
class DecisionAdmin(WorkspaceScopedAdmin):
    actor_fields = ("actor",)
    list_display = (
        "learner_name",
        "instance",
        "source_badge",
        "status_badge",
        "why",
        "created_at",
    )
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("provision_source", ChoicesDropdownFilter),
        ("reason", ChoicesDropdownFilter),
        ("workspace", ScopedRelatedFilter),
        ("district", ScopedRelatedFilter),
        ("instance", ScopedRelatedFilter),
        "created_at",
    )
    list_select_related = ("learner", "instance", "district")
    search_fields = ("learner_email__istartswith",)
    search_through = ("enrollment", "guardian", "checkout")
    search_help_text = "Learner or guardian, payer, number, enrollment's CUID, Stripe session"
    date_hierarchy = "created_at"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("status_badge", "source_badge"),
                    ("reason", "message"),
                    ("learner_link", "instance_link"),
                    ("guardian_link", "district_link"),
                    ("created_at", "updated_at"),
                    ("by", "request_id"),
                )
            },
        ),
        ("As received", {"fields": ("profile_text", "context_text", "tenant_id"), "classes": ("collapse",)}),
    )
    actions_detail = ("cancel_checkout",)
    status_badge = status_badge("status")
    by = actor_column("actor")
    learner_link = link_column("learner", "learner")
    instance_link = link_column("instance", "program")
    guardian_link = link_column("guardian", "guardian")
    district_link = link_column("district", "district")
    profile_text = json_column("learner_profile")
    context_text = json_column("context")

    def describe(self, row: EnrollmentDecision) -> str:
        return f"{row.learner}: {row.instance}, {row.get_reason_display().lower()}"

    @display(description="learner", ordering="learner__last_name", header=True)
    def learner_name(self, decision: EnrollmentDecision) -> tuple[str, str]:
        return str(decision.learner), decision.learner_email

    @display(description="reason", ordering="reason")
    def why(self, decision: EnrollmentDecision) -> str:
        return decision.reason.replace("_", " ")

    @display(description="source", ordering="provision_source")
    def source_badge(self, decision: EnrollmentDecision) -> str:
        source = decision.provision_source
        return badge(source, decision.get_provision_source_display() or "") if source else NOTHING

    @staff_action(
        description="Cancel checkout",
        power=Power.DECIDE,
        possible=waits_for_payment,
        preview=foresee_cancellation,
        icon="cancel",
        variant=ActionVariant.DANGER,
        explanation="Ends the payment page at Stripe. If somebody pays before it ends, the payment counts.",
        reaches_out=True,
    )
    def cancel_checkout(self, request: HttpRequest, decision: EnrollmentDecision, form: StaffForm) -> str:
        changed = cancel_decision(decision_id=decision.pk, now=utc_now())
        return f"The decision is {changed.get_status_display().lower()}."


@neighbors_of(EnrollmentDecision)
def what_came_of_it(request: HttpRequest, decision: EnrollmentDecision) -> Card:
    rows = [neighbor(decision.enrollment, title="Enrollment", status="eligibility_status")]
    if decision.seat:
        rows.append(neighbor(decision.seat, title="District seat", status="status"))
    if decision.checkout:
        rows.append(neighbor(decision.checkout, status="status", at=decision.checkout.created_at))
        rows += [
            neighbor(payment, status="status", at=payment.paid_at)
            for payment in decision.checkout.payments.order_by("-id")
        ]
    return Card("Outcome", rows)


@neighbors_of(EnrollmentDecision)
def events_of_decision(request: HttpRequest, decision: EnrollmentDecision) -> Card:
    rows = OutboxEvent.objects.filter(aggregate=f"decision:{decision.pk}").order_by("sequence")[:20]
    return Card(
        "Events",
        [
            neighbor(event, title=f"{event.sequence}. {event.type}", status="relay_status", at=event.occurred_at)
            for event in rows
        ],
    )


@neighbors_of(EnrollmentDecision)
def trace_of_decision(request: HttpRequest, decision: EnrollmentDecision) -> Card:
    """Return the card of the rules that led to the decision, in the order they were evaluated."""
    rows = []
    for number, step in enumerate(decision.trace, start=1):
        inputs = ", ".join(f"{name}: {value}" for name, value in step.items() if name not in ("rule", "answer"))
        shown = badge(*_ANSWERS[step.get("answer")])
        rows.append(Neighbor(title=f"{number}. {step.get('rule', '')}", badge=shown, note=inputs))
    return Card("Rules asked", rows, wide=True)


@neighbors_of(Guardian)
def decisions_of_guardian(request: HttpRequest, guardian: Guardian) -> Card:
    rows = [
        neighbor(decision, title=decision.learner, status="status", note=decision.instance, at=decision.created_at)
        for decision in guardian.decisions.select_related("learner", "instance").order_by("-id")[:10]
    ]
    more = list_url(EnrollmentDecision, q=guardian.external_id) if guardian.external_id else ""
    return Card("Decisions they asked for", rows, more_url=more if rows else "", wide=True)


@neighbors_of(Learner)
def decisions_of_learner(request: HttpRequest, learner: Learner) -> Card:
    rows = [
        neighbor(
            decision, title="Decision", status="status", note=decision.get_reason_display(), at=decision.created_at
        )
        for decision in learner.decisions.order_by("-id")[:10]
    ]
    return Card("Routing decisions", rows)
