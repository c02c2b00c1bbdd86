"""What on a page of the back office is wider than its room, drawn empty, or not accessible."""

from playwright.sync_api import Page

from .axe import wait_until_drawn
from .conftest import DESKTOP, PHONE


def spilled(page: Page) -> list[str]:
    """Return what is cut off or lies beyond the screen, on a phone and at a desk. Tables may scroll in their boxes; in
    the frame, names may end in an ellipsis, but not the name of the page itself."""
    wait_until_drawn(page)
    found = []
    for size in (PHONE, DESKTOP):
        page.set_viewport_size(size)
        _wait_for_charts(page)
        found += [f"{page.url} {size['width']}: {fault}" for fault in page.evaluate(_SPILLED)]
    return found


def _wait_for_charts(page: Page) -> None:
    """A chart takes its new size a moment after its box has it."""
    fit = "[...document.querySelectorAll('canvas')].every((each) => each.clientWidth <= each.parentElement.clientWidth)"
    for _ in range(50):
        if page.evaluate(fit):
            return
        page.wait_for_timeout(100)


def scrolling(page: Page) -> list[str]:
    """Return by how many pixels the page and the boxes in it scroll sideways at a desk."""
    wait_until_drawn(page)
    page.set_viewport_size(DESKTOP)
    found: list[str] = page.evaluate(_SCROLLING)
    return found


def drawn_empty(page: Page) -> list[str]:
    """Return the lists and tables without an entry, and the boxes with nothing below their title."""
    wait_until_drawn(page)
    found: list[str] = page.evaluate(_EMPTY)
    return found


_SPILLED = """() => {
  const wide = document.documentElement.scrollWidth - innerWidth;
  const found = wide > 0 ? [`${wide} px too wide`] : [];
  const gives = (trail) => [...trail.querySelectorAll("a")].some((each) => each.nextSibling && each.clientWidth > 200);
  const isIn = (each, holds) => each && (holds(getComputedStyle(each)) || isIn(each.parentElement, holds));
  for (const each of document.querySelectorAll("body *")) {
    const style = getComputedStyle(each);
    if (each.clientWidth < 2 || each.matches("input, textarea, select, svg *")) continue;
    const hides = ["hidden", "clip"].includes(style.overflowX) && each.scrollWidth > each.clientWidth + 1;
    const isOfFrame = style.textOverflow === "ellipsis" && !each.closest("main");
    const mayEnd = isOfFrame && !(each.matches("h1 > :last-child") && gives(each.parentElement));
    const tag = each.outerHTML.replace(/\\s+/g, " ").slice(0, 120);
    if (hides && !mayEnd && !each.closest("[data-simplebar]")) found.push(`cut: ${tag}`);
    const isBeyond = each.getBoundingClientRect().right > innerWidth + 1;
    if (isBeyond && !isIn(each, (box) => box.overflowX !== "visible")) found.push(`beyond: ${tag}`);
  }
  return found.slice(0, 5);
}"""

_SCROLLING = """() => {
  const scrolls = (each) => ["auto", "scroll"].includes(getComputedStyle(each).overflowX);
  const boxes = [...document.querySelectorAll("main *")].filter(scrolls);
  return [document.documentElement, ...boxes]
    .filter((each) => !each.matches("input, textarea") && each.scrollWidth > each.clientWidth + 1)
    .map((each) => `${each.scrollWidth - each.clientWidth} px: ${each.outerHTML.replace(/\\s+/g, " ").slice(0, 80)}`);
}"""

_EMPTY = """() => {
  const tag = (each) => each.outerHTML.replace(/\\s+/g, " ").slice(0, 120);
  const lists = [...document.querySelectorAll("main :is(ul, ol, dl, tbody)")].filter((each) => !each.children.length);
  const titles = [...document.querySelectorAll("main .backoffice-card > :is(h2, h3, h4)")];
  const boxes = titles.map((each) => each.parentElement).filter((each) => each.children.length < 2);
  return [...lists, ...boxes].map(tag);
}"""
