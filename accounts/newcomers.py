"""How the holder of a proven address adds learners: a child they answer for, or themselves.

Callers know the address to be proven, by a code or by the secret of a link mailed to it. The same names always mean the
same learner. Grade and school replace what the family said before; for a learner whom the workspace's own system knows
by its own id, that system's details stay.
"""

from core.names import fold_name
from core.rows import lock_rows

from .families import learners_at
from .guardians import add_guardian
from .learners import find_or_create_learner, lock_live_learner
from .models import Learner, User


def find_or_add_child(
    *,
    workspace_id: int,
    address: str,
    first_name: str,
    last_name: str,
    grade_level: str = "",
    school: str = "",
    account_id: int | None = None,
) -> tuple[Learner, bool]:
    """Return the child, reached at the parent's address, with the parent as guardian, and whether the child is new.
    Locked until the end of the caller's transaction, as is the account on which the caller counts what it has: it comes
    before a guardian. Raises LearnerMerged."""
    learner, is_new = find_or_add_oneself(
        workspace_id=workspace_id,
        address=address,
        first_name=first_name,
        last_name=last_name,
        grade_level=grade_level,
        school=school,
    )
    if account_id is not None:
        lock_rows(User, account_id)
    add_guardian(workspace_id=workspace_id, learner_id=learner.pk, email=address)
    return learner, is_new


def find_or_add_oneself(
    *, workspace_id: int, address: str, first_name: str, last_name: str, grade_level: str = "", school: str = ""
) -> tuple[Learner, bool]:
    """Return the learner with these names in the family of this address, at which a new one is reached, and whether
    they are new. Locked until the end of the caller's transaction. Raises LearnerMerged."""
    known = _find_in_family(workspace_id, address, first_name, last_name)
    if known is not None and known.email != address:  # a child with their own address
        learner = lock_live_learner(known.pk)
        is_new = False
    else:
        learner, is_new = find_or_create_learner(
            workspace_id=workspace_id,
            email=address,
            first_name=first_name,
            last_name=last_name,
            grade_level=grade_level,
            school=school,
        )
    _bring_up_to_date(learner, grade_level=grade_level, school=school)
    return learner, is_new


def _bring_up_to_date(learner: Learner, **told: str) -> None:
    """Record what the family says about a (locked) learner who is known only through the family."""
    news = {name: value for name, value in told.items() if value and value != getattr(learner, name)}
    if learner.external_id is not None or not news:
        return
    for name, value in news.items():
        setattr(learner, name, value)
    learner.save(update_fields=[*news])


def _find_in_family(workspace_id: int, address: str, first_name: str, last_name: str) -> Learner | None:
    wanted = fold_name(first_name), fold_name(last_name)
    family = list(learners_at(address).filter(workspace=workspace_id).order_by("pk"))
    named = [each for each in family if (fold_name(each.first_name), fold_name(each.last_name)) == wanted]
    return next((each for each in named if each.email == address), named[0] if named else None)
