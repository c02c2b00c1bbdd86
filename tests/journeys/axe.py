"""What axe-core finds on a page in every look: on a phone and at a desk, light and dark."""

from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page, ViewportSize

from .conftest import DESKTOP, PHONE

AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text()
NARROW: ViewportSize = {"width": 320, "height": 640}
Look = tuple[ViewportSize, str]
LOOKS: list[Look] = [(size, scheme) for size in (PHONE, DESKTOP) for scheme in ("light", "dark")]


def seen(page: Page, *, within: str = "", looks: Sequence[Look] = LOOKS) -> list[str]:
    """Return what is wrong with the page, or with a part of it, in each look; the page stays in the last one."""
    wait_until_drawn(page)
    page.evaluate(AXE)  # not a script tag, which the Content-Security-Policy would refuse
    found = []
    for size, scheme in looks:
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.evaluate(_SHOW_STAFF, scheme)
        found += [f"{page.url} {scheme} {size['width']}: {fault}" for fault in _faults(page, within)]
    return found


def cut_by_large_text(page: Page) -> list[str]:
    """Return what does not fit at twice the text size, as people set it in their browser: a page wider than its screen,
    and text that exceeds its container. The page is restored.
    """
    wait_until_drawn(page)
    found = []
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    for size in (NARROW, PHONE, DESKTOP):
        page.set_viewport_size(size)
        found += [f"{page.url} {size['width']}: {fault}" for fault in page.evaluate(_CUT)]
    page.evaluate("document.documentElement.style.fontSize = ''")
    return found


# Content for screen readers only is no wider than a pixel; typed text scrolls in its field.
_CUT = """() => {
  const wide = document.documentElement.scrollWidth - innerWidth;
  const found = wide > 0 ? [`${wide} px too wide`] : [];
  for (const each of document.querySelectorAll("body *")) {
    const style = getComputedStyle(each);
    if (each.clientWidth < 2 || each.matches("input, textarea") || each.closest(".visually-hidden")) continue;
    const tag = each.outerHTML.slice(0, 120);
    const hides = style.overflowX === "hidden" || style.overflowX === "clip";
    if (hides && each.scrollWidth > each.clientWidth + 1) found.push(`cut: ${tag}`);
    if (each.getBoundingClientRect().right > innerWidth + 1) found.push(`beyond the screen: ${tag}`);
  }
  return found.slice(0, 5);
}"""


# The back office reads the color scheme only once, as a page opens.
_SHOW_STAFF = "scheme => document.documentElement.classList.toggle('dark', scheme === 'dark')"


def wait_until_drawn(page: Page) -> None:
    """Wait for the page and its fonts: an icon whose font has not loaded is a faint word to axe."""
    page.wait_for_load_state()
    page.evaluate("document.fonts.ready.then(() => true)")


def _faults(page: Page, within: str) -> list[str]:
    """Return each fault with the element it concerns, and whether the page is wider than its screen."""
    found = page.evaluate("part => axe.run(part || document, {resultTypes: ['violations']})", within)
    faults = [f"{fault['id']}: {node['html']}" for fault in found["violations"] for node in fault["nodes"]]
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [*faults, f"{overflow} px too wide"] if overflow > 0 else faults
