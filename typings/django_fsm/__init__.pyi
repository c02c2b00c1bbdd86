"""What the models use of django-fsm-2. Its own annotations turn FSMField, and so every model that has one, into Any."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django.db import models

class TransitionNotAllowed(Exception): ...
class ConcurrentTransition(Exception): ...

class Transition:
    source: str
    target: str

class FSMField(models.CharField[str, str]):
    def __init__(self, *, protected: bool = ..., **kwargs: Any) -> None: ...
    def get_all_transitions(self, instance_cls: type[models.Model]) -> Iterable[Transition]: ...
    def _collect_transitions(self, **signal: Any) -> None: ...

class ConcurrentTransitionMixin:
    def _update_initial_state(self) -> None: ...

_Method = TypeVar("_Method", bound=Callable[..., Any])

def transition(
    field: FSMField,
    source: str | Iterable[str] = ...,
    target: str | None = ...,
    conditions: list[Callable[[Any], bool]] | None = ...,
) -> Callable[[_Method], _Method]: ...
def can_proceed(bound_method: Callable[..., Any], check_conditions: bool = ...) -> bool: ...
