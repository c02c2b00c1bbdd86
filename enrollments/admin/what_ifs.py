"""What-ifs in the back office: asking, changing, reading them as a table or file, and turning them into allocations."""

import csv
from typing import Any

from django import forms
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.models import Workspace
from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action, staff_list_action
from backoffice.display import NOTHING, Card, Neighbor, admin_url, neighbors_of, staff_moment
from backoffice.exporting.files import harmless
from backoffice.money import MoneyField
from backoffice.previews import Preview
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, actor_of
from core.clock import utc_now
from core.currencies import CURRENCIES
from core.forms import WholeNumberField
from core.money import Money
from core.numbers import counted
from core.time_words import day

from ..allocations.replay import Funding
from ..allocations.what_if import (
    add_proposal,
    answer_what_if,
    ask_what_if,
    cost_of,
    make_allocations,
    open_proposals,
    propose_seats,
)
from ..models import District, EnrollmentDecision, ProgramInstance, ProposedSeats, WhatIf
from ..seats import MAX_SEATS
from .tried_rosters import TriedRosterForm, amounts, show_tried_roster

DAY = forms.DateInput(attrs={"type": "date"})
WORDS = {Funding.DISTRICT: "District seat", Funding.PARENT: "Parent payment", Funding.NOBODY: "Refused"}
CSV_COLUMNS = ("Asked", "Decision", "Enrollment", "Learner", "Program", "District", "Happened", "What if", "Seats")


class WhatIfForm(StaffForm):
    workspace = forms.ModelChoiceField(queryset=Workspace.objects.none())
    name = forms.CharField(max_length=100, help_text="Spring 2027 with 20 seats more, for example.")
    first_day = forms.DateField(widget=DAY, help_text="First day of the requests …")
    last_day = forms.DateField(widget=DAY, help_text="… to the end of this one is asked for again.")

    def prepare(self) -> None:
        self.offer_workspaces(Power.MANAGE)


class TotalsForm(StaffForm):
    """A number field for each proposal."""

    def prepare(self) -> None:
        for proposal in self.row.proposals.select_related("district", "instance").order_by("district__name", "id"):
            self.fields[f"seats_{proposal.pk}"] = WholeNumberField(
                label=str(proposal), max_value=MAX_SEATS, initial=proposal.total_seats
            )


def totals_of(form: StaffForm) -> dict[int, int]:
    """Return the totals by proposal id."""
    return {int(name.removeprefix("seats_")): total for name, total in form.cleaned_data.items()}


class ProposalForm(StaffForm):
    district = forms.ModelChoiceField(queryset=District.objects.none())
    instance = forms.ModelChoiceField(
        queryset=ProgramInstance.objects.none(), required=False, empty_label="Any program", label="Program"
    )
    total_seats = WholeNumberField(max_value=MAX_SEATS)
    seat_price = MoneyField(required=False, label="Price of a seat", help_text="What the district would pay for one.")
    currency = forms.ChoiceField(
        choices=[(code, code.upper()) for code in sorted(CURRENCIES)], initial="usd", required=False
    )

    def prepare(self) -> None:
        for name, rows in (
            ("district", District.objects.order_by("name", "id")),
            ("instance", ProgramInstance.objects.order_by("-start_date", "name", "id")),
        ):
            bound = self.fields[name]
            assert isinstance(bound, forms.ModelChoiceField)
            bound.queryset = rows.filter(workspace=self.row.workspace_id)
        price = self.fields["seat_price"]
        assert isinstance(price, MoneyField)
        told = str(self.data.get("currency") or "")
        price.currency = told if told in CURRENCIES else "usd"


class AllocateForm(StaffForm):
    term = forms.CharField(max_length=80, help_text="Spring 2027, for example.")
    valid_from = forms.DateField(widget=DAY, label="Begins")
    valid_until = forms.DateField(widget=DAY, label="Ends", help_text="The last day on which seats may be taken.")


def foresee_allocations(what_if: WhatIf, form: StaffForm) -> Preview:
    chosen = form.cleaned_data
    days = f"from {day(chosen['valid_from'])} to {day(chosen['valid_until'])}"
    sentences = [
        f"{proposal.district} gets {counted(proposal.total_seats, 'seat')} for {proposal.instance or 'any program'}"
        f"{f', for {proposal.cost}' if proposal.cost else ''}."
        for proposal in open_proposals(what_if)
    ]
    return Preview((*sentences, f"All of them are named {chosen['term']} and may be taken {days}."))


