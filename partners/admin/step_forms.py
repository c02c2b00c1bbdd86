"""The forms about a learner's step at a partner, and the previews that staff see before anything changes."""

from collections.abc import Collection, Sequence

from django import forms

from backoffice.actions import StaffForm
from backoffice.previews import Preview, tell_number, tell_numbers

from ..consequences import ALL_IS_DONE, mails_about, tell_reassignment
from ..models import EnrollmentStep, PartnerSequence, Provider
from ..moving import NO_PARTNERS, Move, check_version, foresee_move
from ..moving import foresee_moves as plan_moves
from ..queries import get_active_sequence


class WhyForm(StaffForm):
    reason = forms.CharField(
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Kept in the step's history. Only colleagues read it.",
    )


class EvidenceForm(WhyForm):
    evidence = forms.CharField(
        max_length=300, help_text="The evidence: a certificate number, or a mail from the partner."
    )
    field_order: tuple[str, ...] = ("evidence", "reason")


class ReassignForm(WhyForm):
    partner = forms.ModelChoiceField(queryset=Provider.objects.none())
    course_id = forms.CharField(
        max_length=255,
        required=False,
        label="Course",
        help_text="As that partner calls it. Empty: as it is called here.",
    )
    field_order: tuple[str, ...] = ("partner", "course_id", "reason")

    def prepare(self) -> None:
        bound = self.fields["partner"]
        assert isinstance(bound, forms.ModelChoiceField)
        bound.queryset = Provider.objects.filter(workspace=self.row.enrollment.workspace_id).order_by("name", "pk")


class MoveForm(WhyForm):
    """For one learner, the form carries the version that was shown, so that they can't be moved to a different one. Of
    many learners, each goes to the version that is current when the button is pressed.
    """

    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def prepare(self) -> None:
        sequence = present_sequence(self.row) if self.row is not None else None
        if sequence is not None:
            self.initial["version"] = sequence.version


def present_sequence(step: EnrollmentStep) -> PartnerSequence | None:
    return get_active_sequence(program_id=step.enrollment.instance.program_id)


def asked_version(step: EnrollmentStep, form: StaffForm) -> int:
    """Return the version that was shown, or else the current one; 0 if there is none."""
    sequence = present_sequence(step)
    version: int = form.cleaned_data["version"] or (sequence.version if sequence is not None else 0)
    return version


def foresee(step: EnrollmentStep, form: StaffForm) -> Preview:
    """Preview what the learner keeps, gets, and loses. Raises SequenceChanged."""
    sequence = check_version(present_sequence(step), asked_version(step, form))
    move = foresee_move(enrollment_id=step.enrollment_id, sequence=sequence)
    told = [f"{step.enrollment.person} moves to version {sequence.version}."]
    told += [f"Carries over: {each.course} at {each.provider} ({each.get_status_display()})." for each, _ in move.kept]
    told += [f"New: {item}." for item in move.added]
    told += [
        f"No longer asked for: {each.course} at {each.provider} ({each.get_status_display()})." for each in move.dropped
    ]
    if move.completes:
        told.append(ALL_IS_DONE)
    return foreseen(step, told)


def foresee_moves(steps: Sequence[EnrollmentStep], form: StaffForm) -> Preview:
    """Preview the moves of all learners whose steps are selected, each to the newest version of their program."""
    moves = plan_moves({step.enrollment_id for step in steps})
    without = [step for step in steps if step.enrollment_id not in moves]
    return Preview(
        (
            *tell_number("Learners who move to the newest version of their program's sequence", len(moves)),
            *tell_moves(moves.values()),
        ),
        mails=mails_of(moves.values()),
        refused=(NO_PARTNERS,) * len(without),
    )


def tell_moves(moves: Collection[Move]) -> list[str]:
    """Say what many moves come to."""
    kept = sum(len(move.kept) for move in moves)
    added = sum(len(move.added) for move in moves)
    dropped = sum(len(move.dropped) for move in moves)
    completes = sum(move.completes for move in moves)
    return [
        *tell_number("Steps that carry over", kept),
        *tell_number("Steps that are new", added),
        *tell_number("Steps that are no longer asked for", dropped),
        *tell_number(
            "Learners who have nothing left to do, so that they complete the program",
            completes,
        ),
    ]


def mails_of(moves: Collection[Move]) -> str:
    """Say who is sent a mail: families with a certificate."""
    if not any(move.completes for move in moves):
        return "No mail is sent."
    return "Families whose learners complete the program get a mail once the certificate is issued."


def foreseen(step: EnrollmentStep, told: list[str]) -> Preview:
    return Preview(tuple(told), mails=mails_about(step, told))


def foresee_reassignment(step: EnrollmentStep, form: StaffForm) -> Preview:
    given = form.cleaned_data
    return foreseen(step, tell_reassignment(step, provider=given["partner"], course_id=given["course_id"]))


def foresee_retries(steps: Sequence[EnrollmentStep], form: StaffForm) -> Preview:
    """Preview how many learners each partner is asked about again, and which partners are paused."""
    sentences = tell_numbers("Asked again: learners at", [step.provider for step in steps])
    paused = {step.provider_id for step in steps if step.provider.paused_at is not None}
    return Preview((*sentences, *tell_number("Partners that are paused, and asked once you resume them", len(paused))))
