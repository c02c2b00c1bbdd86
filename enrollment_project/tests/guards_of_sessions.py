"""The guards of files, operators' pages, and second factors; see guarding.py."""

from django.test import Client, override_settings
from django.urls import reverse

from accounts.models import ApiKey, Learner, SecondFactor, Workspace
from accounts.passwords import ASKED, PASSED, SECOND_FACTOR
from accounts.permissions import permission_of
from accounts.roles import Power
from backoffice.admin.exports import ask_for_file
from backoffice.exporting.files import path_of
from backoffice.exporting.links import export_url
from backoffice.exporting.lists import source_name
from backoffice.models import Export, ExportFormat, SavedList
from backoffice.saved_lists import own_or_shared
from backoffice.scoping import access_of
from core.clock import utc_now
from core.errors import require
from core.jobs import JobStatus
from enrollment_project import status
from enrollments.models import ProgramInstance
from partners.models import Provider

from .guarding import Guard, is_let, page_of, told
from .matrix import Caller, browser, user_of
from .matrix_of_lists import request_of
from .small_demo import MINE


def ours() -> Workspace:
    return Workspace.objects.get(slug=MINE)


def opens(client: Client, address: str) -> bool:
    """Return whether the page opens instead of redirecting elsewhere."""
    return bool(client.get(address).status_code == 200)


def in_session(caller: Caller, **values: str) -> Client:
    client = browser(caller)
    session = client.session
    session.update(values)
    session.save()
    return client


# --- Files and lists --------------------------------------------------------------------------------------------------


def file_of_the_viewer(by: Client, *, model: type = Learner) -> bool:
    """Return whether the file that the viewer once requested opens."""
    now = utc_now()
    export = Export.objects.create(
        source=source_name(model),
        format=ExportFormat.CSV,
        requested_by=user_of(Caller.VIEWER),
        options={"query": "", "keys": None, "workspaces": [ours().pk]},
        status=JobStatus.COMPLETED,
        finished_at=now,
    )
    path = path_of(export)
    path.write_text("rows")
    try:
        answer = by.get(require(export_url(export, now=now), "it is ready"))
        return bool(answer.status_code == 200 and b"".join(answer))
    finally:
        path.unlink()


def file_without_a_second_factor() -> bool:
    Workspace.objects.filter(slug=MINE).update(second_factor_from=utc_now())
    return file_of_the_viewer(browser(Caller.VIEWER))


def our_exports(caller: Caller) -> list[Export]:
    return list(page_of(Export).get_queryset(request_of(caller)).filter(workspace=ours()))


def shared_filter() -> SavedList:
    kept: SavedList = SavedList.objects.create(
        user=user_of(Caller.OWNER), workspace=ours(), model="accounts.learner", name="Ours", query="o=1"
    )
    return kept


def forgets_the_owner_s_filter() -> bool:
    kept = shared_filter()
    browser(Caller.VIEWER).post(reverse("list-settings", args=[kept.model]), {"do": "forget", "filter": kept.pk})
    return not SavedList.objects.filter(pk=kept.pk).exists()


def sees_the_owner_s_filter() -> bool:
    kept = shared_filter()
    request = request_of(Caller.ELSEWHERE)
    return own_or_shared(user_of(Caller.ELSEWHERE), access_of(request)).filter(pk=kept.pk).exists()


def closed_form() -> bool:
    """Open the form of an instance that accepts no applications, as an owner of another workspace."""
    instance = ProgramInstance.objects.filter(workspace=ours(), is_default=False).earliest("pk")
    ProgramInstance.objects.filter(pk=instance.pk).update(takes_applications=False)
    page = browser(Caller.ELSEWHERE).get(reverse("apply", args=[instance.program.code, instance.cuid]))
    return bool(page.context.get("is_preview"))


