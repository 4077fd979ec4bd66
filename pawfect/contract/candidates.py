"""Candidates as they travel: one at a time as they come, and those of an earlier run on the way in.

candidate_tensors           the outputs CANDIDATE, CANDIDATE_IMAGE and CANDIDATE_BOX
done_tensors, read_done     the inputs DONE, DONE_IMAGES and DONE_BOX
read_candidate              a candidate from its JSON, with every number checked
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.errors import invalid
from pawfect.contract.numbers import is_number
from pawfect.contract.scores import AXES, BEST
from pawfect.contract.search import MAX_CANDIDATES, MAX_CHILDREN
from pawfect.contract.search_report import GLOBAL, LOCAL, Candidate
from pawfect.contract.tensors import DTYPES, Array
from pawfect.contract.texts import text_tensor

# Left, upper, right and lower edge in px of the photo.
Edges = tuple[int, int, int, int]

# What a search makes at most: every candidate of the first stage with all children.
MAX_DONE: Final = MAX_CANDIDATES * (1 + MAX_CHILDREN)


@dataclass(frozen=True, eq=False)
class FoundCandidate:
    """A finished candidate with its pixels.

    Attributes:
        candidate: what it was made of, and its scores among those that were judged before it.
        image: UINT8 [h, w, 3] RGB, what `box` cuts out of it; outside it is the photo. None where
            the candidate failed.
        box: x0, y0, x1, y1 in px of the photo, the same for all candidates of a request; None
            where the candidate failed.
    """

    candidate: Candidate
    image: NDArray[np.uint8] | None = None
    box: Edges | None = None


def parse_candidate(text: str | bytes) -> Candidate:
    """Return a candidate from its JSON; raises as `read_candidate`."""
    try:
        return read_candidate(json.loads(text))
    except RecursionError:
        raise ValueError("expected a candidate, got too deep an object") from None


def read_candidate(given: Any) -> Candidate:
    """Return a candidate from what JSON gave.

    Raises:
        ValueError: an entry that is missing or impossible, such as a score that is no number from
            0 to 10.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"expected an object, got {type(given).__name__}")
    try:
        candidate = Candidate.of_json(given)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"expected the entries of a candidate, got {error!r}") from None
    _check_place(candidate)
    if not isinstance(candidate.scores, Mapping) or not set(candidate.scores) <= set(AXES):
        raise ValueError(f"expected scores of {', '.join(AXES)}, got {candidate.scores!r}")
    scores = dict(candidate.scores)
    if candidate.potential is not None:
        scores["potential"] = candidate.potential
    for name, score in scores.items():
        if not is_number(score) or not 0 <= score <= BEST:
            raise ValueError(f"expected {name} from 0 to {BEST:g}, got {score!r}")
    return candidate


def _check_place(candidate: Candidate) -> None:
    numbers = {"number": candidate.number, "seed": candidate.seed}
    if candidate.parent is not None:
        numbers["parent"] = candidate.parent
    for name, value in numbers.items():
        if type(value) is not int or value < 0:
            raise ValueError(f"expected {name} as an integer of at least 0, got {value!r}")
    if candidate.phase not in (GLOBAL, LOCAL):
        raise ValueError(f"expected phase {GLOBAL} or {LOCAL}, got {candidate.phase!r}")
    if not is_number(candidate.ms):
        raise ValueError(f"expected ms as a number, got {candidate.ms!r}")


def candidate_tensors(found: FoundCandidate) -> dict[str, Array]:
    """Return the outputs of a message that brings a candidate."""
    outputs: dict[str, Array] = {"CANDIDATE": text_tensor(found.candidate.to_json())}
    if found.image is not None:
        outputs["CANDIDATE_IMAGE"] = found.image
        outputs["CANDIDATE_BOX"] = np.array(found.box, DTYPES["INT32"])
    return outputs


