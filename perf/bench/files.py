"""What `inpaint_file` costs beside its stages, measured on the running server with a 12 MP JPEG."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np
import tritonclient.grpc as triton

from pawfect.contract.errors import from_message
from pawfect.contract.parameters import InpaintFileParams
from pawfect.contract.report import Report
from pawfect.contract.tensors import Array
from pawfect.local import LocalModels
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.deployment import read_deployment
from pawfect.orchestrator.files import INPAINT_FILE, inpaint_file
from pawfect.profile import Profile
from pawfect_triton.probe import infer_inputs
from perf.bench.goals import Goal
from perf.bench.inputs import file_arrays
from perf.bench.served import HOLE_PX, LARGE_SIZE, REQUESTS, timed_ms
from perf.scenes import Scene

# Corner of the hole in the photo, px: on the lawn.
HOLE_AT: Final = (2100, 2500)


def file_goals(url: str, scene: Scene, profile: Profile) -> list[Goal]:
    """Return the goals of serving, of files: reading and writing them are stages of their own.

    Args:
        url: HOST:PORT of gRPC.
        scene: what the photo is made of.
        profile: the server's.

    Raises:
        PawfectError: as the server answers.
    """
    files = large_files(scene)
    walls, locals_ms, reports = [], [], list[Report]()
    client, models = triton.InferenceServerClient(url), LocalModels(profile)

    def through_server() -> None:
        answer = client.infer("inpaint_file", infer_inputs("inpaint_file", files))
        reports.append(Report.from_json(answer.as_numpy("REPORT")[0]))

    def in_process() -> None:
        request, deployment = INPAINT_FILE.decode(files, params), read_deployment(profile)
        control = Control(params.deadline_ms)
        asyncio.run(inpaint_file(request, deployment, models, control))

    params = InpaintFileParams()
    try:
        for _ in range(REQUESTS):
            walls.append(timed_ms(through_server))
            locals_ms.append(timed_ms(in_process))
    except triton.InferenceServerException as error:
        raise from_message(error.message()) from None
    finally:
        client.close()
    return goals_of(walls, locals_ms, [report.stage_ms for report in reports])


def goals_of(
    walls: list[float], locals_ms: list[float], stages: list[Mapping[str, float]]
) -> list[Goal]:
    """Return the goals of requests with a photo of 12 MP.

    Args:
        walls: of each, ms through the server.
        locals_ms: of each, ms of the same in this process.
        stages: of each, ms by stage as the server reports them.
    """
    costs = [wall - sum(ms.values()) for wall, ms in zip(walls, stages, strict=True)]
    wall, cost, local = map(statistics.median, (walls, costs, locals_ms))
    reading, writing = (
        statistics.median(ms[stage] for ms in stages) for stage in ("decode", "encode")
    )
    detail = (
        f"12 MP JPEG, medians of {len(walls)} pairs in turn: {wall:.0f} ms through the server, of "
        f"which {reading:.0f} ms reading, {writing:.0f} ms writing and {cost:.0f} ms beside the "
        f"stages; {local:.0f} ms in process"
    )
    share, per_mp = 100 * cost / local, cost / (LARGE_SIZE[0] * LARGE_SIZE[1] / 1e6)
    name = "serving cost of files"
    return [
        Goal(name, round(share, 1), "% of in-process", "< 15", share < 15, detail),
        Goal(name, round(per_mp, 1), "ms per megapixel", "< 60", per_mp < 60, detail),
    ]


def large_files(scene: Scene) -> dict[str, Array]:
    """Return PHOTO and MASK of the scene at 12 MP, with a hole of 200x200 px."""
    photo = cv2.resize(scene.truth, LARGE_SIZE, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    mask = np.zeros(photo.shape[:2], np.uint8)
    x, y = HOLE_AT
    mask[y : y + HOLE_PX, x : x + HOLE_PX] = 255
    return file_arrays(photo, mask)
