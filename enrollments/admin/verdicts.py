"""Why an enrollment is eligible or not, on its page, and the evaluation jobs of whole instances."""

import json

from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from backoffice.display import (
    Card,
    Neighbor,
    badge,
    json_column,
    link_column,
    moment,
    neighbors_of,
    register_subject,
    status_badge,
)
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin

from ..models import EligibilityVerdict, Enrollment, EvaluationJob

register_subject("evaluation", EvaluationJob)

VERDICTS_SHOWN = 5
_BADGES = {True: ("eligible", "holds"), False: ("ineligible", "does not hold"), None: ("pending", "not evaluated")}


@neighbors_of(Enrollment, early=True)
def verdict_on_enrollment(request: HttpRequest, enrollment: Enrollment) -> Card:
    """Return the card of the newest verdict with each criterion's inputs and answer, and the earlier ones in brief."""
    verdicts = list(enrollment.verdicts.order_by("-id")[:VERDICTS_SHOWN])
    if not verdicts:
        return Card("Eligibility", empty="Not evaluated by any criteria.")
    newest, *earlier = verdicts
    return Card("Eligibility", [_headline(newest), *_criteria(newest), *map(_headline, earlier)], wide=True)


def _headline(verdict: EligibilityVerdict) -> Neighbor:
    tone = verdict.outcome if verdict.outcome != "undecided" else "pending"
    return Neighbor(
        title=f"By version {verdict.criteria_version} of the criteria:",
        badge=badge(tone, verdict.get_outcome_display()),
        note=" · ".join(part for part in (verdict.reason, verdict.actor) if part),
        at=verdict.created_at,
    )


def _criteria(verdict: EligibilityVerdict) -> list[Neighbor]:
    return [
        Neighbor(title=answer["name"], badge=badge(*_BADGES[answer["answer"]]), note=_inputs(answer))
        for answer in verdict.answers
    ]


def _inputs(answer: dict[str, object]) -> str:
    inputs = answer["inputs"]
    found = ", ".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in dict(inputs).items())  # type: ignore[call-overload]
    parts = (answer["reason"], answer["expression"], found and f"with {found}")
    return " · ".join(str(part) for part in parts if part)


@admin.register(EvaluationJob)
class EvaluationJobAdmin(WorkspaceScopedAdmin):
    """How far the evaluation of an instance's candidates is. Staff request it on the instance page."""

    list_display = ("instance", "status_label", "progress", "workspace", "created_at", "finished_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("workspace", ScopedRelatedFilter),
        ("instance", ScopedRelatedFilter),
    )
    list_select_related = ("instance", "workspace")
    search_fields = ("=cuid", "=instance__cuid")
    search_help_text = "CUID of the evaluation or of its program instance"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("instance_link", "status_label", "progress"),
                    "counts_text",
                    ("cuid", "actor"),
                    ("created_at", "started_at", "finished_at"),
                    ("attempts", "next_attempt_at", "last_error"),
                )
            },
        ),
    )
    status_label = status_badge("status")
    instance_link = link_column("instance", "program")
    counts_text = json_column("counts", "outcomes")

    def describe(self, row: EvaluationJob) -> str:
        return f"{row.instance}, evaluated {moment(row.created_at)}"

    @display(description="progress", ordering="done")
    def progress(self, job: EvaluationJob) -> str:
        return f"{job.done:,} of {job.total:,}"
