from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models.expressions import Combinable
from unfold.enums import ActionVariant

_Function = TypeVar("_Function", bound=Callable[..., Any])

def action(
    *, description: str | None = ..., icon: str | None = ..., variant: ActionVariant = ...
) -> Callable[[Callable[..., Any]], Any]: ...
def display(
    *, description: str | None = ..., ordering: str | Combinable | None = ..., header: bool | None = ...
) -> Callable[[_Function], _Function]: ...
