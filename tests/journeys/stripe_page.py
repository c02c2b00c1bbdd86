"""The payment page, as a payer uses it."""

import re

from playwright.sync_api import Page

PAY = re.compile("^Pay .*149")
PAY_DECLINED = "Pay with a card that is declined"
PAY_BY_DEBIT = "Pay later by bank debit"


def press(page: Page, button: str | re.Pattern[str] = PAY, *, email: str = "payer@families.test") -> None:
    """Enter an address, which Stripe insists on, and press one of the buttons."""
    address = page.get_by_label("Email")
    if address.is_editable():  # signed-in people are not asked
        address.fill(email)
    page.get_by_role("button", name=button).click()
