"""What a family that leaves gets back, in plain words."""

import datetime as dt
from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing.refund_policy import RefundTier
from core.money import Money
from core.time_words import day

from ..models import RefundPolicy


def tell_rules(tiers: Sequence[RefundTier], currency: str, *, starts_on: dt.date | None) -> list[str]:
    """Return a sentence for each tier, with its date if the start is known, and one for the time after the last."""
    told = [_tell_tier(tier, currency, starts_on) for tier in tiers]
    return [*told, _("After that, nothing comes back.")] if tiers else []


def tell_policy(policy: RefundPolicy | None, *, starts_on: dt.date | None) -> list[str]:
    """Return what buyers get back under this policy; without a policy, that the program decides."""
    if policy is None:
        return [_("The program decides what comes back when somebody leaves.")]
    return tell_rules(policy.rules, policy.currency, starts_on=starts_on)


def _tell_tier(tier: RefundTier, currency: str, starts_on: dt.date | None) -> str:
    return _("%(when)s: %(what)s") % {"when": _until(tier, starts_on), "what": _what(tier, currency)}


def _until(tier: RefundTier, starts_on: dt.date | None) -> str:
    last_day = tier.last_day(starts_on)
    if last_day is not None:
        return _("Until %(date)s") % {"date": day(last_day)}
    days = tier.days_before_start or 0
    if days > 0:
        return ngettext("Until %(n)s day before the start", "Until %(n)s days before the start", days) % {"n": days}
    if days < 0:
        return ngettext("Until %(n)s day after the start", "Until %(n)s days after the start", -days) % {"n": -days}
    return _("Until the day of the start")


def _what(tier: RefundTier, currency: str) -> str:
    fee = Money(tier.kept_fee_minor, currency)
    if tier.kept_percent >= 100:
        return _("nothing comes back.")
    if tier.kept_percent and tier.kept_fee_minor:
        return _("all comes back but %(percent)s%% and %(fee)s.") % {"percent": tier.kept_percent, "fee": fee}
    if tier.kept_percent:
        return _("all comes back but %(percent)s%%.") % {"percent": tier.kept_percent}
    if tier.kept_fee_minor:
        return _("all comes back but %(fee)s.") % {"fee": fee}
    return _("all of it comes back.")
