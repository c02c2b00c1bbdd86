"""Staff read whom and what a row is about, wherever it is mentioned: no list and no page shows them an id instead."""

import re
from html import unescape
from typing import Any

import pytest

from .small_demo import ADMINS, SignIn, my_row_of, url
from .test_headings import NAMED_BY_AN_ID, opened

pytestmark = pytest.mark.walk

# Columns and fields that show an id because staff look for it: to quote it to an integrator, or to find the row again.
IDS = ("cuid", "event_id", "external_enrollment_id", "row")
_NUMBERED = "Application|Checkout|Decision|Dispute|Enrollment|Guardian|Learner|Nudge|Package|Payment|Place|Refund|Seat"


def words_of(page: str) -> list[str]:
    """Return what a page shows, cell by cell, without scripts, raw data, and the fields that show an id on purpose."""
    shown = re.sub(r'<(script|style|svg)\b.*?</\1>|<pre class="backoffice-json">.*?</pre>', " ", page, flags=re.DOTALL)
    for name in IDS:
        shown = re.sub(rf'<t[dh] class="[^"]*\bfield-{name}\b.*?</t[dh]>', " ", shown, flags=re.DOTALL)
    cells = re.sub(r"<(?:a|button|div|h\d|label|li|option|p|span|td|th|title)\b", "\n\\g<0>", shown)
    return [" ".join(line.split()) for line in unescape(re.sub(r"<[^>]+>", "", cells)).split("\n") if line.strip()]


def ids_shown(page: str) -> list[str]:
    found = (re.findall(rf"\bc[a-z0-9]{{23}}\b|\b(?:{_NUMBERED}) \(?\d+\b(?!-)", words) for words in words_of(page))
    return sorted({each for ids in found for each in ids})


class TestNoPage:
    @pytest.mark.parametrize("model_admin", ADMINS)
    def test_shows_staff_an_id_instead_of_a_name(self, model_admin: Any, sign_in: SignIn) -> None:
        row = my_row_of(model_admin)
        client = sign_in("superuser")

        pages = {
            view: opened(client, url(model_admin, view, *args))
            for view, args in (("changelist", ()), ("change", (row.pk,)), ("history", (row.pk,)))
        }

        assert all(pages.values())
        if model_admin.opts.model_name not in NAMED_BY_AN_ID:
            own = {getattr(row, "cuid", None)}  # its page shows it once, among the details
            assert {view: ids for view, page in pages.items() if (ids := set(ids_shown(page)) - own)} == {}

    @pytest.mark.parametrize(
        ("page", "ids"),
        [
            ('<td class="field-about"><a href="/">Enrollment cg3tvkmpdo472ogtrkbxy6xr</a></td>', 1),
            ('<h1>Payment 12: <b class="x">49.00 USD</b></h1>', 1),
            ('<option value="3">Seat 3 (used)</option>', 1),
            ('<td class="field-cuid nowrap">cg3tvkmpdo472ogtrkbxy6xr</td>', 0),
            ('<pre class="backoffice-json">{"id": "cg3tvkmpdo472ogtrkbxy6xr"}</pre>', 0),
            ("<td>Elena Rivera, Algebra I: Payment of 49.00 USD</td>", 0),
        ],
    )
    def test_would_keep_one_to_itself(self, page: str, ids: int) -> None:
        """Negative control."""
        assert len(ids_shown(page)) == ids
