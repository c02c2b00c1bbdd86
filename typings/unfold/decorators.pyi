from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models.expressions import Combinable

_Function = TypeVar("_Function", bound=Callable[..., Any])

def display(
    *, description: str | None = ..., ordering: str | Combinable | None = ..., header: bool | None = ...
) -> Callable[[_Function], _Function]: ...