def done_tensors(done: Iterable[FoundCandidate], height: int, width: int) -> dict[str, Array]:
    """Return the inputs that say what was finished before; none for nothing.

    Args:
        done: candidates with their pixels; those that failed are left out, to be made again.
        height: the photo's, px.
        width: the photo's, px.

    Raises:
        PawfectError: INVALID_ARG as `read_done`.
    """
    made = [one for one in done if one.image is not None and one.candidate.error is None]
    if not made:
        return {}
    boxes = {one.box for one in made}
    if len(boxes) != 1 or None in boxes:
        raise invalid("DONE_BOX", "one box for all", f"{len(boxes)} of {len(made)}")
    box = made[0].box
    assert box is not None
    _check_box(box, height, width)
    shape = _shape_of(box)
    for one in made:
        image = one.image
        assert image is not None
        if image.dtype != np.uint8 or image.shape != shape:
            got = f"{image.dtype} {list(image.shape)}"
            raise invalid("DONE_IMAGES", f"uint8 {list(shape)} each, as the box says", got)
    _check_numbers([one.candidate for one in made])
    return {
        "DONE": text_tensor(*(one.candidate.to_json() for one in made)),
        "DONE_IMAGES": np.stack([one.image for one in made if one.image is not None]),
        "DONE_BOX": np.array(box, DTYPES["INT32"]),
    }


def read_done(inputs: Mapping[str, Array], height: int, width: int) -> tuple[FoundCandidate, ...]:
    """Return the finished candidates that a request brings along, in the order in which they came.

    Args:
        inputs: the request's by name.
        height: the photo's, px.
        width: the photo's, px.

    Raises:
        PawfectError: INVALID_ARG for some of DONE, DONE_IMAGES and DONE_BOX without the others, too
            many, two of one number, a box outside of the photo, pictures of another size, and texts
            that are no candidates.
    """
    names = ("DONE", "DONE_IMAGES", "DONE_BOX")
    given = [name for name in names if name in inputs]
    if not given:
        return ()
    if len(given) < len(names):
        raise invalid("DONE", f"all of {', '.join(names)}", ", ".join(given))
    edges = inputs["DONE_BOX"].reshape(-1).tolist()
    if len(edges) != 4:
        raise invalid("DONE_BOX", "4 numbers", len(edges))
    box: Edges = (int(edges[0]), int(edges[1]), int(edges[2]), int(edges[3]))
    _check_box(box, height, width)
    texts, images = inputs["DONE"].reshape(-1).tolist(), inputs["DONE_IMAGES"]
    expected = (len(texts), *_shape_of(box))
    if images.dtype != np.uint8 or images.shape != expected:
        got = f"{images.dtype} {list(images.shape)}"
        raise invalid("DONE_IMAGES", f"uint8 {list(expected)}", got)
    candidates = [_from_text(text) for text in texts]
    _check_numbers(candidates)
    return tuple(
        FoundCandidate(candidate, image, box)
        for candidate, image in zip(candidates, images, strict=True)
    )


def _from_text(text: bytes | str) -> Candidate:
    try:
        return parse_candidate(text)
    except ValueError as error:
        # JSON's own errors and those of its bytes are ValueErrors.
        raise invalid("DONE", "JSON of candidates", error) from None


def _check_numbers(candidates: Sequence[Candidate]) -> None:
    numbers = [one.number for one in candidates]
    if len(numbers) > MAX_DONE:
        raise invalid("DONE", f"at most {MAX_DONE} candidates", len(numbers))
    twice = sorted({one for one in numbers if numbers.count(one) > 1})
    if twice:
        raise invalid("DONE", "each candidate once", f"number {twice[0]} twice")
    failed = next((one.number for one in candidates if one.error is not None), None)
    if failed is not None:
        raise invalid("DONE", "candidates that were made", f"number {failed}, which failed")


def _check_box(box: Edges, height: int, width: int) -> None:
    x0, y0, x1, y1 = box
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise invalid("DONE_BOX", f"a box within {width}x{height}", list(box))


def _shape_of(box: Edges) -> tuple[int, int, int]:
    x0, y0, x1, y1 = box
    return y1 - y0, x1 - x0, 3
