"""The currencies that can be charged, and in which amounts: Stripe's published rules, in our words.

Source: https://docs.stripe.com/currencies (presentment currencies, zero-decimal currencies, special cases, minimum and
maximum charge amounts), as of November 2026, and https://docs.stripe.com/error-codes for the amounts of currencies with
three decimals, whose last digit is 0. Everything that depends on a currency reads this table.
"""

from collections.abc import Iterator
from dataclasses import dataclass

LARGEST_COLUMN = 2_147_483_647  # the largest number our minor-unit columns hold


@dataclass(frozen=True, slots=True)
class Currency:
    """`decimals` is how many digits people write after the decimal point, and what our minor units count. Stripe counts
    some currencies in other units, `stripe_units` to one of ours. An amount is a multiple of `step`, from `least` to
    `most`."""

    code: str
    decimals: int = 2
    stripe_units: int = 1
    step: int = 1
    least: int = 1
    most: int = 99_999_999


def _codes(text: str) -> list[str]:
    return text.split()


_TWO_DECIMALS = _codes(
    "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop crc "
    "cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr jmd kes kgs khr kyd "
    "kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php "
    "pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah usd uyu uzs "
    "wst xcd xcg yer zar zmw"
)
_NO_DECIMALS = _codes("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf")
# Written without decimals; Stripe still wants two, both 0: 500 is 5 UGX.
_NO_LONGER_DECIMALS = _codes("isk ugx")
_THREE_DECIMALS = _codes("bhd jod kwd omr tnd")
# Minimums where the account is paid out in this currency; others are converted, and only Stripe knows the rate.
_LEAST = {
    **dict.fromkeys(_codes("aud brl cad chf eur inr nzd sgd usd"), 50),
    **dict.fromkeys(_codes("aed myr pln ron"), 200),
    **dict.fromkeys(_codes("nok sek"), 300),
    **dict.fromkeys(_codes("mxn thb"), 1_000),
    **{"bgn": 100, "czk": 1_500, "dkk": 250, "gbp": 30, "hkd": 400, "huf": 17_500, "jpy": 50},
}
_MOST = {"idr": LARGEST_COLUMN, "inr": 999_999_999}  # Stripe accepts 12 digits of IDR


def _table() -> Iterator[Currency]:
    for code in _TWO_DECIMALS:
        yield Currency(code, least=_LEAST.get(code, 1), most=_MOST.get(code, 99_999_999))
    for code in _NO_DECIMALS:
        yield Currency(code, decimals=0, least=_LEAST.get(code, 1))
    for code in _NO_LONGER_DECIMALS:
        yield Currency(code, decimals=0, stripe_units=100, most=999_999)
    for code in _THREE_DECIMALS:
        yield Currency(code, decimals=3, step=10, least=10, most=99_999_990)


CURRENCIES = {currency.code: currency for currency in _table()}


def currency_of(code: str) -> Currency:
    """Return the currency's rules; for a currency nobody can charge in, return the rules that most currencies share."""
    return CURRENCIES.get(code) or Currency(code)
