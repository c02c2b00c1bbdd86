"""After seats, money, and reviews moved in any order: what a button of the back office says beforehand is what it does.

Each button with a preview is asked, then pressed, and rolled back. If the preview does not say that it is impossible,
it is carried out; if it says that no mail is sent, none is; and it counts in words that agree with their number.
"""

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from django.contrib.admin import site
from django.db import transaction
from django.urls import reverse
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from accounts.states import Role
from backoffice.actions import RowButton
from backoffice.previews import Preview
from backoffice.scoping import WorkspaceScopedAdmin
from backoffice.tests.staff_client import StaffClient, staff_request
from enrollment_project.tests.deeds import buttons_of, filled
from enrollments.admin import quoted_exits
from enrollments.states import ReviewMode
from notifications.models import Notification

from .any_order import AnyOrder

pytestmark = [
    pytest.mark.walk,
    pytest.mark.django_db,
    pytest.mark.unordered_locks,  # an example is one transaction
]

EXAMPLES = 4
STEPS = 25
PARTS = 4
ROWS = 2
REFUSALS = ("Not possible", "It can't be done yet")
NO_MAIL = ("No mail is sent.", "The family is not told.", "The family gets no mail about the end.")
_COUNTED = "seat|place|session|learner|time|day|row|line|enrollment|candidate|use"
DISAGREES = re.compile(rf"(?<!District )\b1 (?:{_COUNTED})s\b|-\d+ (?:{_COUNTED})|\bNone\b")
# Their answers can't be guessed, or say what nobody could have foreseen.
BUTTONS = {  # that a world in which all have begun something offers, among others
    *("enrollment.approve", "enrollment.reject", "enrollment.remove", "enrollment.unenroll", "learner.erase"),
    *("seatassignment.release", "districtseatallocation.change_seats", "cohort.change_dates", "stepprogress.excuse"),
}
LEFT_OUT = {
    "learner.merge_other",
    "districtseatallocation.assign",
    "program.set_refund_rules",
    "seatassignment.reassign",
}


class Told(AnyOrder):
    """Looks at every button at the end of a run; `compared` are those that were pressed, over all runs."""

    compared: ClassVar[set[str]] = set()

    def teardown(self) -> None:
        try:
            faults = list(look_at_buttons(self))
            assert faults == [], faults
        finally:
            super().teardown()


def look_at_buttons(machine: AnyOrder) -> Iterator[str]:
    """Return what previews say that is not so."""
    staff = StaffClient(workspace=machine.workspace, role=Role.OWNER)
    request = staff_request(staff.user)
    for page in site._registry.values():
        if not isinstance(page, WorkspaceScopedAdmin):
            continue
        for name, attribute, button in buttons_of(page):
            if not isinstance(button, RowButton) or button.preview is None or button.reaches_out or name in LEFT_OUT:
                continue
            rows = [row for row in page.get_queryset(request).order_by("-pk")[:20] if button.possible(row)]
            for row in rows[:ROWS]:
                address = reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_{attribute}", args=[row.pk])
                form = next(filled(button.form, request, row))
                if name == "enrollment.end_by_quote":
                    form["told"] = quoted_exits.sum_up(quoted_exits.foresee(row))
                yield from _compare(staff, name, address, form)


def _compare(staff: StaffClient, name: str, address: str, form: dict[str, Any]) -> Iterator[str]:
    preview = _foresee(staff, address, form)
    if preview is None:  # the form, or what it asks for, is refused: nothing is promised
        return
    told = " / ".join([*preview.sentences, *([] if preview.letters else [preview.mails])])
    if wrong := DISAGREES.search(told):
        yield f"{name} says {wrong[0]}: {told}"
    with transaction.atomic():
        last = Notification.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        done = staff.confirm(address, form).status_code == 302
        mails = list(Notification.objects.filter(pk__gt=last).values_list("kind", flat=True))
        transaction.set_rollback(True)
    if not done and not told.startswith(REFUSALS):
        yield f"{name} is refused after: {told}"
    is_silent = not preview.letters and preview.mails in NO_MAIL and "mail" not in " ".join(preview.sentences)
    Told.compared.add(name)
    if mails and is_silent:
        yield f"{name} mails {mails} after: {told}"


def _foresee(staff: StaffClient, address: str, form: dict[str, Any]) -> Preview | None:
    asked = {key: value for key, value in form.items() if key != "_confirm"}
    answer = staff.post(address, asked)
    previews = answer.context["previews"] if answer.status_code == 200 else None
    return previews[0][1] if previews else None


class TestAPreview:
    @pytest.mark.parametrize("part", range(PARTS))
    def test_says_what_is_done(self, part: int) -> None:
        run_state_machine_as_test(
            Told,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                phases=[Phase.generate],  # a fault names its button; looking for a shorter way to it takes long
                suppress_health_check=list(HealthCheck),
            ),
        )

    @pytest.mark.parametrize(
        ("place", "wrong", "found"),
        [
            ("enrollments.admin.previews.letters_to_family", lambda *_: (), "enrollment.reject mails"),
            ("enrollments.consequences.counted", lambda number, noun: f"{number} {noun}s", "says 1 seats"),
            (f"{__name__}.REFUSALS", ("Never",), "learner.erase is refused after: It can't be done yet"),
        ],
    )
    def test_that_is_wrong_is_found(
        self, monkeypatch: pytest.MonkeyPatch, place: str, wrong: object, found: str
    ) -> None:
        """Control: a mail that nobody speaks of, one of many seats, and a promise that is not kept."""
        machine = Told()
        machine.found(ReviewMode.MANUAL, is_busy=True)
        monkeypatch.setattr(place, wrong)
        Told.compared.clear()
        try:
            faults = list(look_at_buttons(machine))
        finally:
            AnyOrder.teardown(machine)

        assert Told.compared >= BUTTONS
        assert [fault for fault in faults if found in fault]
