"""Answers as an enrollment stores them, in its metadata under ANSWERS by the question's key, and as staff read them."""

import datetime as dt
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..models import ApplicationFile, ApplicationQuestion, Enrollment
from ..states import QuestionKind

ANSWERS = "answers"
SHORT_TEXT_LENGTH = 200
LONG_TEXT_LENGTH = 2_000
# An enrollment's metadata holds 16 kB, part of which is reserved for integrators.
ANSWERS_MAX_BYTES = 12_000


@dataclass(frozen=True, slots=True)
class AnswerTold:
    """A question with its answer in words; `file` if the answer is an upload."""

    question: str
    text: str
    is_long: bool
    file: ApplicationFile | None = None


def keep_answer(value: Any) -> Any:
    """Return a form's value as JSON stores it: dates in ISO 8601, numbers as numbers."""
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def size_of(answers: dict[str, Any]) -> int:
    """Return how many bytes the answers take in an enrollment's metadata."""
    return len(json.dumps(answers, ensure_ascii=False).encode())


def tell_answers(enrollment: Enrollment) -> list[AnswerTold]:
    """Return the application's answers in the order of the form, including those to questions no longer asked."""
    answers = enrollment.metadata.get(ANSWERS)
    if not isinstance(answers, dict):
        return []
    questions = ApplicationQuestion.objects.filter(instance=enrollment.instance_id, key__in=[*answers])
    files = ApplicationFile.objects.filter(application__enrollment=enrollment).order_by("pk")
    by_question = {file.question_id: file for file in files}
    return [
        AnswerTold(
            question=question.label,
            text=_in_words(question, answers[question.key]),
            is_long=question.kind == QuestionKind.LONG_TEXT,
            file=by_question.get(question.pk),
        )
        for question in questions.order_by("position", "pk")
    ]


def _in_words(question: ApplicationQuestion, answer: Any) -> str:
    if question.kind == QuestionKind.CONSENT:
        return "Yes" if answer is True else "No"
    if question.kind == QuestionKind.FILE and isinstance(answer, dict):
        return str(answer.get("name", ""))
    return str(answer)