LINKS = "backoffice.exporting.links:find_linked_export"
FILES = [
    Guard(
        "backoffice.admin.exports:ask_for_file",
        "not page.has_view_permission(request)",
        "False",
        is_let(
            lambda: ask_for_file(
                page_of(Learner), request_of(Caller.STRANGER), Learner.objects.none(), ExportFormat.CSV
            )
        ),
    ),
    Guard(
        "backoffice.admin.exports:ExportAdmin.limit",
        "super().limit(rows, request)",
        "(super() and rows)",
        told(lambda: our_exports(Caller.ELSEWHERE)),
    ),
    Guard(
        "backoffice.admin.exports:ExportAdmin.may",
        " and row.requested_by_id == staff_of(request).pk",
        "",
        told(
            lambda: page_of(Export).has_view_permission(
                request_of(Caller.ELSEWHERE), Export.objects.filter(workspace=ours()).earliest("pk")
            )
        ),
    ),
    Guard(
        LINKS,
        "export.requested_by_id != user.pk",
        "False",
        told(lambda: file_of_the_viewer(browser(Caller.OWNER))),
    ),
    Guard(
        LINKS,
        "not source_of(export).is_open_still(export)",
        "False",
        told(lambda: file_of_the_viewer(browser(Caller.VIEWER), model=ApiKey)),
    ),
    Guard(
        "backoffice.pages.exports:_staff_of",
        "not (has_passed_second_factor(request) or not is_kept_out_without_second_factor(user))",
        "False",
        told(file_without_a_second_factor),
    ),
    Guard(
        "backoffice.list_settings:show_list_settings",
        "not page.has_view_permission(request)",
        "False",
        told(lambda: opens(browser(Caller.VIEWER), reverse("list-settings", args=["accounts.apikey"]))),
    ),
    Guard(
        "backoffice.list_settings:_may_forget",
        "access_of(request).may(Power.MANAGE, saved.workspace_id)",
        "True",
        told(forgets_the_owner_s_filter),
    ),
    Guard("backoffice.saved_lists:own_or_shared", "not access.everywhere", "False", told(sees_the_owner_s_filter)),
    Guard(
        "enrollments.apply_pages:apply",
        " and access_of(request).may(Power.VIEW, instance.workspace_id)",
        "",
        told(closed_form),
    ),
    Guard(
        "accounts.permissions:RolePermissions.get_all_permissions",
        " if access.may(power, obj.pk if obj is not None else None)",
        "",
        told(lambda: user_of(Caller.VIEWER).has_perm(permission_of(Power.MONEY), ours())),
    ),
]


# --- Operators' pages -------------------------------------------------------------------------------------------------


def metrics_with(token: str, *, wanted: str) -> bool:
    with override_settings(METRICS_TOKEN=wanted):
        return opens(Client(headers={"Authorization": f"Bearer {token}"}), "/metrics")


def status_shown(caller: Caller, part: str) -> object:
    return require(status.show_status(request_of(caller)).context_data, "it is a page")[part]  # type: ignore[attr-defined]  # as a template's


def partners_away() -> list[Provider]:
    Provider.objects.filter(workspace=ours()).update(paused_at=utc_now())
    return [each for each in status_shown(Caller.ELSEWHERE, "away") if each.workspace == ours()]  # type: ignore[attr-defined]


OPERATIONS = [
    Guard(
        "enrollment_project.metrics:show_metrics",
        "access_of(request).everywhere",
        "True",
        told(lambda: opens(browser(Caller.OWNER), "/metrics")),
    ),
    Guard(
        "enrollment_project.metrics:_has_token",
        "hmac.compare_digest(brought.strip().encode(), wanted.encode())",
        "True",
        told(lambda: metrics_with("guessed", wanted="right")),
    ),
    Guard(
        "enrollment_project.metrics:_has_token",
        " and bool(wanted)",
        "",
        told(lambda: metrics_with("", wanted="")),
    ),
    Guard(
        "enrollment_project.status:show_status",
        'access.limit(Provider.objects.all(), path="workspace", power=Power.VIEW)',
        "Provider.objects.all()",
        told(partners_away),
    ),
    Guard(
        "enrollment_project.status:show_status",
        "works if access.everywhere else []",
        "works",
        told(lambda: status_shown(Caller.OWNER, "works")),
    ),
    Guard(
        "enrollment_project.status:show_status",
        "_doctor() if access.everywhere else None",
        "_doctor()",
        told(lambda: status_shown(Caller.OWNER, "doctor")),
    ),
]


# --- Second factors ---------------------------------------------------------------------------------------------------


def powers_without_a_second_factor() -> object:
    Workspace.objects.filter(slug=MINE).update(second_factor_from=utc_now())
    return access_of(request_of(Caller.OWNER)).powers


