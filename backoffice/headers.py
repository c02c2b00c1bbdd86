"""The headers of a list, computed once. Unfold 0.91 computes them again for each row, to label the row's cells
(docs/decisions/0179).
"""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.views.main import ChangeList
from unfold.templatetags import unfold_list

_compute = unfold_list.result_headers


def result_headers(cl: ChangeList) -> Sequence[dict[str, Any]]:
    """Return what Unfold shows above the columns of this list."""
    known: list[dict[str, Any]] | None = cl.__dict__.get("computed_headers")
    if known is None:
        known = cl.__dict__["computed_headers"] = list(_compute(cl))
    return known


unfold_list.result_headers = result_headers
