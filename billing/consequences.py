"""The consequences of moving money, shown to staff beforehand: the one place for every button that sends money back,
ends a payment page, writes the books, or gives discounts."""

from collections import defaultdict
from collections.abc import Sequence

from core.money import Money
from core.numbers import counted
from core.time_words import day

from .discounts import discount_of
from .invoicing import Buyer
from .models import Checkout, Invoice, LedgerLine, Payment, Voucher
from .states import Account, InvoiceProvider, VoucherKind


def tell_refund(payment: Payment, amount: Money) -> list[str]:
    """Return where the money goes, and which document follows."""
    payer = payment.checkout.payer_email if payment.checkout else ""
    return [f"{amount} goes back to {payer or 'the payer'}.", *tell_correction(payment)]


def tell_correction(payment: Payment, *, is_at_once: bool = False) -> list[str]:
    """Return the correction that follows once money is back, or at once; none without an invoice to correct."""
    invoice = Invoice.objects.standing().filter(payment=payment, corrects=None).first()
    if invoice is None:
        return []
    document = f"invoice {invoice.number}" if invoice.number else "the invoice that has not been issued yet"
    when = "at once" if is_at_once else "once the money is back"
    return [f"A correction of {document} follows {when}."]


def tell_end_of_checkout(checkout: Checkout) -> list[str]:
    """Return which page ends, and which voucher use becomes free again."""
    discount = discount_of(checkout)
    given_back = discount.voucher if discount is not None else None
    return [
        f"The payment page over {checkout.money} ends.",
        *([f"The use of the code {given_back} that it took is given back."] if given_back is not None else []),
    ]


def tell_replacement(invoice: Invoice, buyer: Buyer) -> list[str]:
    """Return which document becomes void, and which one replaces it."""
    seller = getattr(invoice.workspace, "seller", None)
    provider = InvoiceProvider(seller.provider) if seller is not None else InvoiceProvider.LOCAL
    is_ours = provider == InvoiceProvider.LOCAL
    number = "with the next number" if is_ours else f"which {provider.label} is asked for"
    return [
        f"Invoice {invoice.number} over {invoice.money} is canceled, and keeps its number.",
        f"A new invoice over {invoice.money} is issued to {buyer.name or buyer.email}, {number}.",
        "No money moves.",
    ]


def tell_lines(lines: Sequence[LedgerLine]) -> list[str]:
    """Return the totals of the lines to be written, by account and currency, and how many belong to earlier months."""
    late = sum(line.is_late for line in lines)
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for line in lines:
        sums[line.account, line.currency] += line.net_minor
    accounts = [f"{Account(key).label}: {Money(minor, currency)}." for (key, currency), minor in sorted(sums.items())]
    return [
        f"Lines to write: {len(lines):,}.",
        *accounts,
        *([f"Lines of earlier months, which are marked as late: {late:,}."] if late else []),
    ]


def tell_limits(voucher: Voucher, *, most_uses: int | None, is_active: bool) -> list[str]:
    """Say how often a code can still be used, and how much that could discount."""
    if not is_active:
        return [f"Used so far: {voucher.uses:,}. Nobody can use it from now on."]
    if most_uses is None:
        return [f"Used so far: {voucher.uses:,}. Nothing limits how often it is used."]
    left = most_uses - voucher.uses
    told = [f"Used so far: {voucher.uses:,}. It can be used {counted(left, 'more time')}."]
    if voucher.kind == VoucherKind.AMOUNT and voucher.amount_minor is not None:
        told.append(f"At most {Money(left * voucher.amount_minor, voucher.currency)} more are taken off.")
    return told


def tell_codes(vouchers: Sequence[Voucher]) -> list[str]:
    """Return which codes are created, what each takes off, and how much that may add up to."""
    first = vouchers[0]
    made = f"Made: {first.code}." if len(vouchers) == 1 else f"Codes to create: {len(vouchers):,}, all different."
    told = [made, f"Each takes off: {first.takes_off}."]
    if first.most_uses is None:
        told.append("There is no limit on their use.")
    else:
        uses = len(vouchers) * first.most_uses
        told.append(f"They can be used {counted(uses, 'time')} in all.")
        if first.kind == VoucherKind.AMOUNT and first.amount_minor is not None:
            told.append(f"At most {Money(uses * first.amount_minor, first.currency)} are taken off in all.")
    if first.valid_from or first.valid_until:
        days = [f"from {day(first.valid_from)}" if first.valid_from else ""]
        days += [f"to {day(first.valid_until)}" if first.valid_until else ""]
        told.append(f"They hold {' '.join(each for each in days if each)}.")
    return told
