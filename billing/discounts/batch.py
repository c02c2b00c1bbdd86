"""Codes that staff create, one or many alike, and what they can change about them later."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import Q

from core.currencies import CURRENCIES
from core.database_errors import violates
from core.errors import Invalid, NotFound, invalid_field
from core.money import Money

from ..models import Voucher
from ..states import VoucherKind
from .codes import LENGTH_WITH_PREFIX, canonical_code, new_code

MOST_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Terms:
    """What a code takes off, for whom, and how often."""

    kind: VoucherKind
    percent: Decimal | None = None
    amount: Money | None = None
    most_uses: int | None = None
    most_uses_per_family: int | None = None
    valid_from: dt.date | None = None
    valid_until: dt.date | None = None
    only_for: str = ""
    learner_id: int | None = None
    note: str = ""


@transaction.atomic
def make_vouchers(
    *, workspace_id: int, count: int, terms: Terms, code: str = "", batch: str = "", now: dt.datetime
) -> list[Voucher]:
    """Create one voucher with this code, or `count` with randomly drawn codes that begin with it. Raises Invalid."""
    vouchers = draw_vouchers(workspace_id=workspace_id, count=count, terms=terms, code=code, batch=batch, now=now)
    try:
        with transaction.atomic():
            return Voucher.objects.bulk_create(vouchers)
    except IntegrityError as error:
        if not violates(error, "voucher_code_unique"):
            raise
        raise _taken() from error


def draw_vouchers(
    *, workspace_id: int, count: int, terms: Terms, code: str = "", batch: str = "", now: dt.datetime
) -> list[Voucher]:
    """Return the vouchers to create, unsaved. Raises Invalid."""
    _check(terms)
    codes = _codes(count, code)
    if count == 1 and Voucher.objects.filter(workspace=workspace_id, code=codes[0]).exists():
        raise _taken()
    return [
        Voucher(
            workspace_id=workspace_id,
            code=each,
            kind=terms.kind,
            percent=terms.percent,
            amount_minor=terms.amount.minor if terms.amount else None,
            currency=terms.amount.currency if terms.amount else "",
            most_uses=terms.most_uses,
            most_uses_per_family=terms.most_uses_per_family,
            valid_from=terms.valid_from,
            valid_until=terms.valid_until,
            only_for=terms.only_for,
            learner_id=terms.learner_id,
            batch=batch,
            note=terms.note,
            created_at=now,
        )
        for each in codes
    ]


def _taken() -> Invalid:
    return invalid_field("code", "taken", "There is a voucher with this code. Choose another.")


@transaction.atomic
def change_voucher(
    *,
    voucher_id: int,
    most_uses: int | None,
    most_uses_per_family: int | None,
    valid_from: dt.date | None,
    valid_until: dt.date | None,
    active: bool,
    note: str,
) -> Voucher:
    """Change how often and when a code can be used from now on; what it takes off stays. Raises Invalid, NotFound."""
    _check_days(valid_from, valid_until)
    _check_limits(most_uses, most_uses_per_family)
    voucher = Voucher.objects.filter(pk=voucher_id)
    fits = Q() if most_uses is None else Q(uses__lte=most_uses)
    changed = voucher.filter(fits).update(
        most_uses=most_uses,
        most_uses_per_family=most_uses_per_family,
        valid_from=valid_from,
        valid_until=valid_until,
        active=active,
        note=note,
    )
    found = voucher.first()
    if found is None:
        raise NotFound("There is no such voucher.")
    if not changed:
        raise _below_use(found)
    return found


def check_uses(voucher: Voucher, most_uses: int | None) -> None:
    """Raise Invalid if this row shows that the code has already been used more often."""
    if most_uses is not None and voucher.uses > most_uses:
        raise _below_use(voucher)


def _below_use(voucher: Voucher) -> Invalid:
    return invalid_field(
        "most_uses", "below_use", f"It has been used {voucher.uses} times. Give at least that, or switch it off."
    )


def _codes(count: int, code: str) -> Sequence[str]:
    if not 1 <= count <= MOST_AT_ONCE:
        raise invalid_field("count", "out_of_range", f"Create between 1 and {MOST_AT_ONCE:,} codes at once.")
    named = canonical_code(code)
    if count == 1 and named:
        return [named]
    if code.strip() and (not named or count == 1 or len(named) > LENGTH_WITH_PREFIX):
        raise invalid_field(
            "code",
            "invalid",
            "A code has 4 to 32 capitals, digits and hyphens; what many codes begin with has at most "
            f"{LENGTH_WITH_PREFIX}.",
        )
    codes: set[str] = set()
    while len(codes) < count:
        codes.add(new_code(named))
    return sorted(codes)


def _check(terms: Terms) -> None:
    if terms.kind == VoucherKind.PERCENTAGE and not (terms.percent and 0 < terms.percent <= 100):
        raise invalid_field("percent", "out_of_range", "Give a percentage above 0, at most 100.")
    if terms.kind == VoucherKind.AMOUNT and (terms.amount is None or terms.amount.currency not in CURRENCIES):
        raise invalid_field("amount", "required", "Give the amount that the code takes off, and its currency.")
    if terms.kind != VoucherKind.PERCENTAGE and terms.percent is not None:
        raise invalid_field("percent", "not_used", "Leave the percentage empty: the code takes something else off.")
    if terms.kind != VoucherKind.AMOUNT and terms.amount is not None:
        raise invalid_field("amount", "not_used", "Leave the amount empty: the code takes something else off.")
    _check_days(terms.valid_from, terms.valid_until)
    _check_limits(terms.most_uses, terms.most_uses_per_family)


def _check_days(first: dt.date | None, last: dt.date | None) -> None:
    if first and last and last < first:
        raise invalid_field("valid_until", "out_of_order", "The last day comes before the first.")


def _check_limits(most_uses: int | None, most_uses_per_family: int | None) -> None:
    if most_uses == 0 or most_uses_per_family == 0:
        raise invalid_field(
            "most_uses" if most_uses == 0 else "most_uses_per_family",
            "out_of_range",
            "Leave it empty for no limit; to stop a code, switch it off.",
        )
