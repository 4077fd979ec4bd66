"""What `pawfect cutout` does to each picture of a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pawfect.photo.cutting import format_of
from pawfect.photo.saving import check_holds_transparency, check_quality
from pawfect_client.cut_file import CutFileRequest, cut_file
from pawfect_client.cut_summary import cut_remarks
from pawfect_client.folder import digest_of, name_of
from pawfect_client.folder_command import work_at_folder
from pawfect_client.folder_plan import Picture, plan_folder
from pawfect_client.folder_results import PictureResult
from pawfect_client.results import CutOut


class Service(Protocol):
    """What cuts out: a client of a server, or the flow in this process."""

    @property
    def background_removal(self) -> Callable[..., CutOut]:
        """Cut the subject out of one photo."""
        ...

    def close(self) -> None:
        """Cancel what is in flight."""
        ...


@dataclass(frozen=True)
class CutPicture(PictureResult):
    """What became of one picture that was to be cut out.

    Attributes:
        network: which one looked; None where none did, like the others.
        subject_found: whether it found a subject.
        confidence: how sure it was, 0 to 1.
        subject_share: share of the photo that is the subject, 0 to 1.
    """

    network: str | None = None
    subject_found: bool | None = None
    confidence: float | None = None
    subject_share: float | None = None

    def how(self) -> str:
        """Return how its result was made, for people."""
        found = "cut out" if self.subject_found else "no subject found"
        return f"{found} by {self.network}"


@dataclass(frozen=True)
class Cutting:
    """Cuts each picture out; see `pawfect_client.folder.Work`.

    Attributes:
        service: what does it.
        asked: the same for each picture.
    """

    service: Service
    asked: CutFileRequest

    @property
    def verbs(self) -> tuple[str, str]:
        """What it does and what is then done."""
        return "cutting out", "cut out"

    def begun(self, picture: Picture) -> CutPicture:
        """Return the result of a picture that is still to be cut out."""
        return CutPicture(picture.photo.name, name_of(picture.out))

    def request_of(self, picture: Picture) -> str:
        """Return the SHA-256 of the photo, the background and all that is asked."""
        return digest_of(self.asked.told(), (picture.photo,))

    def make(self, picture: Picture, out: Path, result: CutPicture) -> CutPicture:
        """Cut the picture out and write it."""
        cut = cut_file(self.service.background_removal, picture.photo, out, self.asked)
        report = cut.report
        return replace(
            result,
            network=report.network,
            subject_found=report.subject_found,
            confidence=report.confidence,
            subject_share=report.subject_share,
            remarks=tuple(cut_remarks(cut)),
        )

    def close(self) -> None:
        """Cancel what is in flight."""
        self.service.close()


def cutout_folder(
    service: Service,
    folder: Path,
    out: Path,
    asked: CutFileRequest,
    *,
    in_flight: int,
    quiet: bool,
) -> int:
    """Cut a folder's pictures out, see `work_at_folder`; return the exit code.

    Args:
        service: what does it.
        folder: the pictures.
        out: where the results go, with a file of what became of each.
        asked: the same for each picture.
        in_flight: pictures at a time.
        quiet: whether nothing is said but what failed.

    Raises:
        PawfectError: INVALID_ARG for folders that cannot be read or written to; see `plan_folder`
            and `ResultLog`.
    """
    # What is laid on something has its photo's own format.
    kind = asked.kind or ("PNG" if format_of("JPEG", asked.output, None) == "PNG" else None)
    if kind is not None:
        check_quality(asked.quality, kind)
        if asked.output == "rgba":
            check_holds_transparency(kind, "format")
    plan = plan_folder(folder, None, out, kind)
    return work_at_folder(Cutting(service, asked), plan, out, in_flight=in_flight, quiet=quiet)
