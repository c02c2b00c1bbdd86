"""The doctor finds nothing wrong with a sound world, and names every broken invariant and its rows."""

import ast
import copy
import datetime as dt
import json
import sys
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from accounts.invariants import paths_to_workspace
from accounts.models import Workspace
from accounts.tests.factories import LearnerFactory, WorkspaceFactory
from billing.checkout import settle_checkout
from billing.refunds import request_refund, submit_refund
from billing.states import RefundReason
from cohorts.models import CohortPlace, StepProgress
from cohorts.sale.waitlist import join_waitlist
from cohorts.tests.factories import buy_on_rows, cohort_with, start
from core.clock import utc_now
from core.errors import DomainError
from core.invariants import Breach, Extent
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import EnrollmentDecision
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, InstanceFactory, route, seats
from operations.doctor import INVARIANTS, examine
from operations.repairs import REPAIRS, NoRepair, repair, repair_of
from operations.subjects import find_subject
from partners.tests.factories import accept, approved, complete, steps_of
from sandbox.testing import SandboxProcess

from .breaks import BREAKS, SPARED, Rows, World
from .breaks.enrollments import a_counter_that_lost_a_seat, money_that_funds_nothing
from .breaks.history import a_first_event_that_is_gone

pytestmark = pytest.mark.django_db

# Objects that belong to no workspace are only examined together with all workspaces.
OF_THE_INSTALLATION = {
    "billing.the_inbox_is_handled",
    "billing.payouts_are_their_lines",
    "core.secrets_are_sealed_with_the_newest_key",
    "operations.tables_have_parts_for_what_comes",
}

# They name the object that a series of events is about as its events do, and a table.
NOT_ABOUT_ROWS = {"events.sequences_have_no_gaps", "operations.tables_have_parts_for_what_comes"}


@pytest.fixture(scope="module")
def sound_world(rows_of_module: None, stripe_of_module: SandboxProcess) -> World:
    automatic = InstanceFactory()
    workspace = automatic.workspace
    reviewed = InstanceFactory(workspace=workspace, is_default=False, review_mode=ReviewMode.MANUAL)
    allocation = seats(workspace, total=5)
    used = route(workspace, email="used@school.test").decision
    reserved = route(workspace, email="reserved@school.test", instance=reviewed).decision
    paid = route(workspace, email="paid@school.test", tenant_id=None, guardian_id="g1").decision
    waiting = route(workspace, email="waiting@school.test", tenant_id=None, guardian_id="g2").decision
    assert paid.checkout is not None
    stripe_of_module.pay(paid.checkout.url)
    settle_checkout(checkout_id=paid.checkout.pk, now=utc_now())
    paid = EnrollmentDecision.objects.get(pk=paid.pk)
    assert paid.payment_id is not None
    refund = request_refund(
        payment_id=paid.payment_id, amount_minor=900, reason=RefundReason.REQUESTED, actor=STAFF, now=utc_now()
    )
    submit_refund(refund_id=refund.pk, now=utc_now())
    cohort = cohort_with(options=(1, 2), max_enrollment=2)
    package = buy_on_rows(cohort)
    held = CohortPlace.objects.get(checkout=start(cohort))
    entry = join_waitlist(
        learner_id=LearnerFactory(workspace=cohort.instance.workspace).pk, cohort_id=cohort.pk, now=utc_now()
    )
    training = approved(steps=3)
    complete(accept(steps_of(training)[0]))
    accept(steps_of(training)[1])
    return World(allocation, used, reserved, paid, waiting, refund, cohort, package, held, entry, training)


@pytest.fixture
def world(sound_world: World) -> World:
    """Return a copy, whose objects do not remember what other tests did to the rows."""
    return copy.deepcopy(sound_world)


