"""The guards of the back office, the code that remains when each is removed, and the test that notices."""

from django.http import Http404, QueryDict

from accounts.models import ApiKey, Learner, Membership, Workspace
from backoffice.models import AuditEntry
from backoffice.scoping import ScopedRelatedFilter
from billing.models import Payment, StripeEvent
from cohorts.admin import course_setup
from cohorts.models import Cohort
from enrollments.models import Enrollment, Program, ProgramInstance
from enrollments.queries import awaiting_review

from .guarding import (
    Guard,
    at,
    buttons_shown,
    by_code,
    file_of,
    filter_by_person,
    inline_powers,
    is_let,
    left,
    offers,
    page_of,
    pressed_for_many,
    sees_rows,
    told,
)
from .matrix import Caller
from .matrix_of_lists import EXPORTS, request_of
from .small_demo import MINE, my_row_of


def programs_to_filter_by() -> list[str]:
    page = page_of(Enrollment)
    chooser = ScopedRelatedFilter.__new__(ScopedRelatedFilter)
    field = ProgramInstance._meta.get_field("program")
    offered = chooser.field_choices(field, request_of(Caller.ELSEWHERE), page)
    ours = {str(pk) for pk in Program.objects.filter(workspace__slug=MINE).values_list("pk", flat=True)}
    return [label for key, label in offered if key in ours]


def offered_for_many() -> list[str]:
    return sorted(page_of(Enrollment).get_actions(request_of(Caller.VIEWER)).keys() - EXPORTS)


def learners_elsewhere() -> list[str]:
    return [
        str(each) for each in page_of(Learner).get_queryset(request_of(Caller.ELSEWHERE)).filter(workspace__slug=MINE)
    ]


def cohort_to_copy() -> list[str]:
    cohort = my_row_of(page_of(Cohort))
    request = request_of(Caller.ELSEWHERE)
    request.GET = QueryDict(f"like={cohort.pk}")
    try:
        return [str(course_setup._find_model(request))]
    except Http404:
        return []


def waiting_case() -> Enrollment:
    return awaiting_review(Enrollment.objects.filter(workspace__slug=MINE)).earliest("pk")


SCOPE = "backoffice.scoping:WorkspaceScopedAdmin"
ACTIONS = "backoffice.actions"
DESK = "enrollments.admin.review"

