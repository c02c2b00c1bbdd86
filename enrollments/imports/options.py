"""What whoever sends a file decides about its import. A job keeps them as its `options`."""

from dataclasses import asdict, dataclass
from typing import Any

from ..states import DuplicatePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`may_end_many` is the second confirmation. Without it, an import that would make more than a tenth of the current
    enrollments ineligible stops before it has changed anything. `has_endings` says of a roster that it ends some."""

    evaluate: bool = False
    on_duplicate: str = DuplicatePolicy.SKIP
    tell_families: bool = True
    may_end_many: bool = False
    is_rehearsal: bool = False
    has_endings: bool = False

    @property
    def can_end_enrollments(self) -> bool:
        """Whether an enrollment that exists can end, or become ineligible, by the import."""
        return self.has_endings or (self.evaluate and self.on_duplicate == DuplicatePolicy.UPDATE)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
