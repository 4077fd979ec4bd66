"""Which variants their file's rule takes back."""

from __future__ import annotations

from collections.abc import Sequence

from pawfect_service.variants.answers import Figures
from pawfect_service.variants.file import Rule, Variants


def fallen(figures: Sequence[Figures], variants: Variants) -> dict[str, str]:
    """Return why variants are to be taken back, by their names.

    Only those that anybody gets now; a variant is judged by its failures once it has the rule's
    `answers`, and by its ratings once it has so many of them.
    """
    rule = variants.rule
    if rule is None:
        return {}
    names = {variant.name for variant in variants.variants if variant.share or variant.staging}
    reasons = {each.variant: _reasons(each, rule) for each in figures if each.variant in names}
    return {name: " and ".join(each) for name, each in reasons.items() if each}


def _reasons(each: Figures, rule: Rule) -> list[str]:
    reasons = []
    failed = each.failed if each.answers >= rule.answers else None
    if failed and rule.failed is not None and failed.value > rule.failed:
        share = f"{failed.value:.1%} of {each.answers} failed"
        reasons.append(f"{share}, more than {rule.failed:.1%}")
    rating = each.rating if each.ratings >= rule.answers else None
    if rating and rule.rating is not None and rating.value < rule.rating:
        mean = f"{each.ratings} ratings of {rating.value:.2f} on average"
        reasons.append(f"{mean}, less than {rule.rating:g}")
    return reasons
