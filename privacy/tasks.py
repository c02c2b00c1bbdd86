"""Work in the background: each task finds its work in the database, and calls one use case."""

from celery import shared_task

from core.work import in_batches

from . import erasing


@shared_task
def forget_papers() -> None:
    in_batches(erasing.forget_papers, size=100, at_most=100)
