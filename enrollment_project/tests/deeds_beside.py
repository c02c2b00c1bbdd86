"""What staff can do on pages that belong to no model: guided pages, the desk, their own account, and files."""

import json
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import reverse

from accounts.invitations import invite_member
from accounts.models import Passkey, StaffSignIn, User, Workspace
from accounts.passwords import ASKED, PASSED, SECOND_FACTOR
from accounts.states import Role
from backoffice.exporting.files import path_of
from backoffice.exporting.links import export_url
from backoffice.exporting.lists import source_name
from backoffice.models import Export, SavedList
from backoffice.tests.authenticator import Authenticator
from backoffice.tests.test_second_factors import code_of, set_up
from cohorts.tests.test_course_setup import typed as typed_course
from core.clock import utc_now
from core.errors import require
from core.jobs import JobStatus
from enrollment_project.dashboard.figures.all import FINDERS
from enrollments.models import ApplicationFile, Enrollment, HeldReview, WhatIf
from enrollments.queries import awaiting_review
from enrollments.tests.test_program_setup import typed as typed_program
from partners.models import PartnerSequence, Provider
from partners.tests.test_field_map_editor import typed as typed_map
from partners.tests.test_sequence_editor import part
from partners.tests.test_sequence_editor import typed as typed_sequence

from .deeds import Deed
from .guards_of_sessions import in_session
from .matrix import Caller, browser, user_of
from .small_demo import MINE

NEW = {"new_password1": "Correct-horse-9", "new_password2": "Correct-horse-9"}
PASSWORD = "correct horse battery"
Way = Callable[[], tuple[Client, Deed]]


def ours() -> Workspace:
    return Workspace.objects.get(slug=MINE)


def owner() -> User:
    """Return an owner with a password."""
    user = user_of(Caller.OWNER)
    user.set_password(PASSWORD)
    user.save(update_fields=["password"])
    return user


def sent(
    route: str, *args: object, by: Caller = Caller.OWNER, form: dict[str, Any] | None = None
) -> tuple[Client, Deed]:
    return browser(by), Deed(route, by, reverse(route, args=args), form or {})


def fetched(route: str, *args: object) -> Way:
    return lambda: (browser(Caller.OWNER), Deed(route, Caller.OWNER, reverse(route, args=args), None))


# --- Guided pages and the desk ----------------------------------------------------------------------------------------


def guided(
    route: str, typed: Callable[..., dict[str, Any]], last: str, *args: Callable[[], Any], asked: str = ""
) -> Way:
    """Preview the form, then send it as previewed."""

    def way() -> tuple[Client, Deed]:
        client = browser(Caller.OWNER)
        address = reverse(route, args=[arg() for arg in args]) + asked
        shown = client.post(address, typed()).context
        told = {name: str(shown[name]) for name in ("seen", "replaces") if name in shown}
        return client, Deed(route, Caller.OWNER, address, typed(act=last, **told))

    return way


def sequence() -> tuple[Client, Deed]:
    present = PartnerSequence.objects.filter(program__workspace=ours()).latest("pk")
    partner = Provider.objects.filter(workspace=ours()).latest("pk").slug
    query = f"?program={present.program_id}"
    return guided(
        "admin:partners_partnersequence_editor",
        lambda act="preview", **told: typed_sequence(part((partner, "99")), act=act, **told),
        "publish",
        asked=query,
    )()


def waiting() -> Enrollment:
    return awaiting_review(Enrollment.objects.filter(workspace=ours())).earliest("pk")


def answered(do: str, **told: str) -> Way:
    return lambda: sent("admin:enrollments_enrollment_review_case", waiting().pk, form={"do": do, **told})


def undone() -> tuple[Client, Deed]:
    client, deed = answered("approve")()
    client.post(deed.address, deed.form)
    return sent("admin:enrollments_enrollment_review_undo", HeldReview.objects.latest("pk").pk)


def shared() -> tuple[Client, Deed]:
    form = {"do": "save", "name": "Ours", "query": "o=1", "workspace": ours().pk}
    return sent("list-settings", "accounts.learner", form=form)


def forgotten() -> tuple[Client, Deed]:
    kept = SavedList.objects.create(user=owner(), workspace=ours(), model="accounts.learner", name="X", query="o=1")
    return sent("list-settings", "accounts.learner", form={"do": "forget", "filter": kept.pk})


# --- The caller's own account -----------------------------------------------------------------------------------------


def own_password() -> tuple[Client, Deed]:
    owner()
    return sent("admin:password_change", form={"old_password": PASSWORD, **NEW})


def password_of_another() -> tuple[Client, Deed]:
    told = {"usable_password": "true", "password1": "Correct-horse-9", "password2": "Correct-horse-9"}
    return sent("admin:auth_user_password_change", user_of(Caller.VIEWER).pk, by=Caller.SUPERUSER, form=told)


def password_by_link() -> tuple[Client, Deed]:
    user = owner()
    return sent("staff-password", user.pk, default_token_generator.make_token(user), by=Caller.VISITOR, form=NEW)


def invitation() -> tuple[Client, Deed]:
    _, token = invite_member(
        workspace_id=ours().pk, email="walk@role.test", role=Role.VIEWER, invited_by=None, now=utc_now()
    )
    return sent("staff-invitation", token, by=Caller.VISITOR, form=NEW)


def app() -> tuple[Client, Deed]:
    owner()
    client = browser(Caller.OWNER)
    secret = client.get(reverse("staff-app")).context["secret"].replace(" ", "")
    form = {"code": code_of(secret), "password": PASSWORD}
    return client, Deed("staff-app", Caller.OWNER, reverse("staff-app"), form)


