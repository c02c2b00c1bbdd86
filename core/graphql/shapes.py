"""GraphQL types with the fields of our serializers, so that REST and GraphQL can't return or accept different things.

`shape` gives a type the fields of a serializer, each read as the serializer reads it; `body` gives an input type the
fields of a request body, which the same serializer then checks. The class itself adds whatever only GraphQL has.
"""

import enum
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NewType, TypeVar, get_type_hints

import strawberry
from django.db.models import Model, TextChoices
from rest_framework import serializers
from rest_framework.fields import SkipField, empty
from strawberry import UNSET
from strawberry.scalars import JSON
from strawberry.types.base import get_object_definition

from .siblings import follow_all

DateTime = NewType("DateTime", str)
Date = NewType("Date", str)
BigInt = NewType("BigInt", int)
# Written and read as in REST: as text, which serializers check.
SCALARS: dict[object, Any] = {
    DateTime: strawberry.scalar(name="DateTime", description="A moment as in 2027-01-31T09:00:00Z."),
    Date: strawberry.scalar(name="Date", description="A day as in 2027-01-31."),
    BigInt: strawberry.scalar(name="BigInt", description="A whole number, which may have more than 32 bits."),
}

Class = TypeVar("Class", bound=type)
Body = TypeVar("Body", bound=serializers.BaseSerializer[Any])
Serializer = type[serializers.BaseSerializer[Any]]
_shapes: dict[Serializer, type] = {}
_bodies: dict[Serializer, type] = {}
_enums: dict[type[TextChoices], type[enum.Enum]] = {}
# The first match determines the type.
_KINDS: list[tuple[type[serializers.Field[Any, Any, Any, Any]], Any]] = [
    (serializers.DictField, JSON),
    (serializers.JSONField, JSON),
    (serializers.BooleanField, bool),
    (serializers.IntegerField, int),
    (serializers.FloatField, float),
    (serializers.DecimalField, float),
    (serializers.DateTimeField, DateTime),
    (serializers.DateField, Date),
]


def shape(serializer: Serializer, *, keys: Sequence[str] = (), leaving: Sequence[str] = ()) -> Callable[[Class], Class]:
    """Make a class the GraphQL type of what the serializer shows, except for the fields in `leaving`, which the class
    defines. With `keys`, it is an entity that other subgraphs know by these fields."""

    def make(cls: Class) -> Class:
        _add_fields(cls, serializer, leaving)
        made: Class = strawberry.federation.type(cls, keys=list(keys), description=_first_line(cls))
        _shapes.setdefault(serializer, made)
        return made

    return make


def body(serializer: Serializer) -> Callable[[Class], Class]:
    """Make a class the GraphQL input of what the serializer accepts. Omitted fields stay omitted; see `given`."""

    def make(cls: Class) -> Class:
        cls.__annotations__ = {}
        for name, field in _fields(serializer):
            kind = _type_of(field, _body_of)
            is_needed = field.required and field.default is empty
            cls.__annotations__[name] = kind if is_needed and not field.allow_null else kind | None
            default: dict[str, Any] = {} if is_needed else {"default": UNSET}
            setattr(cls, name, strawberry.field(description=_help(field), **default))
        made: Class = strawberry.input(cls, description=_first_line(cls))
        _bodies.setdefault(serializer, made)
        return made

    return make


