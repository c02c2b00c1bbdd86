"""The search over the whole back office, limited to the workspaces of the person looking."""

from typing import cast

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from unfold.dataclasses import SearchResult

from accounts.models import Guardian, Lead, Learner
from backoffice.display import admin_url
from backoffice.scoping import WorkspaceScopedAdmin
from billing.models import Checkout, Invoice, Payment, Refund
from cohorts.models import Cohort, StudentPackage
from enrollments.models import District, Enrollment, EnrollmentDecision, Program
from partners.models import Certificate

from .navigation import ICONS

RESULTS_PER_MODEL = 5


def search(request: HttpRequest, term: str) -> list[SearchResult]:
    """Return a few rows of each kind for the command search. They are found as their lists would find them and
    described as people would: who, what, and how it stands.
    """
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
