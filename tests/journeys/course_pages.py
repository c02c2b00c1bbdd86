"""The pages on which a family buys a course, as they use them."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from sandbox.testing import wait_until

from .stripe_page import press


def headline(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def enter_code(page: Page, email: str, code: Callable[[], str]) -> None:
    """Answer the page that asks who is there; `code` reads the newest one from the mailbox."""
    page.get_by_label("Email").fill(email)
    page.get_by_role("button", name="Send me a code").click()
    page.get_by_label("Code").fill(code())
    page.get_by_role("main").get_by_role("button", name="Sign in").click()


def choose_child(page: Page, first_name: str) -> None:
    page.get_by_label(re.compile("(A|Another) child")).check()
    name = page.get_by_role("group", name="Name of the child")
    name.get_by_label("First name").fill(first_name)
    name.get_by_label("Last name").fill("Doe")


def go_to_payment(page: Page, first_name: str) -> None:
    choose_child(page, first_name)
    page.get_by_role("button", name="Continue to payment").click()


def pay(page: Page) -> None:
    press(page)


def look_until(page: Page, heading: str, look: Callable[[], object]) -> None:
    """Reload until the page has this heading, since the worker takes a moment."""

    def is_there() -> bool:
        look()
        return page.get_by_role("heading", name=heading).count() > 0

    wait_until(is_there, seconds=20)


def choose(page: Page, step: str, group_class: str) -> None:
    page.get_by_role("group", name=step).get_by_label(group_class).check()
