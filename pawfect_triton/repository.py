"""The model repository of one run: exactly the profile's models, from both source folders."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

SOURCES = ("model_repository", "ensemble")


def source_folders() -> tuple[Path, ...]:
    """Return the folders that hold the models: of the source tree, else of the installed package.

    Raises:
        FileNotFoundError: neither is there.
    """
    package = Path(__file__).resolve().parent
    for root in (package.parent, package / "repositories"):
        folders = tuple(root / name for name in SOURCES)
        if all(folder.is_dir() for folder in folders):
            return folders
    raise FileNotFoundError(f"no {' and '.join(SOURCES)} beside the package or in it")


def gather(models: Iterable[str], folder: Path) -> None:
    """Link the models into one repository folder.

    With model control off a server loads all that its repository holds, so it gets only these.

    Args:
        models: names of model folders.
        folder: the repository to make; must not exist.

    Raises:
        FileNotFoundError: a model has no folder.
    """
    sources = source_folders()
    folder.mkdir()
    for model in models:
        found = next((root / model for root in sources if (root / model).is_dir()), None)
        if found is None:
            raise FileNotFoundError(
                f"model {model}: no folder of that name in {', '.join(SOURCES)}"
            )
        (folder / model).symlink_to(found, target_is_directory=True)
