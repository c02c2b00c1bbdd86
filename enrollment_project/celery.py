"""The Celery application and its schedule. Every entry is a sweep: it finds its work in the database."""

import os
import time
from typing import Any

from celery import Celery, signals
from django.conf import settings
from kombu.transport import TRANSPORT_ALIASES
from prometheus_client import start_http_server

from core.memory import keep_for_good
from core.timings import TASKS, processes

from . import task_context  # noqa: F401  (the import connects its signal receivers)
from .queues import QUEUES, route

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "enrollment_project.settings.dev")

# Patch before anything connects: with kombu's own file transport, a worker that reads a message while it is being
# written dies.
TRANSPORT_ALIASES["filesystem"] = "core.spool:Transport"

app = Celery("enrollment_project", amqp="core.broker:AMQP")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.task_queues = QUEUES
app.conf.task_create_missing_queues = False  # a worker for a queue that does not exist would wait forever
app.conf.task_routes = (route,)
app.conf.beat_schedule_filename = str(settings.VAR_DIR / "celerybeat-schedule")
app.conf.beat_schedule = {
    "relay-events": {"task": "events.tasks.relay_events", "schedule": 2.0},
    "deliver-webhooks": {"task": "events.tasks.deliver_webhooks", "schedule": 2.0},
    "handle-stripe-events": {"task": "billing.tasks.handle_due_stripe_events", "schedule": 15.0},
    "check-checkouts": {"task": "billing.tasks.check_due_checkouts", "schedule": 30.0},
    "issue-invoices": {"task": "billing.tasks.issue_due_invoices", "schedule": 30.0},
    "submit-refunds": {"task": "billing.tasks.submit_due_refunds", "schedule": 30.0},
    "send-notifications": {"task": "notifications.tasks.send_due_notifications", "schedule": 30.0},
    "remind-of-sessions": {"task": "cohorts.tasks.remind_of_sessions", "schedule": 600.0},
    "report-unanswered-invitations": {
        "task": "accounts.tasks.report_unanswered_invitations",
        "schedule": 3600.0,
    },
    "forget-unconfirmed-applications": {
        "task": "enrollments.tasks.forget_unconfirmed_applications",
        "schedule": 3600.0,
    },
    "forget-old-events": {"task": "events.tasks.forget_old_events", "schedule": 3600.0},
    "forget-old-answers": {"task": "core.tasks.forget_old_answers", "schedule": 3600.0},
    "forget-expired-sessions": {"task": "accounts.tasks.forget_expired_sessions", "schedule": 3600.0},
    "forget-old-counters": {"task": "core.tasks.forget_old_counters", "schedule": 900.0},
    "examine-data": {"task": "operations.tasks.examine_data", "schedule": 3600.0},
    "forget-old-examinations": {"task": "operations.tasks.forget_old_examinations", "schedule": 3600.0},
    "make-parts-ahead": {"task": "operations.tasks.make_parts_ahead", "schedule": 3600.0},
    "complete-courses": {"task": "cohorts.tasks.complete_courses", "schedule": 600.0},
    "write-about-seats": {"task": "enrollments.tasks.write_about_seats_in_use", "schedule": 3600.0},
    "ask-about-idle-seats": {"task": "enrollments.tasks.ask_about_idle_seats", "schedule": 6 * 3600.0},
    "reclaim-idle-seats": {"task": "enrollments.tasks.reclaim_idle_seats", "schedule": 900.0},
    "write-to-reviewers": {"task": "enrollments.tasks.write_to_reviewers", "schedule": 900.0},
    "carry-out-held-reviews": {"task": "enrollments.tasks.carry_out_held_reviews", "schedule": 10.0},
    "forget-unconfirmed-quotes": {"task": "enrollments.tasks.forget_unconfirmed_quotes", "schedule": 3600.0},
    "follow-inquiries": {"task": "enrollments.tasks.follow_inquiries", "schedule": 900.0},
    "carry-out-exits": {"task": "enrollments.tasks.carry_out_due_exits", "schedule": 300.0},
    "expire-enrollments": {"task": "enrollments.tasks.expire_enrollments", "schedule": 600.0},
    "remind-of-ends": {"task": "enrollments.tasks.remind_of_ends", "schedule": 3600.0},
    "continue-evaluations": {"task": "enrollments.tasks.continue_due_evaluations", "schedule": 60.0},
    "continue-exports": {"task": "backoffice.tasks.continue_due_exports", "schedule": 60.0},
    "forget-old-exports": {"task": "backoffice.tasks.forget_old_exports", "schedule": 900.0},
    "forget-old-audit-entries": {"task": "backoffice.tasks.forget_old_audit_entries", "schedule": 3600.0},
    "continue-imports": {"task": "enrollments.tasks.continue_due_imports", "schedule": 60.0},
    "forget-imported-rows": {"task": "enrollments.tasks.forget_imported_rows", "schedule": 3600.0},
    "forget-import-files": {"task": "enrollments.tasks.forget_import_files", "schedule": 3600.0},
    "expire-waitlist-offers": {"task": "cohorts.tasks.expire_waitlist_offers", "schedule": 60.0},
    "handle-partner-events": {"task": "partners.tasks.handle_due_partner_events", "schedule": 15.0},
    "enroll-at-partners": {"task": "partners.tasks.enroll_due_steps", "schedule": 15.0},
    "poll-partners": {"task": "partners.tasks.poll_due_steps", "schedule": 60.0},
    "end-at-partners": {"task": "partners.tasks.end_due_steps", "schedule": 60.0},
    "raise-breaches-of-partners": {"task": "partners.tasks.raise_breaches", "schedule": 600.0},
    "nudge-families-and-partners": {"task": "partners.tasks.send_nudges", "schedule": 3600.0},
    "reconcile-stripe": {"task": "billing.tasks.reconcile_stripe", "schedule": 600.0},
    "look-for-mismatches": {"task": "billing.tasks.look_for_mismatches", "schedule": 900.0},
    "forget-papers": {"task": "privacy.tasks.forget_papers", "schedule": 3600.0},
    "forget-overdue": {"task": "privacy.tasks.forget_overdue", "schedule": 900.0},
    "read-payouts": {"task": "billing.tasks.read_payouts", "schedule": 3600.0},
}


@signals.setup_logging.connect
def keep_our_logging(**kwargs: Any) -> None:
    """Keep Celery from configuring logs, by merely being connected: it would hide the info level, and the settings
    configure logs already.
    """


@signals.worker_init.connect
def settle(**kwargs: Any) -> None:
    """Freeze the garbage collector's view: the tasks are imported by now, and no process has been forked yet."""
    keep_for_good()


@signals.task_prerun.connect
def begin_timing(task: Any, **kwargs: Any) -> None:
    task.request.began = time.perf_counter()


@signals.task_postrun.connect
def end_timing(task: Any, state: str, **kwargs: Any) -> None:
    """Record how long the task took, for the host's metrics (`core.timings`)."""
    began = getattr(task.request, "began", None)
    if began is not None:
        outcome = "done" if state == "SUCCESS" else "failed"
        TASKS.labels(task.name, outcome).observe(time.perf_counter() - began)


@signals.worker_ready.connect
def tell_metrics(**kwargs: Any) -> None:
    """Serve the worker's metrics on a port of their own, for Prometheus only; the worker's processes have no pages."""
    if settings.METRICS_PORT:
        start_http_server(settings.METRICS_PORT, registry=processes())