def everything_without_a_second_factor() -> bool:
    with override_settings(SUPERUSERS_NEED_SECOND_FACTOR=True):
        return access_of(request_of(Caller.SUPERUSER)).everywhere


def superuser_gets_in() -> bool:
    with override_settings(SUPERUSERS_NEED_SECOND_FACTOR=True):
        return opens(browser(Caller.SUPERUSER), reverse("admin:index"))


def member_gets_in() -> bool:
    Workspace.objects.filter(slug=MINE).update(second_factor_from=utc_now())
    return opens(browser(Caller.VIEWER), reverse("admin:index"))


def turned_off(password: str) -> bool:
    user = user_of(Caller.OWNER)
    user.set_password("correct horse battery")
    user.save(update_fields=["password"])
    SecondFactor.objects.create(user=user)
    client = in_session(Caller.OWNER, **{SECOND_FACTOR: PASSED})
    client.post(reverse("staff-second-factor-off"), {"password": password})
    return not SecondFactor.objects.filter(user=user).exists()


SECOND_FACTORS = [
    Guard(
        "accounts.roles:_by_membership", "if not has_second_factor:", "if False:", told(powers_without_a_second_factor)
    ),
    Guard(
        "accounts.roles:get_staff_access",
        "has_second_factor or not settings.SUPERUSERS_NEED_SECOND_FACTOR",
        "True",
        told(everything_without_a_second_factor),
    ),
    Guard(
        "accounts.roles:is_kept_out_without_second_factor",
        "bool(settings.SUPERUSERS_NEED_SECOND_FACTOR)",
        "False",
        told(superuser_gets_in),
    ),
    Guard(
        "accounts.roles:is_kept_out_without_second_factor",
        "Membership.objects.filter(user_id=user.pk, workspace__second_factor_from__lte=Now()).exists()",
        "False",
        told(member_gets_in),
    ),
    Guard(
        "backoffice.site:BackOfficeSite.has_permission", " and not _is_kept_out(request)", "", told(superuser_gets_in)
    ),
    Guard(
        "backoffice.site:_is_kept_out",
        "has_passed_second_factor(request) or access_of(request).may_anywhere(Power.VIEW)",
        "True",
        told(member_gets_in),
    ),
    Guard(
        "accounts.passwords:is_signed_in_by_password",
        " and request.session.get(SECOND_FACTOR) != ASKED",
        "",
        told(lambda: opens(in_session(Caller.OWNER, **{SECOND_FACTOR: ASKED}), reverse("admin:index"))),
    ),
    Guard(
        "accounts.passwords:knew_password",
        'session.get("_auth_user_backend") == SIGNED_IN_BY_PASSWORD',
        "True",
        told(lambda: opens(browser(Caller.BY_CODE), reverse("admin:index"))),
    ),
    Guard(
        "accounts.passwords:has_passed_second_factor",
        "request.session.get(SECOND_FACTOR) == PASSED",
        "True",
        told(lambda: opens(browser(Caller.OWNER), reverse("staff-second-factor-off"))),
    ),
    Guard(
        "backoffice.pages.own_account:staff_signed_in",
        "user.is_staff and ",
        "",
        told(lambda: opens(browser(Caller.LEFT), reverse("staff-sign-ins"))),
    ),
    Guard(
        "backoffice.pages.own_account:staff_signed_in",
        " and is_signed_in_by_password(request)",
        "",
        told(lambda: opens(browser(Caller.BY_CODE), reverse("staff-sign-ins"))),
    ),
    Guard(
        "backoffice.pages.own_account:is_their_password",
        "check_staff_password(email=user.email, password=password, request=request, now=utc_now()) is not None",
        "True",
        told(lambda: turned_off("guessed")),
    ),
    Guard(
        "backoffice.pages.second_factor:_change",
        "not has_passed_second_factor(request)",
        "False",
        told(lambda: opens(browser(Caller.OWNER), reverse("staff-second-factor-off"))),
    ),
    Guard(
        "backoffice.pages.second_factor:ask_for_second_factor",
        "user.is_staff and ",
        "",
        told(lambda: opens(in_session(Caller.LEFT, **{SECOND_FACTOR: ASKED}), reverse("staff-second-factor"))),
    ),
]
GUARDS_OF_SESSIONS = [*FILES, *OPERATIONS, *SECOND_FACTORS]
