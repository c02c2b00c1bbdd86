"""Sweeps: each finds its work in the database and calls one use case."""

from celery import shared_task

from .waitlist import expire_due_offers


@shared_task
def expire_waitlist_offers() -> None:
    expire_due_offers()
