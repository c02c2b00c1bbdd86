"""The sender's choices about an import, stored as the job's `options`."""

from dataclasses import asdict, dataclass
from typing import Any

from ..states import DuplicatePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`may_end_many` is the second confirmation. Without it, an import that would make more than a tenth of the current
    enrollments ineligible stops before it changes anything. `has_endings` says that a roster ends some.
    """

    evaluate: bool = False
    on_duplicate: str = DuplicatePolicy.SKIP
    tell_families: bool = True
    may_end_many: bool = False
    is_rehearsal: bool = False
    has_endings: bool = False

    @property
    def can_end_enrollments(self) -> bool:
        """Return whether an existing enrollment can end, or become ineligible, because of the import."""
        return self.has_endings or (self.evaluate and self.on_duplicate == DuplicatePolicy.UPDATE)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
