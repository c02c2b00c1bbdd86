"""Sweeps: each finds its work in the database and calls one use case."""

from celery import shared_task

from core.work import in_batches

from .exit import carry_out_due_exits as carry_out


@shared_task
def carry_out_due_exits() -> None:
    in_batches(carry_out, size=50, at_most=20)
