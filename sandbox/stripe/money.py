"""Which amounts Stripe accepts, and how people read them. Based on docs.stripe.com/currencies, in the API's terms: an
integer in the currency's minor unit, as the API defines that unit.
"""

from sandbox.stripe.errors import invalid


def _listed(codes: str) -> frozenset[str]:
    return frozenset(codes.split())


PRESENTMENT = _listed(
    "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf clp "
    "cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr "
    "isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn "
    "myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle "
    "sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw"
)
ZERO_DECIMAL = _listed("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf")
THREE_DECIMAL = _listed("bhd jod kwd omr tnd")
# Two decimals in the API, which must be 00: the currency has no fractions.
WHOLE_ONLY = frozenset(("isk", "ugx"))
LARGEST_AMOUNT = 999_999_999_999  # 12 digits, of IDR; the others: most_of
# By the settlement currency, assumed to be the session's. Other currencies: 1.
SMALLEST_AMOUNT = {
    "usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50,
    "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50,
    "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip


def largest_of(currency: str) -> int:
    """Return the largest amount Stripe accepts for any payment method: 12 digits for IDR, 9 for INR, 8 for the rest."""
    return {"idr": 999_999_999_999, "inr": 999_999_999}.get(currency, 99_999_999)


def check_divisible(amount: int, currency: str, *, param: str) -> None:
    """Reject fractions that the currency does not have, and last digits that card networks can't transmit."""
    if currency in WHOLE_ONLY and amount % 100:
        raise invalid(
            param,
            f"Invalid amount. Currency {currency.upper()} has become effectively zero-decimal and charged amounts must "
            "be evenly divisible by 100.",
            "invalid_charge_amount_no_decimal_compatible",
        )
    if currency in THREE_DECIMAL and amount % 10:
        message = f"Invalid amount. The last digit of amounts in {currency.upper()} must be 0."
        raise invalid(param, message, "invalid_charge_amount")


def format_amount(amount: int, currency: str) -> str:
    """Return `12.50 USD` for `1250, "usd"`; `amount` is in the API's minor units."""
    if currency in WHOLE_ONLY:
        return f"{amount / 100:,.0f} {currency.upper()}"
    digits = 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2
    return f"{amount / 10**digits:,.{digits}f} {currency.upper()}"
