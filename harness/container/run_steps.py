"""Run a Dockerfile's steps without Docker, then start what they made and try it.

    python -m harness.container.run_steps [--target cpu] [--profile embedded]
    python -m harness.container.run_steps --dockerfile Dockerfile.service

What it does: a fresh folder stands for the image's root (see `harness.container.image`). Then the
image's own ENTRYPOINT starts on free ports. Of Dockerfile.triton's, HTTP must be off, one picture
is filled through the installed client, the HEALTHCHECK and a probe of every model run. Of
Dockerfile.service's, API and worker listen on PORT, tell how they are, show the page, and let
nobody in who is not known. SIGTERM must end each with 0.

What it does not show: anything of the base image. Its place is taken by this machine's Python
(3.11 or 3.12), for the page by its Node, and, for the server, by that of the nvidia-pytriton wheel
(requirements/tritonserver.txt), which is older. The steps run as whoever calls; what they made is
started as USER with its files read-only where the kernel lets root do that, and it says where not.
Layers, limits, the GPU and the network's shape are not tried. `docker build` on a machine that has
Docker remains the last word.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from harness.container import server, service
from harness.container.dockerfile import DockerfileError
from harness.container.image import CONTEXT, StepError, build
from harness.process import ProcessError


@click.command()
@click.option(
    "--dockerfile",
    type=click.Choice([server.DOCKERFILE, service.DOCKERFILE]),
    default=server.DOCKERFILE,
    show_default=True,
)
@click.option("--target", help="Stage to make.  [default: the last]")
@click.option("--build-arg", "given", multiple=True, metavar="NAME=VALUE")
@click.option("--profile", default="embedded", show_default=True, help="Of Dockerfile.triton's.")
def main(dockerfile: str, target: str | None, given: tuple[str, ...], profile: str) -> None:
    """Run the Dockerfile's steps and say what was and was not shown."""
    arguments = dict(item.split("=", 1) for item in given)
    with tempfile.TemporaryDirectory(prefix="pawfect-image-") as folder:
        # USER is somebody else, who may go in.
        Path(folder).chmod(0o755)
        try:
            text = (CONTEXT / dockerfile).read_text("utf-8")
            image = build(text, Path(folder), arguments, dockerfile, target)
            if dockerfile == server.DOCKERFILE:
                server.try_server(image, profile)
            else:
                service.try_service(image)
        except (DockerfileError, StepError, ProcessError) as error:
            raise click.ClickException(f"{dockerfile}: {error}") from None
    notes = "".join(f"\n- {note}" for note in image.notes)
    click.echo(f"every step ran, and what they made served a request. Not shown:{notes}")


if __name__ == "__main__":
    main()
