"""Makes migrations take half the time."""

import contextlib
import gc
from collections.abc import Iterator
from typing import Any

from django.db.models import Model
from django.db.models.signals import class_prepared
from django_fsm import FSMField


@contextlib.contextmanager
def quick_migrations() -> Iterator[None]:
    """Migrate in half the time, in a process that does nothing else meanwhile.

    Each migration makes the models of its day, and each of their states (django-fsm) asks to be told of every model
    made after it, to look for transitions. No model of a migration has any. The garbage collector looks through all
    these models again and again for the few that are gone.
    """
    field: Any = FSMField
    contribute = field.contribute_to_class

    def contribute_to_class(self: FSMField, cls: type[Model], name: str, **more: Any) -> None:
        contribute(self, cls, name, **more)
        if cls.__module__ == "__fake__":
            class_prepared.disconnect(self._collect_transitions)

    gc.disable()
    field.contribute_to_class = contribute_to_class
    try:
        yield
    finally:
        field.contribute_to_class = contribute
        gc.enable()
        gc.collect()
