"""The same flow without a server: the models as plain function calls in threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from pawfect.contract.cutout import CutoutParams
from pawfect.contract.errors import ErrorKind, PawfectError, from_exception
from pawfect.contract.faces import Face, FaceReport, read_faces
from pawfect.contract.parameters import InpaintParams, Scalar
from pawfect.contract.reading import ReadingReport, ReadText, read_texts_of
from pawfect.contract.tensors import Array
from pawfect.matting.ahead import compile_ahead
from pawfect.models import MODELS
from pawfect.orchestrator.calls import Scalars
from pawfect.orchestrator.control import Control
from pawfect.orchestrator.cutout import CutoutResult, remove_background
from pawfect.orchestrator.deployment import read_deployment
from pawfect.orchestrator.flow import inpaint
from pawfect.orchestrator.removal import CutoutRequest, read_removal
from pawfect.orchestrator.request import InpaintRequest, InpaintResult, Notify, Progress
from pawfect.profile import Profile, ProfileError, load_profile
from pawfect.serving import Function, load_function
from pawfect.stop import Stop, never
from pawfect.weights.store import Store, weights_root


class LocalModels:
    """Calls models in this process, each in a thread.

    Args:
        profile: its models are loaded when they are first called; None: the default one.
    """

    def __init__(self, profile: Profile | None = None) -> None:
        self._profile = profile or load_profile()
        self._loaded: dict[str, Function] = {}
        self._lock = threading.Lock()

    async def __call__(
        self, model: str, inputs: Mapping[str, Array], parameters: Scalars
    ) -> dict[str, Array]:
        """Return the model's outputs by name; see `CallModel`.

        Cancelled, it has a model that can be stopped stop.
        """
        over = threading.Event()
        try:
            return await asyncio.to_thread(self.run, model, inputs, parameters, over.is_set)
        finally:
            over.set()

    def load_plain(self) -> None:
        """Load the profile's models without weights: their code is compiled by then."""
        for name in self._profile.models:
            if MODELS[name].function:
                self._function(name)

    def run(
        self,
        model: str,
        inputs: Mapping[str, Array],
        parameters: Mapping[str, Scalar],
        stop: Stop = never,
    ) -> dict[str, Array]:
        """Return the model's outputs by name, in the caller's own thread."""
        function = self._function(model)
        try:
            return function(inputs, parameters, stop)
        except Exception as error:
            # As the server's models answer: callers know the table of errors only.
            failure = from_exception(error, model)
            if failure is error:
                raise
            raise failure from error

    def _function(self, model: str) -> Function:
        with self._lock:
            if model not in self._loaded:
                self._loaded[model] = self._load(model)
            return self._loaded[model]

    def _load(self, model: str) -> Function:
        if model not in self._profile.models:
            raise PawfectError(ErrorKind.UNAVAILABLE, f"{model}: not in the profile")
        return load_function(model, self._profile, Store(weights_root()))


class LocalFlow:
    """The flow of `inpaint` in this process; safe to use from several threads.

    Args:
        profile: None: the one of PAWFECT_PROFILE, else `embedded`.

    Raises:
        PawfectError: UNAVAILABLE where there is no such profile.
    """

    def __init__(self, profile: Profile | None = None) -> None:
        self._deployment = read_deployment(profile_of(profile))
        self._models = LocalModels(self._deployment.profile)

    def inpaint(
        self,
        image: NDArray[np.uint8],
        mask: NDArray[np.uint8],
        parameters: Mapping[str, Scalar],
        *,
        protect: NDArray[np.uint8] | None = None,
        scene_labels: tuple[str, ...] = (),
        prompt: str | None = None,
        stop: Stop = never,
        notify: Callable[[Progress], None] | None = None,
    ) -> InpaintResult:
        """Fill what the mask covers, with the pixels that the server would give.

        Args:
            image: UINT8 [H, W, 3] RGB.
            mask: UINT8 [H, W], >= 128 = fill.
            parameters: the request's scalars, as in `InpaintParams`.
            protect: UINT8 [H, W] or None, >= 128 = never filled.
            scene_labels: surfaces around the hole.
            prompt: text for FLUX or None.
            stop: asked often; once it is true, the work ends with CANCELLED.
            notify: takes each stage as it ends.

        Raises:
            PawfectError: as `pawfect.orchestrator.flow.inpaint` does.
        """
        params = InpaintParams.parse(parameters)
        request = InpaintRequest(image, mask, params, protect, scene_labels, prompt)
        # As on a server, no request's deadline pays for it.
        self._models.load_plain()
        control = Control(params.deadline_ms, stop)
        work = inpaint(request, self._deployment, self._models, control, told_by(notify))
        return asyncio.run(work)