def with_factor(route: str, **form: str) -> Way:
    def way() -> tuple[Client, Deed]:
        set_up(owner())
        client = in_session(Caller.OWNER, **{SECOND_FACTOR: PASSED})
        return client, Deed(route, Caller.OWNER, reverse(route), {"password": PASSWORD, **form})

    return way


def recovery_code() -> tuple[Client, Deed]:
    code = set_up(owner())[0]
    client = in_session(Caller.OWNER, **{SECOND_FACTOR: ASKED})
    return client, Deed("staff-second-factor", Caller.OWNER, reverse("staff-second-factor"), {"code": code})


def passkey() -> tuple[Client, Deed]:
    owner()
    client = browser(Caller.OWNER)
    asked = json.loads(client.get(reverse("staff-passkey")).context["passkey"])
    answer = Authenticator(origin=settings.PUBLIC_URL).make(asked)
    form = {"name": "My phone", "password": PASSWORD, "answer": answer}
    return client, Deed("staff-passkey", Caller.OWNER, reverse("staff-passkey"), form)


def passkey_removed() -> tuple[Client, Deed]:
    client, deed = passkey()
    client.post(deed.address, deed.form)
    address = reverse("staff-passkey-remove", args=[Passkey.objects.latest("pk").pk])
    return client, Deed("staff-passkey-remove", Caller.OWNER, address, {"password": PASSWORD})


def signed_out_there() -> tuple[Client, Deed]:
    there = browser(Caller.OWNER)
    row = StaffSignIn.objects.create(
        user=owner(),
        session_id=there.session.session_key,
        browser="Firefox",
        network="",
        began_at=utc_now(),
        last_used_at=utc_now(),
    )
    return sent("staff-sign-in-end", row.pk)


# --- Files ------------------------------------------------------------------------------------------------------------


def export_file() -> tuple[Client, Deed]:
    now = utc_now()
    export = Export.objects.create(
        source=source_name(Enrollment),
        format="csv",
        requested_by=user_of(Caller.OWNER),
        options={"query": "", "keys": None, "workspaces": [ours().pk]},
        status=JobStatus.COMPLETED,
        finished_at=now,
    )
    path_of(export).write_text("rows")
    address = require(export_url(export, now=now), "it is ready")
    return browser(Caller.OWNER), Deed("export-file", Caller.OWNER, address, None)


def what_if_file() -> tuple[Client, Deed]:
    return fetched("admin:enrollments_whatif_file", WhatIf.objects.filter(workspace=ours()).earliest("pk").pk)()


def file_of_an_application() -> tuple[Client, Deed]:
    file = ApplicationFile.objects.filter(application__workspace=ours()).latest("pk")
    file.content.save("report.pdf", ContentFile(b"x"))
    return fetched("admin:enrollments_application_file", file.application_id, file.pk)()


def every_figure() -> dict[str, Way]:
    return {f"figure-file {name}": fetched("figure-file", name) for names in FINDERS for name in names}


BESIDE: dict[str, Way] = {
    "cohorts_cohort_course": guided("admin:cohorts_cohort_course", typed_course, "create"),
    "enrollments_program_setup": guided("admin:enrollments_program_setup", typed_program, "create"),
    "partners_partnersequence_editor": sequence,
    "partners_provider_field_map": guided(
        "admin:partners_provider_field_map",
        lambda act="preview", **told: typed_map(act, answer_id="number", **told),
        "save",
        lambda: Provider.objects.filter(workspace=ours()).latest("pk").pk,
    ),
    "enrollments_enrollment_review_case approve": answered("approve", note="Fits"),
    "enrollments_enrollment_review_case reject": answered("reject", reason="Too late", note="Fits not"),
    "enrollments_enrollment_review_case ask": answered("ask", question="Which grade?"),
    "enrollments_enrollment_review_undo": undone,
    "list-settings save": shared,
    "list-settings forget": forgotten,
    "password_change": own_password,
    "auth_user_password_change": password_of_another,
    "staff-password": password_by_link,
    "staff-invitation": invitation,
    "staff-app": app,
    "staff-recovery-codes": with_factor("staff-recovery-codes"),
    "staff-second-factor-off": with_factor("staff-second-factor-off"),
    "staff-second-factor": recovery_code,
    "staff-passkey": passkey,
    "staff-passkey-remove": passkey_removed,
    "staff-sign-in-end": signed_out_there,
    "staff-sign-ins-end": lambda: sent("staff-sign-ins-end"),
    "export-file": export_file,
    "enrollments_whatif_file": what_if_file,
    "enrollments_application_file": file_of_an_application,
    **every_figure(),
}
# Pages on which nothing can be changed, and actions that only affect the person who performs them.
NOTHING_TO_DO = {
    "app_list": "shows",
    "autocomplete": "looks up",
    "billing_invoice_pdf": "shows one invoice",
    "enrollments_enrollment_review": "shows; its answers are sent to the case",
    "index": "shows",
    "jsi18n": "words of scripts",
    "login": "a sign-in stands among one's sign-ins",
    "logout": "ends one's own session",
    "partners_certificate_pdf": "shows one certificate",
    "partners_provider_pipeline": "shows",
    "password_change_done": "shows",
    "search": "looks up",
    "staff-password-forgotten": "mails a link, which does nothing yet",
    "staff-sign-ins": "shows",
    "status": "shows",
    "money-days": "shows",
}