GUARDS = [
    Guard(
        "accounts.roles:StaffAccess.limit",
        "if self.everywhere:",
        "if True:",
        at(Caller.ELSEWHERE, "accounts_learner_changelist"),
    ),
    Guard(
        "accounts.roles:StaffAccess.may",
        "power in self.powers.get(workspace_id, ())",
        "True",
        at(Caller.VIEWER, "billing_payment_refund"),
    ),
    Guard(
        "accounts.roles:StaffAccess.may_anywhere",
        "any(power in held for held in self.powers.values())",
        "True",
        at(Caller.VIEWER, "accounts_learner_add"),
    ),
    Guard(
        "accounts.roles:StaffAccess.workspace_ids",
        " if power in held",
        "",
        at(Caller.VIEWER, "partners_partnersequence_editor"),
    ),
    Guard("accounts.roles:get_staff_access", "user.is_active and user.is_staff", "True", left),
    Guard(
        "backoffice.site:BackOfficeSite.has_permission",
        " and is_signed_in_by_password(request)",
        "",
        at(Caller.BY_CODE, "index"),
    ),
    Guard("backoffice.scoping:access_of", "if is_signed_in_by_password(request):", "if True:", by_code),
    Guard(
        f"{SCOPE}.get_queryset",
        "self.limit(super().get_queryset(request), request)",
        "super().get_queryset(request)",
        at(Caller.ELSEWHERE, "accounts_learner_changelist"),
    ),
    Guard(
        f"{SCOPE}.limit",
        "access.limit(rows, path=self.workspace_path, power=self.view_power) if self.workspace_path else rows",
        "rows",
        told(learners_elsewhere),
    ),
    Guard(f"{SCOPE}.limit", "return rows.none()", "pass", sees_rows(Caller.OWNER, StripeEvent)),
    Guard(
        f"{SCOPE}.may",
        "access.may(power, self.workspace_id_of(row))",
        "access.may_anywhere(power)",
        at(Caller.ASIDE, "billing_payment_refund"),
    ),
    Guard(f"{SCOPE}.may", "return False", "return True", at(Caller.SUPERUSER, "billing_payment_delete")),
    Guard(
        f"{SCOPE}.has_view_permission",
        "self.may(request, self.view_power, obj)",
        "True",
        at(Caller.STRANGER, "billing_payment_changelist"),
    ),
    Guard(
        f"{SCOPE}.has_add_permission",
        "self.may(request, self.add_power)",
        "True",
        at(Caller.VIEWER, "accounts_learner_add"),
    ),
    Guard(
        f"{SCOPE}.has_change_permission",
        "self.may(request, self.change_power, obj)",
        "True",
        told(lambda: page_of(Learner).has_change_permission(request_of(Caller.VIEWER), my_row_of(page_of(Learner)))),
    ),
    Guard(
        f"{SCOPE}.has_delete_permission",
        "self.may(request, self.delete_power, obj)",
        "True",
        at(Caller.SUPERUSER, "billing_payment_delete"),
    ),
    Guard(
        f"{SCOPE}.has_module_permission",
        "self.may(request, self.view_power)",
        "True",
        told(lambda: page_of(AuditEntry).has_module_permission(request_of(Caller.VIEWER))),
    ),
    Guard(f"{SCOPE}.get_actions", " if self.may(request, entry[0].power)", "", told(offered_for_many)),
    Guard(
        f"{SCOPE}.get_actions_detail",
        "self.may(request, action.method.button.power, row) and ",
        "",
        buttons_shown(Caller.VIEWER, Payment),
    ),
    Guard(
        f"{SCOPE}.get_actions_list",
        " if self.may(request, action.method.button.power)",
        "",
        buttons_shown(Caller.VIEWER, Membership, of_list=True),
    ),
    *[
        Guard(
            f"backoffice.inlines:ScopedInline.has_{name}_permission",
            f"self._may(request, self.{name}_power, obj)",
            "True",
            inline_powers(name),
        )
        for name in ("view", "add", "change", "delete")
    ],
    Guard(
        "backoffice.inlines:ScopedInline._may", "self.owner.may(request, power, parent)", "True", inline_powers("view")
    ),
    Guard(
        "backoffice.scoping:ScopedChoices.formfield_for_foreignkey",
        'kwargs["queryset"] = related.get_queryset(request)',
        "pass",
        offers(
            Caller.ELSEWHERE,
            "enrollments_programinstance_add",
            "program",
            ProgramInstance._meta.get_field("program").related_model,
            "workspace__slug",
        ),
    ),
    Guard(
        "backoffice.scoping:ScopedChoices.formfield_for_foreignkey",
        "access_of(request).limit(owners, path=path, power=power)",
        "owners",
        offers(Caller.ASIDE, "accounts_learner_add", "workspace", Workspace, "slug"),
    ),
    Guard(
        "backoffice.scoping:ScopedRelatedFilter.field_choices",
        "related.get_queryset(request)",
        "related.model._default_manager.all()",
        told(programs_to_filter_by),
    ),
    Guard(
        "backoffice.admin.audit:PersonFilter.lookups",
        'access_of(request).limit(Membership.objects.all(), path="workspace", power=Power.GOVERN)',
        "Membership.objects.all()",
        filter_by_person,
    ),
    Guard(
        "backoffice.admin.staff:UserAdmin.limit",
        'rows.filter(pk__in=colleagues.values("user"))',
        "rows",
        at(Caller.ELSEWHERE, "accounts_user_changelist"),
    ),
    Guard(
        f"{ACTIONS}:StaffForm.offer_workspaces",
        'access_of(self.request).limit(Workspace.objects.order_by("slug"), path="id", power=power)',
        'Workspace.objects.order_by("slug")',
        offers(Caller.ASIDE, "accounts_apikey_create", "workspace", Workspace, "slug"),
    ),
    Guard(
        f"{ACTIONS}:RowButton.find_row",
        "not model_admin.may(request, self.power, row)",
        "False",
        at(Caller.VIEWER, "billing_payment_refund"),
    ),
    Guard(
        f"{ACTIONS}:ListButton.press",
        "not model_admin.may(request, self.power)",
        "False",
        at(Caller.VIEWER, "accounts_apikey_create"),
    ),
    Guard(f"{ACTIONS}:BulkButton.__call__", "not model_admin.may(request, self.power)", "False", pressed_for_many),
    Guard(
        "backoffice.guided:ListLink.press",
        "not model_admin.may(request, self.power)",
        "False",
        at(Caller.VIEWER, "enrollments_program_set_up_program"),
    ),
    Guard(
        "backoffice.guided:find_workspace",
        "not access.may_anywhere(power)",
        "False",
        at(Caller.VIEWER, "enrollments_program_setup"),
    ),
    Guard(
        "backoffice.guided:offered_workspaces",
        'access_of(request).limit(Workspace.objects.order_by("name", "pk"), path="id", power=power)',
        'Workspace.objects.order_by("name", "pk")',
        at(Caller.ELSEWHERE, "enrollments_program_setup"),
    ),
    Guard("backoffice.exporting.lists:ListSource.is_open_still", "held and ", "", file_of(Caller.OWNER, Learner)),
    Guard(
        "backoffice.exporting.lists:ListSource.is_open_still",
        " and page.has_view_permission(request)",
        "",
        file_of(Caller.VIEWER, ApiKey, is_demoted=True),
    ),
    Guard(
        "cohorts.admin.course_setup:_find_model",
        'access_of(request).limit(Cohort.objects.all(), path="instance__workspace", power=Power.MANAGE)',
        "Cohort.objects.all()",
        told(cohort_to_copy),
    ),
    Guard(
        "partners.admin.sequence_editor:_find_program",
        'access_of(request).limit(Program.objects.all(), path="workspace", power=Power.MANAGE)',
        "Program.objects.all()",
        at(Caller.ELSEWHERE, "partners_partnersequence_editor"),
    ),
    Guard(
        "partners.admin.field_map_editor:edit_field_map",
        "not model_admin.may(request, POWER, provider)",
        "False",
        at(Caller.ADMIN, "partners_provider_field_map"),
    ),
    Guard(
        "partners.admin.providers:ProviderAdmin.show_pipeline",
        "not self.has_view_permission(request)",
        "False",
        at(Caller.STRANGER, "partners_provider_pipeline"),
    ),
    Guard(
        "enrollments.admin.applications:ApplicationAdmin.download",
        "not self.may(request, Power.DECIDE, application)",
        "False",
        at(Caller.VIEWER, "enrollments_application_file"),
    ),
    Guard(
        f"{DESK}.desk:ReviewDesk.show_desk",
        "not self.may(request, Power.VIEW)",
        "False",
        at(Caller.STRANGER, "enrollments_enrollment_review"),
    ),
    Guard(
        f"{DESK}.answering:Answering.answer",
        "not self.may(request, Power.DECIDE, enrollment)",
        "False",
        is_let(lambda: page_of(Enrollment).answer(request_of(Caller.VIEWER), waiting_case())),
    ),
    Guard(
        f"{DESK}.answering:Answering.undo",
        "not self.may(request, Power.DECIDE, review.enrollment)",
        "False",
        at(Caller.VIEWER, "enrollments_enrollment_review_undo"),
    ),
    Guard(
        f"{DESK}.answering:Answering.cases",
        "self.get_queryset(request)",
        "Enrollment.objects.all()",
        told(lambda: page_of(Enrollment).cases(request_of(Caller.ELSEWHERE)).filter(pk=waiting_case().pk)),
    ),
]
