"""Cards that exist on paper only: what stages cost there, and an event loop with their time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from hypothesis import strategies as st

from pawfect.costs import Costs
from pawfect.orchestrator import Deployment
from pawfect.orchestrator.planner import Wish
from pawfect.picture.box import Box

T = TypeVar("T")
SIZES = (512, 768, 1024)


def card(speed: float, labels_ms: float = 400.0, text_ms: float = 300.0) -> Costs:
    """Return the costs of a card that does 1 TFLOP of FLUX's steps in 1 / speed seconds."""
    return Costs(
        # 15.8, 35.6 and 67.1 TFLOP at 512, 768 and 1024 px with 128 text tokens.
        step_ms=lambda tokens: (13.3 * tokens / 1000 + 0.75 * (tokens / 1000) ** 2) * 1000 / speed,
        encode_ms=lambda pixels: pixels / 250 / speed,
        decode_ms=lambda pixels: pixels / 110 / speed,
        text_ms=text_ms,
        labels_ms=labels_ms,
        rest_ms=lambda pixels: 50 + pixels / 50_000,
    )


# From a laptop to several data-centre cards at once: a T4 does about 25.
cards = st.builds(
    card,
    st.floats(0.5, 2000),
    st.floats(0, 5000),
    st.floats(0, 20_000),
)


@st.composite
def wishes(draw: st.DrawFn) -> Wish:
    """Photos from small to large with one to six holes anywhere."""
    height, width = (draw(st.integers(64, 6000)) for _ in range(2))
    holes = []
    for _ in range(draw(st.integers(1, 6))):
        x0, y0 = draw(st.integers(0, width - 16)), draw(st.integers(0, height - 16))
        side = st.integers(1, 3000)
        holes.append(Box(x0, y0, min(x0 + draw(side), width), min(y0 + draw(side), height)))
    return Wish(
        holes=tuple(holes),
        height=height,
        width=width,
        sizes=draw(st.sampled_from([SIZES, SIZES[:1], SIZES[1:], (*SIZES, 1408)])),
        steps=draw(st.integers(1, 100)),
        explicit=draw(st.booleans()),
        strength=draw(st.sampled_from([1.0, 1.0, 0.9, 0.5, 0.2])),
        finds_labels=draw(st.booleans()),
        checks_labels=draw(st.booleans()),
        prior_ms=draw(st.sampled_from([0.0, 2000.0])),
    )


class _Skipping(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """A selector that does not wait: it moves the loop's clock on instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        self.now += max(timeout or 0.0, 0.0)
        return list(super().select(0))


def in_virtual_time(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a loop whose sleeps take no time; its clock is `loop.time`."""
    selector = _Skipping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    # Else a timer that is due in less counts as due now, and never comes.
    loop._clock_resolution = 1e-9  # type: ignore[attr-defined]
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def with_chain(deployment: Deployment, name: str = "flux", **changes: Any) -> Deployment:
    """Return a deployment with another schedule, other costs or settings of one chain."""
    chains = {**deployment.chains, name: replace(deployment.chains[name], **changes)}
    return replace(deployment, chains=chains)