class LocalRemoval:
    """The flow of `background_removal` in this process; safe to use from several threads.

    Args:
        profile: None: the one of PAWFECT_PROFILE, else `embedded`.

    Raises:
        PawfectError: UNAVAILABLE where there is no such profile.
    """

    def __init__(self, profile: Profile | None = None) -> None:
        self._removal = read_removal(profile_of(profile))
        self._models = LocalModels(self._removal.profile)

    def remove_background(
        self,
        image: NDArray[np.uint8],
        parameters: Mapping[str, Scalar],
        *,
        background: NDArray[np.uint8] | None = None,
        stop: Stop = never,
        notify: Callable[[Progress], None] | None = None,
    ) -> CutoutResult:
        """Cut the subject out, with the pixels that the server would give.

        Args:
            image: UINT8 [H, W, 3] RGB.
            parameters: the request's scalars, as in `CutoutParams`.
            background: UINT8 [h, w, 3] RGB of any size, or None.
            stop: asked often; once it is true, the work ends with CANCELLED.
            notify: takes each stage as it ends.

        Raises:
            PawfectError: as `pawfect.orchestrator.cutout.remove_background` does.
        """
        params = CutoutParams.parse(parameters)
        request = CutoutRequest(image, params, background)
        # As on a server, no request's deadline pays for it.
        compile_ahead()
        control = Control(params.deadline_ms, stop)
        work = remove_background(request, self._removal, self._models, control, told_by(notify))
        return asyncio.run(work)


class LocalReading:
    """`text_reading` in this process; safe to use from several threads.

    Args:
        profile: None: the one of PAWFECT_PROFILE, else `embedded`.

    Raises:
        PawfectError: UNAVAILABLE where there is no such profile.
    """

    def __init__(self, profile: Profile | None = None) -> None:
        self._models = LocalModels(profile_of(profile))

    def read_text(
        self,
        image: NDArray[np.uint8],
        parameters: Mapping[str, Scalar],
        *,
        stop: Stop = never,
        notify: Callable[[Progress], None] | None = None,
    ) -> tuple[tuple[ReadText, ...], ReadingReport]:
        """Read what is written in a photo, as the server would.

        Args:
            image: UINT8 [H, W, 3] RGB.
            parameters: the request's scalars, as in `ReadingParams`.
            stop: asked often; once it is true, the work ends with CANCELLED.
            notify: of no use here.

        Returns:
            The texts in reading order, and how they came about.

        Raises:
            PawfectError: UNAVAILABLE without the weights or RapidOCR, with what mends it;
                INVALID_ARG, DEADLINE, CANCELLED or OUT_OF_MEMORY.
        """
        del notify
        out = self._models.run("text_reading", {"IMAGE": image}, parameters, stop)
        return read_texts_of(out), ReadingReport.from_json(out["REPORT"][0])


class LocalFaces:
    """`face_analysis` in this process; safe to use from several threads.

    Args:
        profile: None: the one of PAWFECT_PROFILE, else `embedded`.

    Raises:
        PawfectError: UNAVAILABLE where there is no such profile.
    """

    def __init__(self, profile: Profile | None = None) -> None:
        self._models = LocalModels(profile_of(profile))

    def find_faces(
        self,
        image: NDArray[np.uint8],
        parameters: Mapping[str, Scalar],
        *,
        stop: Stop = never,
        notify: Callable[[Progress], None] | None = None,
    ) -> tuple[tuple[Face, ...], FaceReport]:
        """Find the faces of a photo, as the server would.

        Args:
            image: UINT8 [H, W, 3] RGB.
            parameters: the request's scalars, as in `FaceParams`.
            stop: asked often; once it is true, the work ends with CANCELLED.
            notify: of no use here.

        Returns:
            The faces, the surest first, and how they came about.

        Raises:
            PawfectError: UNAVAILABLE without any of the profile's networks, with what mends it;
                INVALID_ARG, DEADLINE, CANCELLED or OUT_OF_MEMORY.
        """
        del notify
        out = self._models.run("face_analysis", {"IMAGE": image}, parameters, stop)
        return read_faces(out), FaceReport.from_json(out["REPORT"][0])


def profile_of(given: Profile | None) -> Profile:
    """Return a profile, or that of PAWFECT_PROFILE; UNAVAILABLE where there is no such."""
    try:
        return given or load_profile()
    except ProfileError as error:
        raise PawfectError(ErrorKind.UNAVAILABLE, str(error)) from None


def told_by(notify: Callable[[Progress], None] | None) -> Notify:
    """Return what tells of progress as a flow does; None: nobody is told."""

    async def told(progress: Progress) -> None:
        if notify is not None:
            notify(progress)

    return told


def inpaint_local(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    *,
    protect: NDArray[np.uint8] | str | None = None,
    profile: Profile | None = None,
    **parameters: Scalar,
) -> InpaintResult:
    """Fill one photo; see `LocalFlow.inpaint`, which keeps what it loaded for the next.

    As for the clients, `protect` is a mask or the parameter of that name.
    """
    if isinstance(protect, str):
        parameters["protect"], protect = protect, None
    return LocalFlow(profile).inpaint(image, mask, parameters, protect=protect)
