"""What families do at once by themselves: they add learners, enroll them, wait in line, and accept what is offered."""

from collections.abc import Iterator

from accounts.models import User
from accounts.tests.factories import proven_user
from billing.models import Voucher
from cohorts.models import CohortPlace
from cohorts.sale.checkout import start_checkout
from cohorts.sale.enroll import enroll_newcomer, wait_in_line
from cohorts.sale.participants import Newcomer, add_child, add_myself
from core.actors import Actor

from ..any_order import pick
from .acting import Acting, Step, timeless

PARENTS = 2
URL = "http://127.0.0.1/"


def families(act: Acting) -> Iterator[Step]:
    yield lambda: _enroll_a_newcomer(act)
    yield lambda: _wait_in_line(act)
    yield lambda: _accept_an_offer(act)
    yield lambda: _add_a_child(act)
    yield lambda: act.attempt(
        timeless(add_myself), user=_parent(act), workspace_id=act.workspace.pk, first_name="Pat", last_name="Lake"
    )


def _parent(act: Acting) -> User:
    return proven_user(f"parent{act.nth() % PARENTS}@home.test")


def _child(act: Acting) -> Newcomer:
    return Newcomer(is_child=True, first_name=act.chance.choice(["Ann", "Ben"]), last_name="Lake")


def _voucher(act: Acting) -> str:
    codes = Voucher.objects.order_by("pk").values_list("code", flat=True)
    return act.chance.choice(["", *codes])


def _enroll_a_newcomer(act: Acting) -> None:
    act.attempt(
        enroll_newcomer,
        user=_parent(act),
        newcomer=_child(act),
        course_code=act.cohort.instance.program.code,
        cohort_id=act.term().pk,
        success_url=URL,
        cancel_url_of=lambda learner: URL,
        voucher=_voucher(act),
    )


def _wait_in_line(act: Acting) -> None:
    act.attempt(wait_in_line, user=_parent(act), who=_child(act), cohort=act.term())


def _accept_an_offer(act: Acting) -> None:
    place = pick(CohortPlace.objects.offers().select_related("cohort__instance__program"), act.nth())
    act.attempt(
        start_checkout,
        learner_id=place.learner_id,
        course_code=place.cohort.instance.program.code,
        cohort_id=place.cohort_id,
        success_url=URL,
        cancel_url=URL,
        voucher=_voucher(act),
        actor=Actor("user", _parent(act).pk),
    )


def _add_a_child(act: Acting) -> None:
    child = _child(act)
    act.attempt(
        timeless(add_child),
        user=_parent(act),
        workspace_id=act.workspace.pk,
        first_name=child.first_name,
        last_name=child.last_name,
    )
