"""The guards of forms, cards, and the front page; see guarding.py."""

from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest
from django.http import HttpRequest
from django.test import RequestFactory

from accounts.models import ApiKey, Learner, Membership, StaffTask, User, Workspace
from accounts.states import Role, TaskStatus
from accounts.task_kinds import NO_ADDRESS
from accounts.tests.factories import MembershipFactory, WorkspaceFactory
from backoffice.actors import name_actors
from backoffice.admin import staff
from backoffice.admin.consents import OnPaperForm
from backoffice.admin.people import LearnerAdmin
from backoffice.scoping import access_of
from backoffice.tests.staff_client import staff_request
from billing.admin.currencies import currencies_in_sight
from billing.admin.stripe import stripe_notices
from billing.admin.vouchers import CodesForm
from billing.models import Payment, Price
from cohorts.models import CourseStep
from core.clock import utc_now
from core.errors import DomainError
from enrollment_project.dashboard import courses, navigation, waiting
from enrollment_project.dashboard.figures.figure import Asked
from enrollment_project.dashboard.figures.pipeline import pipeline
from enrollment_project.dashboard.first_steps import find_steps
from enrollment_project.dashboard.period import _term, period_of
from enrollment_project.dashboard.scope import Scope, scope_of
from enrollments.admin.allocation_forms import AllocationForm
from enrollments.admin.review.answering import Told
from enrollments.admin.review.forms import LineForm
from enrollments.admin.review.notices import held_notices
from enrollments.admin.seats import TransferForm
from enrollments.models import Enrollment, ProgramInstance
from enrollments.queries import awaiting_review
from partners.admin.pipeline import pipeline_context
from partners.admin.sequences import ProgramForm

from .guarding import Guard, Leaks, at, page_of, told
from .matrix import FORM, Caller, browser, user_of
from .matrix_of_lists import request_of
from .small_demo import MINE, OTHERS, my_row_of, row_of, url

FRONT = "enrollment_project.dashboard"


def chosen(form: Any, field: str, path: str = "workspace__slug") -> Leaks:
    """Return our rows that a form offers to the owner of another workspace."""
    return told(
        lambda: (
            [row.pk for row in form(request=request_of(Caller.ELSEWHERE)).fields[field].queryset.filter(**{path: MINE})]
        )
    )


def ours() -> Workspace:
    return Workspace.objects.get(slug=MINE)


def scope_for(caller: Caller, **asked: int) -> Scope:
    request = RequestFactory().get("/admin/", asked)
    signed_in = request_of(caller)
    request.user, request.session = signed_in.user, signed_in.session
    return scope_of(request)


def asked_by(caller: Caller) -> Asked:
    scope = scope_for(caller)
    return Asked(scope, period_of(request_of(caller), scope, now=utc_now()), utc_now())


def made_up_row() -> list[str]:
    """Create one of our instances for a program of another workspace, as somebody who sees both."""
    page = page_of(ProgramInstance)
    form = page.get_form(request_of(Caller.SUPERUSER))
    data = {"workspace": ours().pk, "program": row_of(page_of(ProgramInstance.program.field.related_model), OTHERS).pk}
    return [] if "program" in form(data=data).errors else ["a program of another workspace"]


def moved_row() -> list[str]:
    page = page_of(Learner)
    return [] if "workspace" in page.get_readonly_fields(request_of(Caller.SUPERUSER), my_row_of(page)) else ["moved"]


def completed_for_many() -> list[str]:
    """Complete one of our open tasks as somebody who may only complete those of another workspace."""
    task = StaffTask.objects.filter(workspace=ours(), status=TaskStatus.OPEN).earliest("pk")
    form = {"action": "complete_selected", ACTION_CHECKBOX_NAME: [str(task.pk)], "_confirmed": "1", **FORM}
    browser(Caller.ASIDE).post(url(page_of(StaffTask), "changelist"), form)
    return [str(each) for each in StaffTask.objects.filter(pk=task.pk).exclude(status=TaskStatus.OPEN)]


def currencies_elsewhere() -> set[str]:
    """Return a currency that only our prices use, among those offered to the owner of another workspace."""
    Price.objects.filter(workspace=ours()).update(currency="chf")
    return currencies_in_sight(request_of(Caller.ELSEWHERE)) & {"chf"}


