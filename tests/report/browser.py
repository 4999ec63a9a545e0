"""A headless Chromium without a network, and what a reader would see in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESK = {"viewport": {"width": 1280, "height": 900}}
DARK = {**DESK, "color_scheme": "dark"}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
SCREENS = {"desk": DESK, "dark": DARK, "phone": PHONE, "dark phone": {**PHONE, "color_scheme": "dark"}}


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with an empty profile, which Playwright makes and removes."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Browser, path: Path, screen: dict[str, Any]) -> Iterator[Page]:
    """A page from disk, network off, its figures drawn; afterwards nothing may have gone wrong in it."""
    context = browser.new_context(offline=True, **screen)
    troubles: list[str] = []
    try:
        page = context.new_page()
        page.on("console", lambda m: troubles.append(m.text) if _is_trouble(m.type, m.text) else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "request",
            lambda r: troubles.append(r.url) if not r.url.startswith(("file:", "data:", "blob:")) else None,
        )
        page.on("requestfailed", lambda r: troubles.append(f"failed: {r.url[:100]}"))
        page.goto(path.as_uri())
        if page.locator("#figures").count():
            page.wait_for_selector("html[data-drawn]", state="attached")
            page.wait_for_function(_SETTLED)
        yield page
        assert not troubles, troubles
    finally:
        context.close()


def _is_trouble(kind: str, text: str) -> bool:
    # Chromium remarks on the tests' own looking at pixels
    return kind in ("error", "warning") and "readback operations" not in text


# every figure has a canvas of some size that is not blank
_SETTLED = """() => {
  const walk = (node) => [...(node.shadowRoot ?? node).querySelectorAll("*")].flatMap(
    (e) => [e, ...(e.shadowRoot ? walk(e) : [])]);
  return [...document.querySelectorAll(".place")].every((place) => {
    const canvases = walk(place).filter((e) => e.tagName === "CANVAS");
    return canvases.some((c) => {
      if (!c.width || !c.height) return false;
      const pixels = new Uint32Array(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer);
      return new Set(pixels).size > 2;
    });
  });
}"""


def drawn(page: Page) -> list[str]:
    """The ids of the places that hold a figure which is not blank."""
    return (
        page.eval_on_selector_all(".place", "places => places.map(p => p.id)")
        if page.evaluate(_SETTLED)
        else []
    )


# where a mark of a named scatter is on the screen
_MARK = """([name, index]) => {
  const walk = (view) => [view, ...[...view.children()].flatMap(walk)];
  for (const root of Bokeh.index.roots) {
    for (const view of walk(root)) {
      if (view.model.type === "GlyphRenderer" && view.model.name === name) {
        const figure = view.plot_view ?? view.parent;
        const box = (figure.canvas_view ?? figure.canvas).el.getBoundingClientRect();
        return [box.x + view.glyph.sx[index], box.y + view.glyph.sy[index]];
      }
    }
  }
}"""
_TIPS = """() => {
  const walk = (node) => [...(node.shadowRoot ?? node).querySelectorAll("*")].flatMap(
    (e) => [e, ...(e.shadowRoot ? walk(e) : [])]);
  return walk(document).filter((e) => e.className === "bk-tooltip-content").map((e) => e.innerText);
}"""


def point_at(page: Page, x: float, y: float) -> str:
    """Move the pointer there as a hand would; the text of the tooltips that open."""
    page.mouse.move(x - 4, y - 4)
    page.mouse.move(x, y, steps=3)
    try:
        page.wait_for_function(f"({_TIPS})().length > 0", timeout=3000)
    except Exception:
        return ""
    return "\n".join(page.evaluate(_TIPS))


def point_at_mark(page: Page, place: str, name: str, index: int) -> str:
    """The tooltip of one mark of a scatter."""
    page.locator(f"#{place}").scroll_into_view_if_needed()
    return point_at(page, *page.evaluate(_MARK, [name, index]))


# boxes of the page's own parts; figures, tables and texts must not lie over one another
_OVERLAPS = """() => {
  const kinds = "h1, h2, h3, p, dl.headline > div, .place, figcaption .key, table, pre, summary, "
    + "footer, .facts dl";
  const parts = [...document.querySelectorAll(kinds)]
    .map((e) => [e, e.getBoundingClientRect()]).filter(([, b]) => b.width > 0 && b.height > 0);
  const clash = [];
  for (let i = 0; i < parts.length; i++) for (let j = i + 1; j < parts.length; j++) {
    const [[a, p], [b, q]] = [parts[i], parts[j]];
    if (a.contains(b) || b.contains(a) || a.closest(".scroll") || b.closest(".scroll")) continue;
    const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left);
    const high = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
    const name = (e) => `${e.tagName}.${e.id}${e.className}`;
    if (wide > 1 && high > 1) clash.push(`${name(a)} over ${name(b)}`);
  }
  return clash;
}"""
# what sticks out of the screen to the right, except inside boxes that scroll by themselves
_STICKING_OUT = """() => {
  const wide = document.documentElement.clientWidth;
  const out = [...document.querySelectorAll("main *")].filter((e) =>
    !e.closest(".scroll, pre, .unseen") && e.getBoundingClientRect().right > wide + 1);
  if (document.documentElement.scrollWidth > wide) return ["the page scrolls sideways"];
  return out.map((e) => e.outerHTML.slice(0, 120));
}"""


def laid_out_badly(page: Page) -> list[str]:
    """What overlaps or sticks out; empty if all is well."""
    return [*page.evaluate(_OVERLAPS), *page.evaluate(_STICKING_OUT)]


def violations(page: Page) -> list[str]:
    """Serious and critical findings of axe-core, which looks into Bokeh's shadow roots too."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{v['id']}: {v['nodes'][0]['html'][:150]}" for v in found if v["impact"] in ("serious", "critical")
    ]
