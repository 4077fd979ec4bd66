"""What axe-core finds wrong with a screen for those who do not see it, or not well."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

# WCAG 2.2 AA, and what axe advises besides.
_RUN = """async () => {
  const { violations } = await axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    resultTypes: ["violations"],
  });
  return violations.map(({ id, impact, nodes }) => ({
    id, impact, nodes: nodes.map(({ target, failureSummary }) => `${target}: ${failureSummary}`),
  }));
}"""
SERIOUS = ("serious", "critical")


# Text that fades in has no contrast yet: two frames, so that what begins has begun, and its end.
_SETTLED = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  const moving = () => document.getAnimations()
    .filter((one) => Number.isFinite(one.effect.getComputedTiming().endTime));
  do {
    await frame();
    await frame();
    await Promise.all(moving().map((one) => one.finished.catch(() => null)));
  } while (moving().length);
}"""


def settled(page: Page) -> None:
    """Wait until nothing moves but what moves for ever."""
    page.evaluate(_SETTLED)


def serious(page: Page) -> list[dict[str, Any]]:
    """Return what is serious or critical on the page as it stands."""
    settled(page)
    return [found for found in page.evaluate(_RUN) if found["impact"] in SERIOUS]


def assert_accessible(page: Page) -> None:
    """Fail where axe finds something serious, light or dark."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = serious(page)
        assert not found, f"{scheme}: {found}"
    page.emulate_media(color_scheme="light")
