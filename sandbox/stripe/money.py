"""Amounts as people read them, and the least Stripe charges."""

ZERO_DECIMAL = frozenset(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf")
)
THREE_DECIMAL = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))
LARGEST_AMOUNT = 99_999_999
# Minor units; https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts. Other currencies: 1.
SMALLEST_AMOUNT = {"usd": 50, "eur": 50, "gbp": 30, "pln": 200, "cad": 50, "aud": 50, "chf": 50, "sek": 300, "jpy": 50}


def format_amount(amount: int, currency: str) -> str:
    """`1250, "usd"` is `12.50 USD`; `amount` is in minor units."""
    digits = 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2
    return f"{amount / 10**digits:,.{digits}f} {currency.upper()}"
