"""A partner's field map in requests and responses: one object for each part, one name for each field."""

from typing import Any, ClassVar

from rest_framework import serializers

from core.http.fields import TextField

from ..field_map import ANSWER, EVENT, FIELDS, LOOKUP, MAPPED_WORDS, MAX_PATH, MAX_WORD, MAX_WORDS, REQUEST


class _KnownNames(serializers.Serializer[Any]):
    """An object in which an unknown name is an error: a map with a typo would otherwise have no effect."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = [str(name) for name in data if name not in self.fields] if isinstance(data, dict) else []
        if unknown:
            raise serializers.ValidationError(dict.fromkeys(unknown, "There is no such field."), code="unknown")
        return super().to_internal_value(data)


class _Paths(_KnownNames):
    part: ClassVar[str]

    def get_fields(self) -> dict[str, Any]:
        return {
            field.name: TextField(
                required=False, allow_blank=not field.is_needed, max_length=MAX_PATH, help_text=f"{field.meaning}."
            )
            for field in FIELDS
            if field.part == self.part
        }


class FieldMapRequestPaths(_Paths):
    """The paths of our fields in the request that enrolls a learner. Fields with an empty path are not sent."""

    part = REQUEST


class FieldMapLookupPaths(_Paths):
    """What surrounds an enrollment in a URL and in a response."""

    part = LOOKUP


class FieldMapAnswerPaths(_Paths):
    """The paths of our fields in an enrollment, as the partner returns it."""

    part = ANSWER


class FieldMapEventPaths(_Paths):
    """The paths of our fields in the partner's own events."""

    part = EVENT


class FieldMapWords(_KnownNames):
    """The partner's words for ours."""

    def get_fields(self) -> dict[str, Any]:
        return {
            word.name: serializers.ListField(
                child=TextField(max_length=MAX_WORD),
                max_length=MAX_WORDS,
                allow_empty=not word.is_needed,
                min_length=1 if word.is_needed else None,
                required=False,
                help_text=f"{word.meaning}.",
            )
            for word in MAPPED_WORDS
        }


class FieldMapSerializer(_KnownNames):
    """The names of our fields in the partner's JSON, by paths such as `learner.email`, and its words for ours."""

    request = FieldMapRequestPaths(required=False)
    lookup = FieldMapLookupPaths(required=False)
    answer = FieldMapAnswerPaths(required=False)
    event = FieldMapEventPaths(required=False)
    words = FieldMapWords(required=False)
