"""What axe-core finds on a page, in every look it has: on a phone and at a desk, light and dark."""

from pathlib import Path

from playwright.sync_api import Page

from .conftest import DESKTOP, PHONE

AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text()
LOOKS = [(size, scheme) for size in (PHONE, DESKTOP) for scheme in ("light", "dark")]


def seen(page: Page, *, within: str = "") -> list[str]:
    """What is wrong with the page, or with a part of it, in each look; it is left in the last of them."""
    _wait_until_drawn(page)
    page.evaluate(AXE)  # not a script tag, which the Content-Security-Policy would refuse
    found = []
    for size, scheme in LOOKS:
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        found += [f"{page.url} {scheme} {size['width']}: {fault}" for fault in _faults(page, within)]
    return found


def _wait_until_drawn(page: Page) -> None:
    """Wait for the page and its fonts: an icon whose font has not come yet is a faint word to axe."""
    page.wait_for_load_state()
    page.evaluate("document.fonts.ready.then(() => true)")


def _faults(page: Page, within: str) -> list[str]:
    """Each fault with the element it means, and a page wider than its screen."""
    found = page.evaluate("part => axe.run(part || document, {resultTypes: ['violations']})", within)
    faults = [f"{fault['id']}: {node['html']}" for fault in found["violations"] for node in fault["nodes"]]
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [*faults, f"{overflow} px too wide"] if overflow > 0 else faults