def merged_away() -> list[str]:
    page: LearnerAdmin = page_of(Learner)
    gone = Learner.objects.filter(workspace=ours(), merged_into__isnull=False).earliest("pk")
    found = page._find_merged(request_of(Caller.ELSEWHERE), str(gone.pk))
    return [str(found)] if found else []


def fields_of_accounts() -> list[str]:
    shown = page_of(User).get_fieldsets(request_of(Caller.OWNER), user_of(Caller.VIEWER))
    return [name for _, options in shown for name in options["fields"] if name == "password"]


def taken_from_others() -> list[str]:
    try:
        staff._check_governs_all_of(request_of(Caller.OWNER), user_of(Caller.ASIDE))
    except DomainError:
        return []
    return ["the second factor of somebody who belongs to others, too"]


def offers_of_codes() -> list[str]:
    form = CodesForm(request=request_of(Caller.ELSEWHERE))
    return [offer.label for offer in form._offers.values() if offer.workspace_id == ours().pk]


def buttons_of_the_desk() -> list[str]:
    case = awaiting_review(Enrollment.objects.filter(workspace=ours())).earliest("pk")
    shown = page_of(Enrollment).show(request_of(Caller.VIEWER), case, Told())
    return ["buttons"] if shown.context_data["may_decide"] else []


def steps_of_a_new_workspace(role: Role) -> list[str]:
    member = MembershipFactory(workspace=WorkspaceFactory(), role=role)
    request: HttpRequest = staff_request(member.user)
    return [step.title for step in find_steps(request, scope_of(request))]


def third_workspace() -> list[str]:
    other = WorkspaceFactory()
    try:
        scope_for(Caller.ASIDE, workspace=other.pk)
    except BadRequest:
        return []
    except KeyError:  # it was looked up, but nothing is held there
        pass
    return [other.slug]


def powers_when_chosen() -> list[str]:
    held = scope_for(Caller.ASIDE, workspace=ours().pk).access.powers[ours().pk]
    return sorted(set(held) - set(access_of(request_of(Caller.VIEWER)).powers[ours().pk]))


def _term_of_a_third() -> list[str]:
    today = utc_now().date()
    ProgramInstance.objects.filter(workspace__slug=OTHERS).update(start_date=None)
    ProgramInstance.objects.filter(workspace__slug=MINE).update(start_date=today, end_date=today, active=True)
    found = _term(scope_for(Caller.ELSEWHERE), today)
    return [] if isinstance(found, str) else ["our days"]


def sidebar() -> list[str]:
    """Return the sidebar entries that only people who decide use."""
    request = request_of(Caller.FINANCE)
    request.resolver_match = None
    held = access_of(request)
    titles = {entry.title for entry in navigation.every_entry() if not held.may_anywhere(entry.power)}
    return [
        str(item["title"])
        for group in navigation.navigation(request)
        for item in group["items"]
        if item["title"] in titles
    ]


def tasks_of_others() -> list[str]:
    StaffTask.objects.filter(workspace__slug=OTHERS).delete()
    return [name for name, count in navigation.badges_of(request_of(Caller.STRANGER)).items() if count]


