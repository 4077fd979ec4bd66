"""Which user gets which variant: the same one each time, by hash alone.

Weighted rendezvous hashing (Thaler and Ravishankar 1998; weights as in Schindelhauer and Schomaker
2005, "Weighted Distributed Hash Tables"): every variant of a kind, and what is left of the hundred
per cent, draws a number for the user, and the lowest wins. A variant whose share rises only wins
users, and one whose share falls only loses some: with one variant exactly as many change as the
shares do, with several a few more, since each gives up its part to the one that grew.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from pawfect.contract.parameters import Scalar
from pawfect_service.jobs.kinds import Kind
from pawfect_service.variants.file import DEFAULT, OWN_CHOICE, Variant, Variants


@dataclass(frozen=True)
class Choice:
    """What a request gets.

    Attributes:
        variant: its name, or DEFAULT or OWN_CHOICE.
        parameters: what that chooses.
    """

    variant: str
    parameters: Mapping[str, Scalar] = field(default_factory=dict)


def choose(
    variants: Variants, kind: Kind, uid: str, caller: str, given: Mapping[str, Scalar]
) -> Choice:
    """Return what a request gets.

    Args:
        variants: what the file says.
        kind: of the job.
        uid: whose job it is.
        caller: the name of who sends it, as `Caller` has it.
        given: the request's own parameters; one that variants choose makes the choice its own.
    """
    if set(given) & set(kind.varied):
        return Choice(OWN_CHOICE)
    dealt = deal(variants, kind.name, uid, caller)
    return Choice(DEFAULT) if dealt is None else Choice(dealt.name, dealt.parameters)


def deal(variants: Variants, kind: str, uid: str, caller: str = "") -> Variant | None:
    """Return a user's variant of a kind of jobs; None: the server's own choices."""
    of_kind, first = variants.of_kind(kind), variants.staging
    staged = [variant for variant in of_kind if variant.staging]
    if staged and (uid in first.users or caller in {f"key {name}" for name in first.keys}):
        shares = {variant.name: 1.0 for variant in staged}
    else:
        shares = {variant.name: variant.share for variant in of_kind}
        shares[DEFAULT] = 100.0 - sum(shares.values())
    # One without a share draws no number.
    shares = {name: share for name, share in shares.items() if share > 0}
    draws = {name: _draw(name, variants.salt, uid) / share for name, share in shares.items()}
    won = min(draws, key=draws.__getitem__)
    return next((variant for variant in of_kind if variant.name == won), None)


def _draw(name: str, salt: str, uid: str) -> float:
    """Return the user's exponentially distributed number for a variant."""
    # Lengths first: no two triples of texts run into the same bytes.
    texts = [text.encode() for text in (salt, name, uid)]
    data = b"".join(len(text).to_bytes(4, "big") + text for text in texts)
    number = int.from_bytes(hashlib.sha256(data).digest()[:8], "big")
    # Above 0 and under 1.
    return -math.log((number + 0.5) / 2**64)
