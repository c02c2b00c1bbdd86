"""Questions to families: the list, and the questions about one enrollment with their answers."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from backoffice.display import Card, Neighbor, badge, link, neighbors_of, register_subject, status_badge
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin

from ...models import Enrollment, Inquiry

register_subject("inquiry", Inquiry)

SHOWN = 10


@neighbors_of(Enrollment, early=True)
def inquiries_of_enrollment(request: HttpRequest, enrollment: Enrollment) -> Card:
    """Return the card of each question as it was asked and the family's answer."""
    rows = [
        Neighbor(
            title=inquiry.question,
            badge=badge(inquiry.status, inquiry.get_status_display()),
            text=inquiry.answer,
            at=inquiry.settled_at or inquiry.asked_at,
        )
        for inquiry in enrollment.inquiries.order_by("-pk")[:SHOWN]
    ]
    return Card("Questions to the family", rows, empty="Nothing was asked.", wide=True)


@admin.register(Inquiry)
class InquiryAdmin(WorkspaceScopedAdmin):
    """Which families were asked which questions; reviewers ask them from the case at the desk."""

    workspace_path = "enrollment__workspace"
    list_display = ("question", "status_label", "person", "asked_at", "due_at", "settled_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("enrollment__workspace", ScopedRelatedFilter),
        ("enrollment__instance", ScopedRelatedFilter),
    )
    list_select_related = ("enrollment__learner", "enrollment__lead")
    search_fields = ("=enrollment__cuid", "=enrollment__id", "enrollment__learner__last_name__istartswith")
    search_help_text = "Enrollment's CUID or number, learner's last name"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("status_label", "person_link"),
                    "question",
                    "answer",
                    ("asked_by", "asked_at", "due_at"),
                    ("reminded_at", "reported_at", "settled_at"),
                )
            },
        ),
    )
    status_label = status_badge("status")

    def describe(self, row: Inquiry) -> str:
        return f"{row.enrollment.person}: {row.question}"

    @display(description="learner", ordering="enrollment__learner__last_name")
    def person(self, inquiry: Inquiry) -> str:
        return str(inquiry.enrollment.person)

    @display(description="enrollment of")
    def person_link(self, inquiry: Inquiry) -> str:
        return link(inquiry.enrollment, str(inquiry.enrollment.person))
