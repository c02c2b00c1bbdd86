"""Trying a roster with the seats that a what-if proposes: the form, and the page with the result."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from backoffice.actions import StaffForm
from backoffice.display import NOTHING, admin_url
from backoffice.scoping import WorkspaceScopedAdmin
from core.clock import utc_now
from core.money import Money

from ..allocations.replay import Funding
from ..allocations.what_if import cost_of, suppose
from ..imports.reading import kind_of
from ..imports.roster_replay import MOST_LINES, FundedLine, RosterOutcome, fund_roster
from ..models import District, ProgramInstance, ProposedSeats, WhatIf

FAULTS_SHOWN = 100
LINES_SHOWN = 500


class TriedRosterForm(StaffForm):
    """Learners of one district, and the program they would request."""

    district = forms.ModelChoiceField(queryset=District.objects.none(), empty_label=None)
    instance = forms.ModelChoiceField(queryset=ProgramInstance.objects.none(), label="Program", empty_label=None)
    file = forms.FileField(
        label="Roster",
        help_text=f"CSV or JSON lines of at most {MOST_LINES:,} learners. The first line of a CSV names its columns: "
        "firstName, lastName, email and so on.",
        error_messages={"empty": "The file is empty. Choose one with a line of column names and a line per learner."},
    )

    def prepare(self) -> None:
        for name, rows in (
            ("district", District.objects.filter(pk__in=self.row.proposals.values("district")).order_by("name", "id")),
            ("instance", ProgramInstance.objects.order_by("-start_date", "name", "id")),
        ):
            bound = self.fields[name]
            assert isinstance(bound, forms.ModelChoiceField)
            bound.queryset = rows.filter(workspace=self.row.workspace_id)


def show_tried_roster(
    model_admin: WorkspaceScopedAdmin, request: HttpRequest, what_if: WhatIf, form: StaffForm
) -> HttpResponse:
    """Show the page; ten thousand lines take as many queries as one."""
    told = form.cleaned_data
    outcome, lines = fund_roster(
        instance=told["instance"],
        tenant_id=told["district"].tenant_id,
        file=told["file"].file,
        kind=kind_of(told["file"].name),
        supply=suppose(what_if),
        now=utc_now(),
    )
    faults: list[FundedLine] = []
    funded: list[FundedLine] = []
    for line in lines:
        shown, most = (faults, FAULTS_SHOWN) if line.fault else (funded, LINES_SHOWN)
        if len(shown) < most:
            shown.append(line)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "A roster tried",
        "subtitle": str(what_if),
        "opts": model_admin.opts,
        "original": what_if,
        "district": told["district"],
        "instance": told["instance"],
        "faults": faults,
        "back_url": admin_url(what_if),
        "media": model_admin.media,
        **_figures(what_if.proposals.filter(district=told["district"]), outcome, funded),
    }
    return TemplateResponse(request, "admin/enrollments/tried_roster.html", context)


def _figures(of_district: QuerySet[ProposedSeats], outcome: RosterOutcome, funded: list[FundedLine]) -> dict[str, Any]:
    proposals = list(of_district.select_related("district", "instance").order_by("id"))
    asked_of = [each for each in proposals if outcome.taken[each.pk]]
    names = {proposal.pk: str(proposal) for proposal in proposals}
    return {
        "rows": (
            ("Would have a district seat", f"{outcome.counted[Funding.DISTRICT]:,}"),
            ("Would be asked to pay", f"{outcome.counted[Funding.PARENT]:,}"),
            ("Lines at fault", f"{outcome.faults:,}"),
            ("Parents pay", amounts(outcome.parents_pay)),
            ("The district pays for these seats", amounts(cost_of(asked_of))),
        ),
        "seats": [
            (name, f"{proposal.total_seats:,}", f"{outcome.taken[proposal.pk]:,}")
            for proposal, name in zip(proposals, names.values(), strict=True)
        ],
        "lines": [
            (f"{each.number:,}", each.name or NOTHING, names.get(each.allocation_id or 0, "")) for each in funded
        ],
        "left_out": f"{max(outcome.counted.total() - len(funded), 0):,}"
        if outcome.counted.total() > len(funded)
        else "",
        "faults_left_out": f"{outcome.faults - FAULTS_SHOWN:,}" if outcome.faults > FAULTS_SHOWN else "",
    }


def amounts(by_currency: dict[str, int]) -> str:
    return ", ".join(str(Money(minor, currency)) for currency, minor in sorted(by_currency.items())) or NOTHING
