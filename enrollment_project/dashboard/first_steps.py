"""What a workspace needs before families can enroll, for the person who sets it up; shown until somebody enrolls."""

from dataclasses import dataclass

from django.contrib import admin
from django.db import models
from django.db.models import Exists, OuterRef
from django.http import HttpRequest

from accounts.models import Membership, Workspace
from accounts.roles import Power
from backoffice.display import list_url, page_url
from billing.models import Price
from enrollments.models import (
    ApplicationQuestion,
    DistrictSeatAllocation,
    Enrollment,
    Program,
    ProgramInstance,
)

from .scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to set up, with the link to add it, or to see it once it is done."""

    title: str
    hint: str
    url: str
    is_done: bool
    is_needed: bool = True  # whether nobody can enroll without it


def find_steps(request: HttpRequest, scope: Scope) -> list[Step]:
    """Return the setup steps of the one workspace whose figures are shown. The list is empty once somebody is enrolled
    there, for people who may not set it up, and when several workspaces are shown.
    """
    workspace_id = _only_workspace(scope)
    if workspace_id is None or not scope.access.may(Power.MANAGE, workspace_id):
        return []
    of_it = {"workspace": OuterRef("pk")}
    found = (
        Workspace.objects.filter(pk=workspace_id)
        .annotate(
            is_used=Exists(Enrollment.objects.filter(**of_it)),
            has_program=Exists(Program.objects.filter(**of_it)),
            has_instance=Exists(ProgramInstance.objects.filter(**of_it)),
            has_price=Exists(Price.objects.filter(**of_it)),
            has_seats=Exists(DistrictSeatAllocation.objects.filter(district__workspace=OuterRef("pk"))),
            has_form=Exists(ApplicationQuestion.objects.filter(instance__workspace=OuterRef("pk"))),
            has_colleagues=Exists(Membership.objects.filter(**of_it).exclude(user=request.user.pk)),
        )
        .values_list("is_used", "has_program", "has_instance", "has_price", "has_seats", "has_form", "has_colleagues")
    )
    is_used, program, instance, price, seats, form, colleagues = found.get()
    if is_used:
        return []
    steps = [
        _step(request, Program, program, title="Add a program", hint="What you offer: a name and what families read."),
        _step(
            request,
            ProgramInstance,
            instance,
            title="Add a program instance",
            hint="When it runs, who may enroll, and who reviews.",
        ),
        _step(
            request,
            Price,
            price,
            title="Set a price",
            hint="For programs that parents pay for. Skip it if districts pay for everyone.",
            is_needed=False,
        ),
        _step(
            request,
            DistrictSeatAllocation,
            seats,
            title="Give districts seats",
            hint="If a district pays for some of its learners.",
            is_needed=False,
        ),
        Step(
            title="Make a form",
            hint="If families enroll by themselves. You add its questions on the instance's page.",
            url=list_url(ProgramInstance),
            is_done=form,
            is_needed=False,
        ),
    ]
    if scope.access.may(Power.GOVERN, workspace_id):
        steps.append(
            Step(
                title="Invite colleagues",
                hint="People who review, and people who handle money.",
                url=list_url(Membership),
                is_done=colleagues,
                is_needed=False,
            )
        )
    return steps


def _only_workspace(scope: Scope) -> int | None:
    if scope.chosen is not None:
        return scope.chosen.pk
    return next(iter(scope.access.powers)) if len(scope.access.powers) == 1 else None


def _step(
    request: HttpRequest, model: type[models.Model], is_done: bool, *, title: str, hint: str, is_needed: bool = True
) -> Step:
    may_add = admin.site.get_model_admin(model).has_add_permission(request) and not is_done
    url = page_url(model, "add") if may_add else list_url(model)
    return Step(title=title, hint=hint, url=url, is_done=is_done, is_needed=is_needed)
