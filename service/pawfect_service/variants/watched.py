"""The variants' file of a running API: read anew when it changes, without a restart."""

from __future__ import annotations

from pathlib import Path

from pawfect_service.variants.file import Variants, load_variants
from pawfect_service.watched import WatchedFile


class WatchedVariants(WatchedFile[Variants]):
    """What a file says now. Each process looks for itself, at each job that it queues.

    Args:
        path: of the file.

    Raises:
        PawfectError: INVALID_ARG as `load_variants` says.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, load_variants, "variants")