@pytest.fixture(autouse=True)
def _by_cursors_of_the_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use server-side cursors as in production; other tests, and the walk that runs every query after each, use fewer
    statements (see the test settings).
    """
    if request.node.get_closest_marker("walk") is None:
        monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", False)


@pytest.fixture(autouse=True)
def _checks_are_made_again() -> Iterator[None]:
    yield
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA ignore_check_constraints = OFF")


def found(names: Iterable[str]) -> Rows:
    """Return every row that these invariants name. `make walk` runs all others, whose findings follow from the rows."""
    extent = Extent(now=utc_now(), workspace_id=None)
    named = {name: [breach.row for breach in INVARIANTS[name](extent)] for name in names}
    return in_order({name: rows for name, rows in named.items() if rows})


def found_by_workspace(names: Iterable[str]) -> Rows:
    """Return what these invariants name when each workspace is examined separately: each row is named in one."""
    extents = [Extent(now=utc_now(), workspace_id=pk) for pk in Workspace.objects.values_list("pk", flat=True)]
    named = {name: [breach.row for extent in extents for breach in INVARIANTS[name](extent)] for name in names}
    return in_order({name: rows for name, rows in named.items() if rows})


def in_order(rows: Rows) -> Rows:
    return {name: sorted(named) for name, named in rows.items()}


class TestTheDoctor:
    def test_finds_nothing_wrong_with_a_sound_world(self, world: World) -> None:
        assert examine(now=utc_now() + dt.timedelta(minutes=10)) == {}

    def test_has_a_test_for_every_invariant(self) -> None:
        assert {name.partition(":")[0] for name in BREAKS} == set(INVARIANTS)

    @pytest.mark.sqlite
    @pytest.mark.parametrize("name", BREAKS)
    def test_names_the_invariant_and_the_row(self, world: World, name: str) -> None:
        rows = BREAKS[name](world)

        assert name.partition(":")[0] in rows
        assert found(rows) == in_order(rows)
        named = {row for invariant in rows if invariant not in NOT_ABOUT_ROWS for row in rows[invariant]}
        assert [row for row in named if not find_subject(row)] == []
        of_workspaces = {invariant: rows[invariant] for invariant in rows if invariant not in OF_THE_INSTALLATION}
        assert found_by_workspace(rows) == in_order(of_workspaces)

    @pytest.mark.sqlite
    @pytest.mark.parametrize("name", SPARED)
    def test_spares_what_comes_close(self, world: World, name: str) -> None:
        rows = SPARED[name](world)

        assert name.partition(":")[0] not in rows
        assert found([name.partition(":")[0], *rows]) == in_order(rows)

    @pytest.mark.walk
    @pytest.mark.parametrize("name", [*BREAKS, *SPARED])
    def test_names_nothing_else(self, world: World, name: str) -> None:
        rows = (BREAKS | SPARED)[name](world)

        named = {name: [breach.row for breach in breaches] for name, breaches in examine().items()}

        assert in_order(named) == in_order(rows)

    @pytest.mark.sqlite
    def test_looks_at_one_workspace_only_if_told_so(self, world: World) -> None:
        other = WorkspaceFactory()
        a_counter_that_lost_a_seat(world)

        found = [examine(workspace_id=workspace) for workspace in (other.pk, world.used.workspace_id)]

        assert found[0] == {}
        assert "enrollments.seat_counters_equal_their_holders" in found[1]

    def test_takes_few_queries_however_many_rows(self, world: World, django_assert_max_num_queries: Any) -> None:
        with django_assert_max_num_queries(2 * len(INVARIANTS) + 30):
            examine()


# Breaches that no use case can repair alone: more is held than exists, or the key that opens a secret is gone.
REFUSED = {
    "cohorts.place_counters_equal_their_holders: more_places_than_the_cohort_has": "capacity_below_use",
    "cohorts.booked_counts_equal_their_holders: more_booked_than_the_session_seats": "seats_below_bookings",
}
LEFT = {
    "cohorts.completion_follows_the_steps: a_completed_package_whose_participation_goes_on",
    "cohorts.completion_follows_the_steps: a_participation_that_ended_without_its_package",
    "core.secrets_are_sealed_with_the_newest_key: a_secret_whose_key_was_removed",
}


class TestARepair:
    @pytest.mark.parametrize("name", [name for name in BREAKS if name.partition(":")[0] in REPAIRS])
    def test_puts_right_what_it_is_offered_for(self, world: World, name: str) -> None:
        invariant = name.partition(":")[0]
        rows = BREAKS[name](world)[invariant]
        refusals = []

        for row in rows:
            try:
                repair(invariant=invariant, row=row, actor=STAFF, now=utc_now())
            except DomainError as refusal:
                refusals.append(refusal.code)

        assert refusals == [REFUSED[name]] * len(rows) if name in REFUSED else refusals == []
        assert found([invariant]) == ({invariant: sorted(rows)} if name in {*REFUSED, *LEFT} else {})

    def test_is_refused_where_no_use_case_can(self) -> None:
        with pytest.raises(NoRepair):
            repair(invariant="enrollments.transitions_have_no_gaps", row="enrollment 1", actor=STAFF, now=utc_now())

    def test_is_offered_for_the_rows_it_knows(self) -> None:
        invariant = "partners.certificates_iff_complete"
        offered = [repair_of(invariant=invariant, row=row) for row in ("enrollment 1", "certificate 1", "learner 1")]

        assert [found and found.does.split()[0] for found in offered] == ["Issues", "Revokes", None]


class TestTheWayToAWorkspace:
    def test_is_known_of_every_model_but_those_of_the_installation(self) -> None:
        """Rows of any other model would never be compared with what they point at."""
        tenants = paths_to_workspace()

        assert {model._meta.label for model in apps.get_models()} - {model._meta.label for model in tenants} == {
            "account.EmailAddress",
            "account.EmailConfirmation",
            "accounts.FamilySignIn",
            "accounts.Passkey",
            "accounts.SecondFactor",
            "accounts.StaffSignIn",
            "accounts.User",
            "accounts.Workspace",
            "admin.LogEntry",
            "auth.Group",
            "backoffice.AuditEntry",
            "backoffice.Export",
            "backoffice.SavedList",
            "auth.Permission",
            "billing.Payout",
            "billing.PayoutLine",
            "billing.ReconciliationRun",
            "billing.StripeEvent",
            "cohorts.CalendarFeed",
            "contenttypes.ContentType",
            "core.IdempotencyRecord",
            "core.SharedCounter",
            "operations.Backup",
            "operations.Examination",
            "operations.Finding",
            "sessions.Session",
        }
        assert tenants[StepProgress] == "package__learner__workspace"


class TestMoneyWithoutAnEnrollment:
    @pytest.mark.sqlite
    def test_is_in_order_while_it_goes_back(self, world: World) -> None:
        money_that_funds_nothing(world)

        request_refund(
            payment_id=world.payment.pk, amount_minor=None, reason=RefundReason.NOT_NEEDED, actor=STAFF, now=utc_now()
        )

        assert "enrollments.payments_have_a_purpose" not in examine()

    def test_of_a_learner_who_left_is_a_task_for_staff(self, world: World) -> None:
        unenroll_enrollment(enrollment_id=world.paid.enrollment_id, actor=STAFF, reason="Moved away", now=utc_now())

        tasks = world.paid.workspace.staff_tasks.order_by("pk").values_list("kind", "subject", "status")

        assert list(tasks) == [
            ("guardian_without_address", f"guardian:{world.paid.guardian_id}", "open"),
            ("refund_to_decide", f"payment:{world.payment.pk}", "open"),
        ]
        assert examine(now=utc_now() + dt.timedelta(minutes=10)) == {}


class TestTheCommand:
    def run(self, *arguments: str) -> tuple[int, str]:
        out = StringIO()
        try:
            call_command("doctor", *arguments, stdout=out)
        except SystemExit as ended:
            return int(str(ended.code)), out.getvalue()
        return 0, out.getvalue()

    def test_ends_well_when_all_is_well(self, world: World) -> None:
        code, text = self.run()

        assert code == 0
        assert text.splitlines()[-1] == f"All {len(INVARIANTS)} invariants hold."

    def test_ends_with_1_and_prints_the_rows_when_something_is_not(self, world: World) -> None:
        a_counter_that_lost_a_seat(world)

        code, text = self.run()

        assert code == 1
        assert "BROKEN  enrollments.seat_counters_equal_their_holders" in text
        assert "docs/doctor.md says for each rule who is affected" in text
        assert f"seat allocation {world.allocation.pk}: counts 1 reserved and 0 used seats; 1 and 1 are held" in text

    def test_prints_json_for_machines(self, world: World) -> None:
        a_first_event_that_is_gone(world)

        code, text = self.run("--json", "--workspace", world.used.workspace.slug)

        report = json.loads(text)
        assert (code, report["healthy"], report["checked"]) == (1, False, list(INVARIANTS))
        assert [breach["row"] for breach in report["breaches"]["events.sequences_have_no_gaps"]] == [
            f"enrollment:{world.used.enrollment.cuid}"
        ]

    def test_refuses_a_workspace_that_does_not_exist(self) -> None:
        with pytest.raises(CommandError, match="no workspace 'nowhere'"):
            call_command("doctor", "--workspace", "nowhere")


def breaches_in(source: str) -> dict[int, int]:
    """Return the lines on which an invariant names a row, with the last line of the statement."""
    yields = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Yield))
    return {call.lineno: call.end_lineno or call.lineno for call in yields if isinstance(call, ast.Call)}


@pytest.mark.walk
@pytest.mark.unordered_locks  # everything is planted within one transaction
class TestWhatIsPlanted:
    def test_has_the_doctor_name_a_row_on_every_line_that_names_one(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        named: set[tuple[str, int]] = set()
        make = Breach.__init__

        def note(breach: Breach, *args: Any, **kwargs: Any) -> None:
            caller = sys._getframe(1)
            named.add((caller.f_code.co_filename, caller.f_lineno))
            make(breach, *args, **kwargs)

        monkeypatch.setattr(Breach, "__init__", note)
        for plant in BREAKS.values():
            with transaction.atomic():
                plant(copy.deepcopy(world))
                examine()
                transaction.set_rollback(True)

        modules = sorted({*settings.BASE_DIR.glob("*/invariants.py"), *settings.BASE_DIR.glob("*/*/invariants.py")})
        lines = [(str(path), *span) for path in modules for span in breaches_in(path.read_text()).items()]
        silent = [
            f"{path}:{first}"
            for path, first, last in lines
            if not any((path, line) in named for line in range(first, last + 1))
        ]
        assert len(lines) > 50
        assert silent == []