ELSEWHERE = Caller.ELSEWHERE
FORMS = [
    Guard("backoffice.scoping:WorkspaceModelForm.clean", "elsewhere != own.pk", "False", told(made_up_row)),
    Guard(
        "backoffice.scoping:WorkspaceScopedAdmin.get_readonly_fields",
        "obj is not None and ",
        "False and ",
        told(moved_row),
    ),
    Guard(
        "backoffice.actions:_for_each",
        "model_admin.may(request, bulk.power, row) and ",
        "",
        told(completed_for_many),
    ),
    Guard(
        "billing.admin.vouchers:CodesForm.prepare",
        "None if access.everywhere else access.workspace_ids(Power.MONEY)",
        "None",
        told(offers_of_codes),
    ),
    Guard(
        "billing.admin.currencies:currencies_in_sight",
        'access_of(request).limit(Price.objects.order_by(), path="workspace", power=Power.VIEW)',
        "Price.objects.order_by()",
        told(currencies_elsewhere),
    ),
    Guard(
        "enrollments.admin.allocation_forms:AllocationForm.prepare",
        'access.limit(rows, path="workspace", power=Power.MANAGE)',
        "rows",
        chosen(AllocationForm, "district"),
    ),
    *[
        Guard(
            "enrollments.admin.review.forms:LineForm.prepare",
            f'access.limit({rows}, path="workspace", power=Power.VIEW)',
            rows,
            chosen(LineForm, name),
        )
        for name, rows in (
            ("program", 'Program.objects.order_by("title", "pk")'),
            ("district", 'District.objects.order_by("name", "pk")'),
        )
    ],
    Guard(
        "enrollments.admin.seats:TransferForm.prepare",
        'access_of(self.request).limit(rows, path="district__workspace", power=Power.MANAGE)',
        "rows",
        chosen(TransferForm, "allocation", "district__workspace__slug"),
    ),
    Guard(
        "backoffice.admin.consents:OnPaperForm.prepare",
        'access_of(self.request).limit(texts, path="workspace_id", power=Power.MANAGE)',
        "texts",
        chosen(OnPaperForm, "text"),
    ),
    Guard(
        "partners.admin.sequences:ProgramForm.prepare",
        'access_of(self.request).limit(programs, path="workspace", power=Power.MANAGE)',
        "programs",
        chosen(ProgramForm, "program"),
    ),
    Guard(
        "enrollments.admin.review.notices:_mine",
        'access_of(request).limit(reviews, path="enrollment__workspace", power=Power.DECIDE)',
        "reviews",
        told(lambda: held_notices(request_of(Caller.VIEWER))),
    ),
    Guard(
        "enrollments.admin.review.desk:ReviewDesk.show",
        " and self.may(request, Power.DECIDE, enrollment)",
        "",
        told(buttons_of_the_desk),
    ),
]
CARDS = [
    Guard(
        "backoffice.actors:_find_users",
        "if not access.everywhere:",
        "if False:",
        told(
            lambda: [
                name
                for name in name_actors(
                    access_of(request_of(ELSEWHERE)), [f"user:{user_of(Caller.VIEWER).pk}"]
                ).values()
                if name != "Former staff"
            ]
        ),
    ),
    Guard(
        "backoffice.actors:_mine",
        "Q() if access.everywhere else Q(workspace__in=list(access.powers))",
        "Q()",
        told(
            lambda: [
                name
                for name in name_actors(
                    access_of(request_of(ELSEWHERE)),
                    [f"key:{ApiKey.objects.filter(workspace=ours()).earliest('pk').pk}"],
                ).values()
                if "Portal" in name
            ]
        ),
    ),
    Guard(
        "backoffice.admin.people:LearnerAdmin._find_merged",
        "self.limit(Learner.objects.filter(pk=number, merged_into__isnull=False), request)",
        "Learner.objects.filter(pk=number, merged_into__isnull=False)",
        told(merged_away),
    ),
    Guard(
        "backoffice.admin.staff:UserAdmin.get_fieldsets",
        "access_of(request).everywhere",
        "True",
        told(fields_of_accounts),
    ),
    Guard(
        "backoffice.admin.staff:UserAdmin.has_view_permission",
        "self.may(request, Power.VIEW)",
        "True",
        at(Caller.STRANGER, "accounts_user_changelist"),
    ),
    Guard(
        "backoffice.admin.staff:_check_governs_all_of",
        "not all(access.may(Power.GOVERN, workspace_id) for workspace_id in workspaces)",
        "False",
        told(taken_from_others),
    ),
    Guard(
        "backoffice.admin.staff:memberships_of_user",
        "access_of(request).limit(",
        "(lambda rows, **_: rows)(",
        told(
            lambda: [
                row.title
                for row in staff.memberships_of_user(request_of(ELSEWHERE), user_of(Caller.ASIDE)).rows
                if str(row.title) == str(ours())
            ]
        ),
    ),
    Guard(
        "backoffice.admin.staff:sign_ins_of_member",
        "not access_of(request).may(Power.GOVERN, membership.workspace_id)",
        "False",
        told(
            lambda: (
                {
                    staff.sign_ins_of_member(
                        request_of(Caller.VIEWER), Membership.objects.get(user=user_of(Caller.OWNER))
                    ).empty
                }
                - {"Owners see in which browsers."}
            )
        ),
    ),
    Guard(
        "billing.admin.stripe:stripe_notices",
        "not access_of(request).everywhere",
        "False",
        told(
            lambda: (
                stripe_notices(
                    request_of(Caller.OWNER),
                    Payment.objects.exclude(payment_intent_id=None).earliest("pk").payment_intent_id,
                ).more_url
            )
        ),
    ),
    Guard(
        "partners.admin.pipeline:pipeline_context",
        'access_of(request).limit(Workspace.objects.order_by("slug"), path="id", power=Power.VIEW)',
        'Workspace.objects.order_by("slug")',
        told(lambda: [each for each, _ in pipeline_context(request_of(ELSEWHERE))["workspaces"] if each == ours()]),
    ),
]
FIGURES = [
    Guard(
        f"{FRONT}.figures.figure:Asked.mine",
        "self.scope.access.limit(model._default_manager.order_by(), path=path, power=Power.VIEW)",
        "model._default_manager.order_by()",
        told(lambda: asked_by(ELSEWHERE).mine(Learner).filter(workspace=ours())[:1]),
    ),
    Guard(
        f"{FRONT}.figures.pipeline:pipeline",
        'asked.scope.access.limit(Workspace.objects.order_by("slug"), path="id", power=Power.VIEW)',
        'Workspace.objects.order_by("slug")',
        told(lambda: pipeline(asked_by(Caller.STRANGER))[0].rows),
    ),
    Guard(
        f"{FRONT}.courses:CourseOverview._mine",
        "self.scope.access.limit(rows.order_by(), path=path, power=Power.VIEW)",
        "rows",
        told(
            lambda: (
                courses.CourseOverview(scope_for(ELSEWHERE))
                ._mine(CourseStep.objects.all(), "program__workspace")
                .filter(program__workspace=ours())[:1]
            )
        ),
    ),
    Guard(
        f"{FRONT}.period:_term",
        'scope.access.limit(ProgramInstance.objects.order_by(), path="workspace", power=Power.VIEW)',
        "ProgramInstance.objects.order_by()",
        told(_term_of_a_third),
    ),
    Guard(
        f"{FRONT}.scope:_find_scope",
        "theirs.filter(pk=workspace_id)",
        "Workspace.objects.filter(pk=workspace_id)",
        told(third_workspace),
    ),
    Guard(
        f"{FRONT}.scope:_only",
        "frozenset(Power) if access.everywhere else access.powers[workspace.pk]",
        "frozenset(Power)",
        told(powers_when_chosen),
    ),
    Guard(
        f"{FRONT}.first_steps:find_steps",
        " or not scope.access.may(Power.MANAGE, workspace_id)",
        "",
        told(lambda: steps_of_a_new_workspace(Role.VIEWER)),
    ),
    Guard(
        f"{FRONT}.first_steps:find_steps",
        "scope.access.may(Power.GOVERN, workspace_id)",
        "True",
        told(lambda: [title for title in steps_of_a_new_workspace(Role.ADMIN) if title == "Invite colleagues"]),
    ),
    Guard(f"{FRONT}.navigation:navigation", "access.may_anywhere(entry.power) and ", "", told(sidebar)),
    Guard(
        f"{FRONT}.navigation:_may_view",
        "admin.site.get_model_admin(model).has_module_permission(request)",
        "True",
        told(
            lambda: [
                title
                for _, pages in navigation.every_page(request_of(Caller.VIEWER))
                for title, _ in pages
                if title == "API keys"
            ]
        ),
    ),
    Guard(
        f"{FRONT}.navigation:badges_of",
        'access.limit(Enrollment.objects.kept().order_by(), path="workspace", power=Power.VIEW)',
        "Enrollment.objects.kept().order_by()",
        told(tasks_of_others),
    ),
    Guard(
        f"{FRONT}.waiting:_may_deal_with",
        "access.everywhere or any(needed <= held for held in access.powers.values())",
        "True",
        told(
            lambda: (
                [NO_ADDRESS.name] if waiting._may_deal_with(access_of(request_of(Caller.VIEWER)), NO_ADDRESS) else []
            )
        ),
    ),
]
GUARDS_OF_FORMS = [*FORMS, *CARDS, *FIGURES]
