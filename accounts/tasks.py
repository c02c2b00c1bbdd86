from celery import shared_task

from core.clock import utc_now

from . import guardian_invitations


@shared_task
def report_unanswered_invitations() -> int:
    """Tell staff about expired invitations: the invited families see nothing yet."""
    return guardian_invitations.report_unanswered_invitations(now=utc_now())
