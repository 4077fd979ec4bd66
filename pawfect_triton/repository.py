"""The model repository of one run: exactly the profile's models, from both source folders."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from pawfect.models import MODELS
from pawfect.profile import Profile
from pawfect.settings import FluxSettings

SOURCES = ("model_repository", "ensemble")
CONFIG = "config.pbtxt"


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


def gather(profile: Profile, folder: Path) -> None:
    """Put a profile's models into one repository folder.

    With model control off a server loads all that its repository holds, so it gets only these.
    What a model folder holds is linked; a configuration that depends on the profile, in its warm-up
    or its number of instances, is written anew.

    Args:
        profile: names the models, and the widths of its weights.
        folder: the repository to make; must not exist.

    Raises:
        FileNotFoundError: a model has no folder.
    """
    sources = source_folders()
    folder.mkdir()
    for model in profile.models:
        found = next((root / model for root in sources if (root / model).is_dir()), None)
        if found is None:
            raise FileNotFoundError(
                f"model {model}: no folder of that name in {', '.join(SOURCES)}"
            )
        own = folder / model
        own.mkdir()
        for part in found.iterdir():
            (own / part.name).symlink_to(part, target_is_directory=part.is_dir())
        # An ensemble has a version and no files, which a source tree or a wheel may leave out.
        (own / "1").mkdir(exist_ok=True)
        _fit(own / CONFIG, profile)


def _fit(path: Path, profile: Profile) -> None:
    """Give a model's warm-up the widths of the profile's weights, and a batched one its cards."""
    config = text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())
    model = MODELS[config.name]
    settings = profile.chain(model.settings or "")
    if settings is None:
        return
    if model.batched:
        config.instance_group[0].count = settings.gpus
    widths = {"PROMPT_EMBEDS": [settings.text_tokens, settings.text_width]}
    if isinstance(settings, FluxSettings):
        widths["POOLED"] = [settings.pooled_width]
    for sample in config.model_warmup:
        for name, dims in widths.items():
            if name in sample.inputs:
                sample.inputs[name].dims[:] = dims
    path.unlink()
    path.write_text(text_format.MessageToString(config))
