"""What a process of the evaluation bench does: seed candidates, evaluate them, or write the same rows with SQL."""

import resource
import time
from typing import Any
from unittest.mock import patch

from django.db import connection

from accounts.models import Workspace
from core.actors import SYSTEM
from core.clock import utc_now
from core.memory import keep_for_good
from core.work import quietly
from enrollments import evaluation
from enrollments.eligibility.criteria import CriterionDraft, change_criteria
from enrollments.eligibility.expressions import ExpressionFault, compile_expression
from enrollments.eligibility.trial import try_sample
from enrollments.evaluation import evaluate_candidates, request_evaluation
from enrollments.models import Program, ProgramInstance
from operations.doctor import examine

from .stack import ROOT

CRITERIA = (
    CriterionDraft(
        "Area", "address.country == 'US' && address.state in ['NY', 'NJ', 'CT']", "Outside the area", "In it"
    ),
    CriterionDraft("Age", "metadata.age >= 12", "Too young"),
    CriterionDraft("Grade", "gradeLevel in ['4', '5', '6']", "Another grade"),
    CriterionDraft("Devices", "manufacturerSlugs.exists(slug, slug in ['enphase', 'tesla'])", "No such device"),
    CriterionDraft("Time", "today <= '2199-12-31' && !('late' in tags)", "Too late"),
)
# A tenth is too young. Everything else holds for everybody.
_LEARNERS = """
    INSERT INTO accounts_learner (cuid, workspace_id, identity, person, first_name, last_name, email, phone,
                                  grade_level, school, address, created_at)
    SELECT %(mark)s || lpad(n::text, 20, '0'), %(workspace)s, %(mark)s || n, %(mark)s || n, 'Jane', 'Doe', '', '', '5',
           '', '{}', now()
      FROM generate_series(1, %(count)s) n RETURNING id
"""
_CANDIDATES = """
    INSERT INTO enrollments_enrollment (cuid, workspace_id, instance_id, learner_id, identification_type,
        eligibility_status, eligibility_reason, criteria_version, participation_status, payment_status, metadata,
        address, manufacturer_slugs, tags, transition_count, created_at, updated_at)
    SELECT %(mark)s || lpad(id::text, 20, '0'), workspace_id, %(instance)s, id, 'customerId', 'candidate', '', 0,
           'not_started', 'not_required', jsonb_build_object('age', CASE WHEN id %% 10 = 0 THEN 9 ELSE 12 END),
           '{"country": "US", "state": "NY"}', '["sma", "enphase"]', '["vip"]', 0, now(), now()
      FROM accounts_learner WHERE workspace_id = %(workspace)s AND person LIKE %(mark)s || '%%'
"""
_LABELS = """
    INSERT INTO enrollments_enrollmentlabel (enrollment_id, instance_id, kind, value, created_at)
    SELECT e.id, e.instance_id, named.kind, named.value, e.created_at
      FROM enrollments_enrollment e,
           (VALUES ('manufacturer', 'sma'), ('manufacturer', 'enphase'), ('tag', 'vip')) named (kind, value)
     WHERE e.instance_id = %(instance)s
"""


def seed(*, mark: str, count: int) -> dict[str, Any]:
    """Create an instance with five criteria and `count` candidates; `mark` is a letter that keeps its rows apart."""
    workspace, _ = Workspace.objects.get_or_create(slug="evaluation", defaults={"name": "Evaluation"})
    program = Program.objects.create(workspace=workspace, code=f"bench-{mark}", title="Bench")
    instance = ProgramInstance.objects.create(workspace=workspace, program=program, name=f"Bench {mark}")
    change_criteria(instance_id=instance.pk, drafts=CRITERIA, actor=SYSTEM, now=utc_now())
    values: dict[str, Any] = {"mark": mark, "workspace": workspace.pk, "instance": instance.pk, "count": count}
    with connection.cursor() as cursor:
        cursor.execute(_LEARNERS, values)
        cursor.execute(_CANDIDATES, values)
        cursor.execute(_LABELS, values)
        cursor.execute("ANALYZE")
    return {"instance": instance.pk}


def evaluate(*, instance: int) -> dict[str, Any]:
    """Evaluate them as the worker does; return seconds, and the megabytes this took above the process's own."""
    keep_for_good()
    with quietly():
        job = request_evaluation(instance_id=instance, actor=SYSTEM, now=utc_now())
        with patch.object(evaluation, "BATCHES_IN_A_ROW", 1):  # warms up: connections and compiled criteria
            evaluate_candidates(job_id=job.pk, now=utc_now())
        job.refresh_from_db()
        before = job.done
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        while not job.is_finished:
            evaluate_candidates(job_id=job.pk, now=utc_now())
            job.refresh_from_db()
        seconds = time.perf_counter() - started
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
    measured = job.done - before
    return {"done": job.done, "rate": measured / seconds if measured else 0.0, "grown_mb": grown, "counts": job.counts}


def write_by_sql(*, instance: int) -> dict[str, Any]:
    """Write the same rows for the same candidates with one statement each: what the database itself needs for them."""
    statements = (ROOT / "bench" / "evaluation.sql").read_text().split(";\n")
    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        for statement in statements:
            if statement.strip():
                cursor.execute(statement, {"instance": instance})
        cursor.execute("COMMIT")
        seconds = time.perf_counter() - started
        cursor.execute(
            "SELECT count(*) FROM enrollments_eligibilityverdict v JOIN enrollments_enrollment e "
            "ON e.id = v.enrollment_id WHERE e.instance_id = %s",
            [instance],
        )
        (done,) = cursor.fetchone()
    return {"done": done, "rate": done / seconds}


def find_breaches() -> dict[str, Any]:
    """Return what the doctor finds in the workspace afterwards."""
    found = examine(workspace_id=Workspace.objects.get(slug="evaluation").pk)
    return {name: [str(breach) for breach in breaches][:3] for name, breaches in found.items()}


HOSTILE = {
    "exponential lists": "[tags]" + ".map(x, x + x)" * 20 + " == []",
    "exponential texts": "['ab']" + ".map(x, x + x)" * 14 + " == []",
    "deep brackets": "(" * 200 + "true" + ")" * 200,
    "three loops": "tags.all(a, tags.all(b, tags.all(c, true)))",
    "two loops": "tags.all(a, tags.all(b, a == b || true))",
    "loops over much data": "metadata.a.all(x, metadata.a.all(y, x == y || true))",
    "a huge pattern": "phone.matches('((a{1,900}){1,900})')",
    "a class of letters, four times": " || ".join([r"phone.matches('\\pL+x')"] * 4),
    "a long text, searched": "metadata.text.matches('(a+)+b')",
    "long copies": "size(" + " + ".join(["metadata.text"] * 12) + ") > 1",
}


def hurt() -> dict[str, float]:
    """Return, for each attack, the milliseconds from the text to its verdict or refusal."""
    found = {}
    instance = ProgramInstance.objects.select_related("program", "workspace")[0]
    sample = {"tags": ["x" * 50] * 50, "metadata": {"a": [1] * 900, "text": "a" * 14_000}, "phone": "+" + "1" * 30}
    for name, expression in HOSTILE.items():
        started = time.perf_counter()
        try:
            compile_expression(expression)
            draft = CriterionDraft(name, expression, "No")
            try_sample(instance=instance, drafts=[draft], sample=sample, now=utc_now())
        except ExpressionFault:
            pass
        found[name] = (time.perf_counter() - started) * 1000
    return found
