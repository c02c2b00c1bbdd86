"""Answers as an enrollment keeps them, in its metadata under ANSWERS by the question's key, and as staff read them."""

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
# An enrollment's metadata hold 16 kB, of which integrators get their share.
ANSWERS_MAX_BYTES = 12_000


@dataclass(frozen=True, slots=True)
class AnswerTold:
    """A question with its answer in words; `file` where the answer is one that was uploaded."""

    question: str
    text: str
    is_long: bool
    file: ApplicationFile | None = None


def keep_answer(value: Any) -> Any:
    """A form's value as JSON has it: dates by ISO 8601, numbers as numbers."""
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def size_of(answers: dict[str, Any]) -> int:
    """How many bytes the answers take in an enrollment's metadata."""
    return len(json.dumps(answers, ensure_ascii=False).encode())


def tell_answers(enrollment: Enrollment) -> list[AnswerTold]:
    """What was answered when somebody applied, in the order of the form; questions that are no longer asked as well."""
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
