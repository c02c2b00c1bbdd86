"""The life of a discount: reserved with its checkout, used when that is paid, released when it ends unpaid.

Each function belongs to a transaction that holds the lock of the subject, and of its checkout if there is one.
"""

import datetime as dt

from django.db.models import F

from ..models import Checkout, Discount, Price, Voucher
from ..states import COUNTED_DISCOUNTS, DiscountStatus
from .amounts import share_of
from .codes import canonical_code
from .granting import Granted, count_family_uses, find_family, minor_of, not_accepted


def discount_of(checkout: Checkout) -> Discount | None:
    """Return what was taken off a checkout's price."""
    if not checkout.discount_minor:
        return None
    return Discount.objects.select_related("voucher").filter(checkout=checkout).first()


def was_discounted_by(checkout: Checkout, code: str) -> bool:
    """Return whether this code, as somebody typed it, reduced a checkout's price."""
    discount = discount_of(checkout)
    return discount is not None and discount.voucher is not None and discount.voucher.code == canonical_code(code)


def reserve_discount(*, granted: Granted, checkout: Checkout, now: dt.datetime) -> Discount:
    """Reserve a use of the voucher for a newly opened checkout. Raises VoucherNotAccepted when the last one went to
    somebody else, which ends the caller's transaction."""
    discount = _make(granted, checkout.workspace_id, checkout.purpose, checkout.subject, now)
    discount.checkout = checkout
    discount.save(force_insert=True)
    _take_use(granted)
    return discount


def use_up(*, granted: Granted, workspace_id: int, purpose: str, subject: str, now: dt.datetime) -> Discount:
    """Use a discount that covers the whole price: there is nothing to pay. Raises VoucherNotAccepted."""
    discount = _make(granted, workspace_id, purpose, subject, now)
    discount.use()
    discount.settled_at = now
    discount.save(force_insert=True)
    _take_use(granted)
    return discount


def use_discount(*, checkout: Checkout, now: dt.datetime) -> None:
    """Use the discount of a paid checkout. If its use had been released, it is taken again, or honored without one."""
    discount = discount_of(checkout)
    if discount is None or discount.status in (DiscountStatus.USED, DiscountStatus.HONORED):
        return
    if discount.status == DiscountStatus.RELEASED and not _could_take_again(discount):
        discount.honor()
    else:
        discount.use()
    discount.settled_at = now
    discount.save(update_fields=["status", "settled_at"])


def release_discount(*, checkout: Checkout, now: dt.datetime) -> None:
    """Release the use, once, for somebody else: the checkout ended unpaid, or what it paid for can't be provided."""
    discount = discount_of(checkout)
    if discount is None or discount.status not in COUNTED_DISCOUNTS:
        return
    discount.release()
    discount.settled_at = now
    discount.save(update_fields=["status", "settled_at"])
    if discount.voucher is not None:
        Voucher.objects.filter(pk=discount.voucher.pk).update(uses=F("uses") - 1)


def find_minor_again(*, discount: Discount, price: Price) -> int:
    """Return what the same discount takes off another price, which replaces the one it was granted for."""
    if discount.voucher is not None:
        return minor_of(discount.voucher, price.money)
    return share_of(price.money, discount.percent) if discount.percent else 0


def move_discount(*, discount: Discount, checkout: Checkout) -> None:
    """Move the discount of a replaced checkout to the one at the present price."""
    discount.checkout = checkout
    discount.list_minor = checkout.list_money.minor
    discount.discount_minor = checkout.discount_minor
    discount.currency = checkout.currency
    discount.save(update_fields=["checkout", "list_minor", "discount_minor", "currency"])


def _make(granted: Granted, workspace_id: int, purpose: str, subject: str, now: dt.datetime) -> Discount:
    return Discount(
        workspace_id=workspace_id,
        source=granted.source,
        voucher=granted.voucher,
        percent=granted.percent,
        purpose=purpose,
        subject=subject,
        list_minor=granted.price.minor,
        discount_minor=granted.minor,
        currency=granted.price.currency,
        created_at=now,
    )


def _take_use(granted: Granted) -> None:
    """Take a use: one statement decides who gets the last one. It holds the voucher's row until the end of the
    transaction, so only one purchase of a family at a time counts the family's uses, itself included."""
    voucher = granted.voucher
    if voucher is None:
        return
    left = Voucher.objects.with_uses_left().filter(pk=voucher.pk, active=True)
    if not left.update(uses=F("uses") + 1):
        raise not_accepted()
    limit = voucher.most_uses_per_family
    if limit is not None and count_family_uses(voucher, granted.family) > limit:
        raise not_accepted()


def _could_take_again(discount: Discount) -> bool:
    """Take the released use again, if the code and the family have one left."""
    voucher = discount.voucher
    if voucher is None:  # a sibling discount
        return True
    if Discount.objects.counted().filter(purpose=discount.purpose, subject=discount.subject).exists():
        return False
    if not Voucher.objects.with_uses_left().filter(pk=voucher.pk).update(uses=F("uses") + 1):
        return False
    limit = voucher.most_uses_per_family
    # The update holds the voucher's row, as in `_take_use`. This discount is not counted yet.
    if limit is None or count_family_uses(voucher, find_family(discount)) < limit:
        return True
    Voucher.objects.filter(pk=voucher.pk).update(uses=F("uses") - 1)
    return False
