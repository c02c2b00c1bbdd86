"""The kinds of staff tasks: each app registers its own, and says what they are called, who can deal with them, and how.
This app knows nothing of the apps above.

`StaffTask.kind` holds the name of a kind; an old task keeps its name even if no app raises that kind any more.
"""

from dataclasses import dataclass
from enum import IntEnum

from .states import POSSIBLE_TWINS, Role


class Urgency(IntEnum):
    """The order in which waiting tasks are shown: the most urgent first."""

    NOW = 1  # somebody's money is in the wrong place, or a deadline is running
    SOON = 2  # a learner or a family is waiting
    LATER = 3  # nobody outside notices the wait


@dataclass(frozen=True, slots=True)
class TaskKind:
    """One kind of task; rows hold its `name`.

    `label` is what staff read. `role` is the least role that can do what the task asks for, finance if it is about
    money. `subjects` are the words with which a subject may begin (the page of the row it names is where the task is
    solved), and `remedy` says how.
    """

    name: str
    label: str
    role: Role
    subjects: tuple[str, ...]
    remedy: str
    urgency: Urgency = Urgency.SOON


_kinds: dict[str, TaskKind] = {}


def register_kind(
    name: str,
    *,
    label: str,
    role: Role,
    subjects: tuple[str, ...],
    remedy: str,
    urgency: Urgency = Urgency.SOON,
) -> TaskKind:
    """Register a kind, when the `task_kinds` module of an app is imported. A name belongs to one kind."""
    if name in _kinds:
        raise ValueError(f"There is a kind of staff task called {name} already.")
    _kinds[name] = TaskKind(name=name, label=label, role=role, subjects=subjects, remedy=remedy, urgency=urgency)
    return _kinds[name]


def find_kind(name: str) -> TaskKind | None:
    """Return the kind with this name; None for one that is no longer raised."""
    return _kinds.get(name)


def list_kinds() -> list[TaskKind]:
    """Return all kinds, ordered by label."""
    return sorted(_kinds.values(), key=lambda kind: kind.label)


def kind_choices() -> list[tuple[str, str]]:
    """Return the choices of the back-office filter."""
    return [(kind.name, kind.label) for kind in list_kinds()]


TWINS = register_kind(
    POSSIBLE_TWINS,
    label="Two learners who may be one person",
    role=Role.REVIEWER,
    subjects=("learner",),
    remedy="Look at both learners. Merge them here if they are one person, or say that they are two.",
    urgency=Urgency.LATER,
)
NO_ADDRESS = register_kind(
    "guardian_without_address",
    label="Guardian without an address",
    role=Role.ADMIN,
    subjects=("guardian",),
    remedy="Find out who the guardian is, and invite them here. The task is completed once they have accepted.",
)
UNANSWERED = register_kind(
    "guardian_invitation_unanswered",
    label="Invitation that nobody accepted",
    role=Role.ADMIN,
    subjects=("guardian",),
    remedy="Ask the family for their address, and invite the guardian again here.",
)
NAME_ASKED = register_kind(
    "name_change_asked",
    label="Family asks to change a name",
    role=Role.ADMIN,
    subjects=("learner",),
    remedy="Change the name on the learner's page, which reissues certificates, or explain there why it stays.",
)
CONSENT_WITHDRAWN = register_kind(
    "consent_withdrawn",
    label="Required consent withdrawn",
    role=Role.ADMIN,
    subjects=("consent",),
    remedy="Talk to the family: their consent no longer applies. End whatever requires it.",
)
