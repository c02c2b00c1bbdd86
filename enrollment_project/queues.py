"""The worker's queues, one for each kind of work, so that a worker can be reserved for work that must not be held up.

By default a worker serves all queues in turn; `--queues` and `--exclude-queues` change that. A task waits in the queue
of its app, unless it is long or does housekeeping. See docs/deployment.md and docs/decisions/0164.
"""

from typing import Any

from kombu import Queue

JOBS = "jobs"  # minutes of work that somebody ordered: files in and out, evaluating everybody in a program
HOUSEKEEPING = "housekeeping"  # nobody waits for it
# The queue of releases up to 0.1.0. Their web and beat run beside a new worker while they are being replaced.
FORMER = "celery"

BY_APP = {
    "notifications": "mails",
    "billing": "payments",
    "partners": "partners",
    "events": "events",
    "accounts": "enrollments",
    "cohorts": "enrollments",
    "enrollments": "enrollments",
    "backoffice": HOUSEKEEPING,
    "core": HOUSEKEEPING,
    "operations": HOUSEKEEPING,
    "privacy": HOUSEKEEPING,
}
LONG = {
    "backoffice.tasks.write_export",
    "backoffice.tasks.continue_due_exports",
    "enrollments.tasks.evaluate_candidates",
    "enrollments.tasks.continue_due_evaluations",
    "enrollments.tasks.import_candidates",
    "enrollments.tasks.continue_due_imports",
}
QUEUES = [Queue(name, routing_key=name) for name in dict.fromkeys([*BY_APP.values(), JOBS, FORMER])]


def queue_of(task: str) -> str:
    """Return the queue of the named task. Raise LookupError if its app has no queue."""
    app, _, rest = task.partition(".tasks.")
    if task in LONG:
        return JOBS
    if rest.startswith("forget_"):
        return HOUSEKEEPING
    if app not in BY_APP:
        raise LookupError(f"The app of {task} has no queue in enrollment_project/queues.py.")
    return BY_APP[app]


def route(name: str, args: Any, kwargs: Any, options: Any, task: Any = None, **more: Any) -> dict[str, str] | None:
    """Route a task for Celery, which prescribes the arguments. Celery's own tasks stay where they are sent."""
    return None if name.startswith("celery.") else {"queue": queue_of(name)}
