"""Compiled code kept on disk, which may be full, and what is kept there damaged."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache


class KeptCode(FunctionCache):
    """numba's cache of one function, without which it is compiled anew.

    numba itself lets no function run whose code cannot be read or written.

    Raises:
        RuntimeError: there is no folder to keep code in.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]

    def load_overload(self, *key: Any) -> Any:
        """Return the code for some types; None where there is none of use, which is dropped."""
        try:
            return super().load_overload(*key)  # type: ignore[no-untyped-call]
        except Exception:  # noqa: BLE001 - a damaged pickle fails in any way
            with contextlib.suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call]
            return None

    def save_overload(self, *code: Any) -> None:
        """Keep the code for some types, if there is room."""
        with contextlib.suppress(Exception):
            super().save_overload(*code)  # type: ignore[no-untyped-call]


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile when first called, and keep the code where the package or the user's cache lets it.

    Where neither can be written, the code is compiled anew in each process.
    """
    made = njit(nogil=True)(function)
    with contextlib.suppress(RuntimeError):
        vars(made)["_cache"] = KeptCode(function)
    return made
