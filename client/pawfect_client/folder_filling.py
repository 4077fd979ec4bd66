"""What `pawfect inpaint` does to each picture of a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

from pawfect.photo.saving import check_quality
from pawfect_client.folder import digest_of, known, name_of
from pawfect_client.folder_command import work_at_folder
from pawfect_client.folder_plan import Picture, plan_folder
from pawfect_client.folder_results import PictureResult
from pawfect_client.one_file import FileRequest, fill_file
from pawfect_client.results import Inpainted
from pawfect_client.summary import remarks


class Service(Protocol):
    """What fills: a client of a server, or the flow in this process."""

    @property
    def inpaint(self) -> Callable[..., Inpainted]:
        """Fill one photo."""
        ...

    def close(self) -> None:
        """Cancel what is in flight."""
        ...


@dataclass(frozen=True)
class FilledPicture(PictureResult):
    """What became of one picture that was to be filled.

    Attributes:
        mask: the mask's name; None where none was found.
        engine: what filled; None where nothing did.
    """

    mask: str | None = None
    engine: str | None = None

    def how(self) -> str:
        """Return how its result was made, for people."""
        return f"filled by {self.engine}"


@dataclass(frozen=True)
class Filling:
    """Fills each picture; see `pawfect_client.folder.Work`.

    Attributes:
        service: what fills.
        asked: the same for each picture.
    """

    service: Service
    asked: FileRequest

    @property
    def verbs(self) -> tuple[str, str]:
        """What it does and what is then done."""
        return "filling", "filled"

    def begun(self, picture: Picture) -> FilledPicture:
        """Return the result of a picture that is still to be filled."""
        assert picture.mask is not None
        own = picture.photo.name, name_of(picture.out)
        return FilledPicture(*own, mask=name_of(picture.mask))

    def request_of(self, picture: Picture) -> str:
        """Return the SHA-256 of photo, mask and all that is asked."""
        assert picture.mask is not None
        return digest_of(asdict(self.asked), (picture.photo, known(picture.mask)))

    def make(self, picture: Picture, out: Path, result: FilledPicture) -> FilledPicture:
        """Fill the picture and write it."""
        assert picture.mask is not None
        mask = known(picture.mask)
        filled = fill_file(self.service.inpaint, picture.photo, mask, out, self.asked)
        told = tuple(remarks(filled, self.asked.request))
        return replace(result, engine=filled.report.engine, remarks=told)

    def close(self) -> None:
        """Cancel what is in flight."""
        self.service.close()


def inpaint_folder(
    service: Service,
    folder: Path,
    masks: Path,
    out: Path,
    asked: FileRequest,
    *,
    in_flight: int,
    quiet: bool,
) -> int:
    """Fill a folder's pictures, see `work_at_folder`; return the exit code.

    Args:
        service: what fills.
        folder: the pictures.
        masks: their masks.
        out: where the results go, with a file of what became of each.
        asked: the same for each picture.
        in_flight: pictures at a time.
        quiet: whether nothing is said but what failed.

    Raises:
        PawfectError: INVALID_ARG for folders that cannot be read or written to; see `plan_folder`
            and `ResultLog`.
    """
    if asked.kind is not None:
        check_quality(asked.quality, asked.kind)
    plan = plan_folder(folder, masks, out, asked.kind)
    return work_at_folder(Filling(service, asked), plan, out, in_flight=in_flight, quiet=quiet)
