"""The address of every page outside of the back office, and who visits it."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.tokens import default_token_generator
from django.test import Client
from django.urls import get_resolver, reverse

from accounts.guardian_invitations import invite_guardian
from accounts.invitations import invite_member
from accounts.models import Guardian, Learner, Passkey, Workspace
from accounts.states import Role
from accounts.tests.factories import GuardianFactory, proven_user
from billing.models import Checkout
from billing.states import CheckoutStatus
from cohorts.models import StepProgress, StudentPackage
from core.clock import utc_now
from enrollments.allocations.contact import stop_url
from enrollments.allocations.idle.links import keep_url
from enrollments.application.receive import renew_link
from enrollments.models import Application, District, EnrollmentDecision, IdleSeat
from partners.models import Certificate
from tests.contracts.hostile import CONVERTER
from tests.contracts.routes import routes
from tests.journeys import families, forms, partnering, reviews

from .deeds_beside import passkey
from .matrix import Caller, browser, user_of
from .small_demo import MINE

PREFIXES_ELSEWHERE = ("admin/", "api/")
# No pages: what machines ask for, files, and what only takes what is sent.
NO_PAGES = {
    "account_login": "leads to the code",
    "account_signup": "leads to the code",
    "application-confirm": "is sent",
    "course-cancel": "is sent",
    "course-leave-payment": "leads elsewhere",
    "course-wait": "is sent",
    "export-file": "a file",
    "health": "for machines",
    "invoice-link": "a file",
    "liveness": "for machines",
    "metrics": "for machines",
    "my": "leads to the enrollments",
    "my-courses": "leads to the enrollments",
    "my-browser-sign-out": "is sent",
    "my-browsers-sign-out": "is sent",
    "my-data-download": "a file",
    "readiness": "for machines",
    "session-ics": "a file",
    "calendar-feed": "a file",
    "certificate-pdf": "a file",
    "invoice-pdf": "a file",
    "share-calendar": "is sent",
    "staff-recovery-codes": "leads to what is set up first",
    "staff-second-factor": "leads to the password",
    "staff-second-factor-off": "leads to what is set up first",
    "staff-sign-in-end": "is sent",
    "staff-sign-ins-end": "is sent",
    "switch-language": "is sent",
    "waitlist-leave": "is sent",
    "dev-graphiql": "GraphiQL's own: looked at in tests/journeys/test_graphiql.py",
    "dev-mailbox": "shows what the sandbox keeps in files: looked at in a running stack",
    "account_confirm_login_code": "follows the one before: looked at in a running stack",
}
BY_VISITORS = {"account_request_login_code", "guardian-invitation", "staff-invitation", "staff-password", "home"}


def site_pages() -> list[str]:
    """Return the names of the routes outside of the back office that show a page."""
    found = {str(pattern.name) for route, pattern in routes(get_resolver()) if not route.startswith(PREFIXES_ELSEWHERE)}
    return sorted(found - NO_PAGES.keys())


class Places:
    """A family that has a row of each kind, and the other objects that pages are about."""

    def __init__(self) -> None:
        self.known = families.build()
        self.forms = forms.build()
        self.partner = partnering.build()
        self.question = reviews.ask()
        self.parent = Client()
        user = proven_user(families.PARENT)
        self.parent.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    def address_of(self, name: str) -> str:
        """Return the address of a route's page. Fails if this module does not know it."""
        if name in PLACES:
            return _path(PLACES[name](self))
        route = next(route for route, pattern in routes(get_resolver()) if pattern.name == name)
        assert not CONVERTER.search(route), (
            f"Nobody knows a page at {route}: say in {__name__} where one is, or why it is none."
        )
        return reverse(name)

    def who_opens(self, name: str) -> Client:
        if name in BY_VISITORS:
            return Client()
        return browser(Caller.OWNER) if name.startswith("staff-") else self.parent


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _ours() -> Workspace:
    return Workspace.objects.get(slug=MINE)


