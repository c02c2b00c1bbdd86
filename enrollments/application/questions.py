"""The questions of a form."""

from ..models import ApplicationQuestion
from ..states import QuestionKind

QUESTIONS_IN_FORM = 30


def list_asked(*, instance_id: int) -> list[ApplicationQuestion]:
    """Return the questions of an instance's form in their order, without those that are no longer asked."""
    return list(ApplicationQuestion.objects.filter(instance=instance_id, is_asked=True).order_by("position", "pk"))


def find_fault(*, kind: str, choices: list[str]) -> str:
    """Return why nobody could answer a question of this kind with these options; empty if they can."""
    if kind == QuestionKind.CHOICE and len(choices) < 2:
        return "Give a choice two options or more, one in each line."
    if kind != QuestionKind.CHOICE and choices:
        return "Only a choice has options."
    return ""