def given(value: Any) -> Any:
    """Return what was sent as a REST request body would contain it: inputs as objects, without omitted fields."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, list):
        return [given(each) for each in value]
    if (definition := get_object_definition(value)) is not None:
        sent = {field.python_name: getattr(value, field.python_name) for field in definition.fields}
        return {name: given(each) for name, each in sent.items() if each is not UNSET}
    return value


def checked(serializer: type[Body], sent: Any) -> Body:
    """Return the serializer after checking the body that was sent. Raises ValidationError naming the faulty fields."""
    asked = serializer(data=given(sent) or {})
    asked.is_valid(raise_exception=True)
    return asked


def _fields(serializer: Serializer) -> Iterator[tuple[str, Any]]:
    fields = getattr(serializer(), "fields", {})
    yield from fields.items()


def _add_fields(cls: type, serializer: Serializer, leaving: Sequence[str]) -> None:
    for name, field in _fields(serializer):
        if name in leaving:
            continue
        kind = _type_of(field, _shape_of)
        kind = strawberry.ID if name == "id" and kind is str else kind  # callers need not treat it as text
        kind = kind | None if field.allow_null else kind
        setattr(cls, name, strawberry.field(resolver=_reader(field, kind), description=_help(field)))


def _reader(field: Any, kind: Any) -> Callable[[Any], Any]:
    is_list = isinstance(field, serializers.ListSerializer)
    is_nested = isinstance(field, serializers.BaseSerializer)
    choices = _choices_of(field)

    def read(root: Any) -> Any:
        if isinstance(root, Model):
            follow_all(root, field.source_attrs[:-1])
        try:
            value = field.get_attribute(root)
        except SkipField:
            return None
        if value is None:
            return None
        if is_list:
            return list(value)
        if is_nested:  # its own fields are read one by one; the object itself says whether it has a value
            return value if not field.allow_null or field.to_representation(value) else None
        told = field.to_representation(value)
        return told if choices is None or told is None else _enum_of(choices)(told)

    read.__annotations__["return"] = kind
    return read


def _type_of(field: Any, nested: Callable[[Serializer], type]) -> Any:
    if isinstance(field, serializers.SerializerMethodField):
        return _type_of_method(field, nested)
    if isinstance(field, serializers.ListSerializer | serializers.ListField):
        return list[_type_of(field.child, nested)]  # type: ignore[misc]  # made while it runs
    if isinstance(field, serializers.BaseSerializer):
        return nested(type(field))
    if (choices := _choices_of(field)) is not None:
        return _enum_of(choices)
    return next((kind for base, kind in _KINDS if isinstance(field, base)), str)


def _type_of_method(field: serializers.SerializerMethodField, nested: Callable[[Serializer], type]) -> Any:
    """Return what the method is documented to return, or its annotation."""
    method = getattr(field.parent, field.method_name or "")
    documented = getattr(method, "_spectacular_annotation", {}).get("field")
    if documented is None:
        return get_type_hints(method)["return"]
    shown: Any = documented() if inspect.isclass(documented) else documented
    kind = _type_of(shown, nested)
    return kind | None if shown.allow_null else kind


def _shape_of(serializer: Serializer) -> type:
    if serializer not in _shapes:
        shape(serializer)(type(_name(serializer), (), {"__doc__": serializer.__doc__, "__annotations__": {}}))
    return _shapes[serializer]


def _body_of(serializer: Serializer) -> type:
    if serializer not in _bodies:
        body(serializer)(type(f"{_name(serializer)}Input", (), {"__doc__": serializer.__doc__}))
    return _bodies[serializer]


def _name(serializer: Serializer) -> str:
    return serializer.__name__.removesuffix("Serializer").removesuffix("Field").removesuffix("Body")


def _choices_of(field: Any) -> type[TextChoices] | None:
    """Return the states or kinds that the field offers as choices."""
    if not isinstance(field, serializers.ChoiceField):
        return None
    named = list(field.choices.items())
    found = [each for each in _text_choices(TextChoices) if each.choices == named]
    return found[0] if found else None


def _text_choices(base: type[TextChoices]) -> Iterator[type[TextChoices]]:
    for each in base.__subclasses__():
        yield each
        yield from _text_choices(each)


def _enum_of(choices: type[TextChoices]) -> type[enum.Enum]:
    """Return the same as a GraphQL enum, whose values are written as in REST."""
    if choices not in _enums:
        plain = enum.Enum(choices.__name__, {value: value for value in choices.values})  # type: ignore[misc]  # made while it runs
        _enums[choices] = strawberry.enum(plain)
    return _enums[choices]


def _help(field: Any) -> str | None:
    return str(field.help_text) if field.help_text else None


def _first_line(cls: type) -> str | None:
    return inspect.cleandoc(cls.__doc__).partition("\n\n")[0].replace("\n", " ") if cls.__doc__ else None
