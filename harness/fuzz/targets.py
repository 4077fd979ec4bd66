"""All readers of bytes under fuzz, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from harness.fuzz.payloads import PAYLOADS
from harness.fuzz.pictures import PICTURES
from harness.fuzz.stored_files import STORED_FILES
from harness.fuzz.target import Target

TARGETS: Final[Mapping[str, Target]] = MappingProxyType(
    {target.name: target for target in (*PICTURES, *PAYLOADS, *STORED_FILES)}
)
