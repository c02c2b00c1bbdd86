from celery import shared_task

from core.clock import utc_now

from . import browsers, guardian_invitations


@shared_task
def report_unanswered_invitations() -> int:
    """Tell staff about expired invitations: the invited families see nothing yet."""
    return guardian_invitations.report_unanswered_invitations(now=utc_now())


@shared_task
def forget_expired_sessions() -> int:
    """Sweep: delete expired sessions, and with them what is stored about their browsers."""
    return browsers.forget_expired_sessions(now=utc_now())
