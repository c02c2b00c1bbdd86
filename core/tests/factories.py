"""The base of every app's factories."""

from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models
from factory.django import DjangoModelFactory

Row = TypeVar("Row", bound=models.Model)


class RowFactory(DjangoModelFactory[Row]):
    """A factory whose calls return a saved row of its model, which factory_boy does but does not declare."""

    class Meta:
        abstract = True

    if TYPE_CHECKING:

        def __new__(cls, **values: Any) -> Row:  # type: ignore[misc]  # another class than this one, on purpose
            ...