def _guardian_invitation(_: Places) -> str:
    guardian: Guardian = GuardianFactory(workspace=_ours(), email="")
    asked: dict[str, Any] = {"email": "walk@home.test", "invited_by": None, "now": utc_now()}
    return reverse("guardian-invitation", args=[invite_guardian(guardian_id=guardian.pk, **asked)[1]])


def _staff_invitation(_: Places) -> str:
    asked: dict[str, Any] = {"email": "walk@role.test", "role": Role.VIEWER, "invited_by": None, "now": utc_now()}
    return reverse("staff-invitation", args=[invite_member(workspace_id=_ours().pk, **asked)[1]])


def _staff_password(_: Places) -> str:
    user = user_of(Caller.OWNER)
    return reverse("staff-password", args=[user.pk, default_token_generator.make_token(user)])


def _passkey(_: Places) -> str:
    client, deed = passkey()
    client.post(deed.address, deed.form)
    return reverse("staff-passkey-remove", args=[Passkey.objects.latest("pk").pk])


def _application(_: Places) -> str:
    waiting = Application.objects.filter(confirmed_at=None).latest("pk")
    return reverse("application", args=[renew_link(application_id=waiting.pk, now=utc_now())[1]])


def _quote(places: Places) -> str:
    enrollment = places.known["enrollment"].split("/")[-1]
    answer = places.parent.post(reverse("leave", args=[enrollment]), {"enrollment": enrollment})
    return str(answer["Location"])


def _returned(_: Places) -> str:
    paid = EnrollmentDecision.objects.filter(checkout__status=CheckoutStatus.PAID).latest("pk")
    return f"{reverse('enroll-return')}?session_id={paid.checkout.stripe_session_id}"


def _cancelled(_: Places) -> str:
    paid = EnrollmentDecision.objects.filter(checkout__status=CheckoutStatus.PAID).latest("pk")
    return f"{reverse('enroll-cancelled')}?enrollment={paid.enrollment.cuid}"


def _package(places: Places) -> StudentPackage:
    return StudentPackage.objects.get(enrollment__cuid=places.known["enrollment"].split("/")[-1])


def _enrolled(places: Places) -> str:
    checkout: Checkout = _package(places).place.checkout
    return f"{reverse('course-enrolled')}?session_id={checkout.stripe_session_id}"


def _change(places: Places) -> str:
    step = StepProgress.objects.filter(package=_package(places)).earliest("pk")
    return reverse("course-change", args=[step.package_id, step.step_id])


def _learner(places: Places) -> Learner:
    return Learner.objects.get(cuid=places.known["name"].split("/")[3])


PLACES: dict[str, Callable[[Places], str]] = {
    "guardian-invitation": _guardian_invitation,
    "staff-invitation": _staff_invitation,
    "staff-password": _staff_password,
    "staff-passkey-remove": _passkey,
    "learner-name": lambda places: places.known["name"],
    "my-consent": lambda places: places.known["consent"],
    "my-data-delete": lambda places: reverse("my-data-delete", args=[_learner(places).cuid]),
    "my-enrollment": lambda places: places.known["enrollment"],
    "enroll-return": _returned,
    "enroll-cancelled": _cancelled,
    "apply": lambda places: places.forms["reviewed"],
    "apply-sent": lambda places: f"{places.forms['reviewed']}/sent",
    "application": _application,
    "inquiry": lambda places: places.question,
    "idle-seat": lambda _: keep_url(IdleSeat.objects.latest("pk").pk),
    "district-emails": lambda _: stop_url(District.objects.latest("pk")),
    "leave": lambda places: f"{places.known['enrollment']}/leave",
    "leaving": _quote,
    "ask-refund": lambda places: f"{places.known['over']}/refund",
    "course": lambda places: places.known["course"],
    "course-enroll": lambda places: places.known["enroll"],
    "course-enrolled": _enrolled,
    "course-book": lambda places: places.known["book"],
    "course-change": _change,
    "nudge": lambda places: places.partner["nudge"],
    "certificate": lambda _: reverse("certificate", args=[Certificate.objects.latest("pk").serial]),
    "problem-type": lambda _: reverse("problem-type", args=["not_found"]),
}