@admin.register(WhatIf)
class WhatIfAdmin(WorkspaceScopedAdmin):
    """What-ifs are created by their use cases; calculated values are read-only."""

    list_display = ("name", "workspace", "first_day", "last_day", "would_have_seats", "changed", "created_at")
    list_filter = (("workspace", ScopedRelatedFilter),)
    list_select_related = ("workspace",)
    search_fields = ("name",)
    search_help_text = "Name"
    fields = ("workspace", "name", ("first_day", "last_day"), "figures", ("calculated", "download"))
    actions_list = ("ask",)
    actions_detail = ("change_seats", "add_seats", "try_roster", "make")

    @display(description="would have seats")
    def would_have_seats(self, what_if: WhatIf) -> str:
        return f"{what_if.result['supposed'][Funding.DISTRICT]:,}"

    @display(description="funded otherwise")
    def changed(self, what_if: WhatIf) -> str:
        return f"{what_if.result['changed']:,}"

    @display(description="who would pay")
    def figures(self, what_if: WhatIf) -> SafeString:
        return SafeString(render_to_string("admin/enrollments/what_if.html", figures_of(what_if)))

    @display(description="calculated")
    def calculated(self, what_if: WhatIf) -> str:
        return staff_moment(what_if.calculated_at, what_if.workspace.timezone)

    @display(description="everybody")
    def download(self, what_if: WhatIf) -> SafeString:
        url = reverse("admin:enrollments_whatif_file", args=[what_if.pk])
        return format_html('<a class="text-link" href="{}">Who would pay for whom, as CSV</a>', url)

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.write_file)
        return [path("<path:object_id>/file.csv", page, name="enrollments_whatif_file"), *super().get_urls()]

    def write_file(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return a file with everybody who asked, the actual outcome, and the outcome under the proposals."""
        what_if = self.get_visible(request, object_id)
        if what_if is None:
            raise Http404("There is no such what-if.")
        self.log_change(request, what_if, "Downloaded the file")
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="what-if-{what_if.pk}.csv"'
        writer = csv.writer(response)
        writer.writerow(CSV_COLUMNS)
        writer.writerows([harmless(str(cell)) for cell in row] for row in rows_of(what_if))
        return response

    @staff_list_action(
        description="Ask “What if?”",
        power=Power.MANAGE,
        form=WhatIfForm,
        explanation="Repeats all requests of these days, in the same order, with the seats that you propose, starting "
        "from the seats that the districts had. No seat is given, and nobody gets a mail.",
    )
    def ask(self, request: HttpRequest, form: StaffForm) -> HttpResponse:
        chosen = form.cleaned_data
        what_if = ask_what_if(
            workspace_id=chosen["workspace"].pk,
            name=chosen["name"],
            first_day=chosen["first_day"],
            last_day=chosen["last_day"],
            actor=actor_of(request),
            now=utc_now(),
        )
        self.log_addition(request, what_if, "Asked")
        return HttpResponseRedirect(admin_url(what_if))

    @staff_action(
        description="Propose seats",
        power=Power.MANAGE,
        form=TotalsForm,
        icon="event_seat",
        variant=ActionVariant.PRIMARY,
        explanation="How many seats each district would have. Only this what-if changes.",
    )
    def change_seats(self, request: HttpRequest, what_if: WhatIf, form: StaffForm) -> str:
        done = propose_seats(what_if_id=what_if.pk, totals=totals_of(form), now=utc_now())
        return f"{done.result['supposed'][Funding.DISTRICT]:,} would have a seat."

    @staff_action(
        description="Add a proposal",
        power=Power.MANAGE,
        form=ProposalForm,
        icon="add",
        explanation="Seats for a district or a program that this what-if does not include yet.",
    )
    def add_seats(self, request: HttpRequest, what_if: WhatIf, form: StaffForm) -> str:
        chosen = form.cleaned_data
        instance = chosen["instance"]
        done = add_proposal(
            what_if_id=what_if.pk,
            district_id=chosen["district"].pk,
            instance_id=instance.pk if instance else None,
            total_seats=chosen["total_seats"],
            seat_price=Money(chosen["seat_price"], chosen["currency"] or "usd") if chosen["seat_price"] else None,
            now=utc_now(),
        )
        return f"{done.result['supposed'][Funding.DISTRICT]:,} would have a seat."

    @staff_action(
        description="Try a roster",
        power=Power.MANAGE,
        possible=lambda row: row.proposals.exists(),
        form=TriedRosterForm,
        icon="upload_file",
        explanation="The learners in the file request the program in the order of the file, with the seats that are "
        "proposed here. You see who would have a seat and what families and the district would pay. The file is "
        "not kept.",
    )
    def try_roster(self, request: HttpRequest, what_if: WhatIf, form: StaffForm) -> HttpResponse:
        return show_tried_roster(self, request, what_if, form)

    @staff_action(
        description="Create these seats",
        power=Power.MANAGE,
        form=AllocateForm,
        preview=foresee_allocations,
        possible=lambda row: row.proposals.filter(allocation__isnull=True, total_seats__gt=0).exists(),
        icon="check",
        explanation="Gives the districts the proposed seats, on the dates that you choose.",
    )
    def make(self, request: HttpRequest, what_if: WhatIf, form: StaffForm) -> str:
        chosen = form.cleaned_data
        made = make_allocations(
            what_if_id=what_if.pk,
            term=chosen["term"],
            valid_from=chosen["valid_from"],
            valid_until=chosen["valid_until"],
            now=utc_now(),
        )
        return f"Allocations created: {len(made):,}."


def figures_of(what_if: WhatIf) -> dict[str, Any]:
    """Return the two columns of the table: what happened, and what would have happened."""
    happened = what_if.result["happened"]
    supposed = what_if.result["supposed"]
    proposals = list(what_if.proposals.select_related("district", "instance").order_by("district__name", "id"))
    rows = [(WORDS[funding], f"{happened[funding]:,}", f"{supposed[funding]:,}") for funding in Funding]
    rows.append(("Parents pay", amounts(happened["parents_pay"]), amounts(supposed["parents_pay"])))
    return {
        "rows": rows,
        "proposals": [
            {
                "name": str(proposal),
                "total": f"{proposal.total_seats:,}",
                "funded": f"{proposal.funded:,}",
                "left": f"{max(proposal.total_seats - proposal.funded, 0):,}",
                "cost": str(proposal.cost or NOTHING),
                "url": admin_url(proposal.allocation) if proposal.allocation_id and proposal.allocation else "",
            }
            for proposal in proposals
        ],
        "cost": amounts(cost_of(proposals)),
    }


def rows_of(what_if: WhatIf) -> list[tuple[Any, ...]]:
    """Return the file's rows in chronological order, from a constant number of queries."""
    answers = answer_what_if(what_if)
    decisions = EnrollmentDecision.objects.filter(workspace=what_if.workspace_id)
    names = {
        pk: (cuid, f"{first} {last}", program)
        for pk, cuid, first, last, program in decisions.filter(
            pk__gte=min((each.asked.decision_id for each in answers), default=0)
        ).values_list("pk", "enrollment__cuid", "learner__first_name", "learner__last_name", "instance__name")
    }
    seats = {proposal.pk: str(proposal) for proposal in what_if.proposals.select_related("district", "instance")}
    return [
        (
            staff_moment(answer.asked.at, what_if.workspace.timezone),
            answer.asked.decision_id,
            *names[answer.asked.decision_id],
            answer.asked.tenant_id or "",
            WORDS[answer.asked.happened],
            WORDS[answer.funding],
            seats.get(answer.allocation_id or 0, ""),
        )
        for answer in answers
    ]


@neighbors_of(WhatIf)
def changed_by_what_if(request: HttpRequest, what_if: WhatIf) -> Card:
    would_be = {decision_id: Funding(funding) for decision_id, funding in what_if.result["first_changed"]}
    found = EnrollmentDecision.objects.filter(pk__in=would_be).select_related("learner", "instance").order_by("id")
    rows = [
        Neighbor(
            title=decision.learner,
            url=admin_url(decision),
            note=f"{decision.instance}: {WORDS[would_be[decision.pk]].lower()} instead",
            at=decision.created_at,
        )
        for decision in found
    ]
    total = what_if.result["changed"]
    title = (
        "Learners for whom somebody else would pay"
        if total <= len(rows)
        else f"The first {len(rows)} of {total:,} for whom another would pay"
    )
    return Card(title, rows, empty="Nobody: everything stays the same.", wide=True)


@admin.register(ProposedSeats)
class ProposedSeatsAdmin(WorkspaceScopedAdmin):
    """Read-only: a what-if's buttons change them."""

    workspace_path = "what_if__workspace"
    list_display = ("what_if", "district", "instance", "total_seats", "funded", "cost")
    list_filter = (("what_if__workspace", ScopedRelatedFilter), ("what_if", ScopedRelatedFilter))
    list_select_related = ("what_if", "district", "instance")
    fields = (("what_if", "district", "instance"), ("total_seats", "funded", "cost"), "allocation")

    @display(description="cost")
    def cost(self, proposal: ProposedSeats) -> str:
        return str(proposal.cost or NOTHING)
