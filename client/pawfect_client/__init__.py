"""Client of the inpainting service: a photo and a mask in, the photo with that area filled out.

Programs that already speak Triton need none of it: the contract is in `pawfect.contract.tensors`.
"""

from pawfect.contract.candidates import FoundCandidate
from pawfect.contract.capabilities import Capabilities, Capability
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect.contract.faces import Face
from pawfect.contract.reading import ReadText
from pawfect.photo.mask_file import decode_mask, decode_protect, load_mask, load_protect
from pawfect.photo.photo import Photo, decode_photo, load_photo
from pawfect.photo.saving import encode_photo, save_photo
from pawfect_client.client import AsyncPawfectClient, PawfectClient
from pawfect_client.local import LocalClient
from pawfect_client.photos import cutout_photo, inpaint_photo
from pawfect_client.results import (
    CutOut,
    Done,
    FacesFound,
    FoundMasks,
    Inpainted,
    Refined,
    SceneLabels,
    SearchResult,
    StageEvent,
    TextRead,
)
from pawfect_client.retry import RetryPolicy

__all__ = [
    "AsyncPawfectClient",
    "Capabilities",
    "Capability",
    "CutOut",
    "Done",
    "ErrorKind",
    "Face",
    "FacesFound",
    "FoundCandidate",
    "FoundMasks",
    "Inpainted",
    "LocalClient",
    "PawfectClient",
    "PawfectError",
    "Photo",
    "ReadText",
    "Refined",
    "RetryPolicy",
    "SceneLabels",
    "SearchResult",
    "StageEvent",
    "TextRead",
    "cutout_photo",
    "decode_mask",
    "decode_photo",
    "decode_protect",
    "encode_photo",
    "inpaint_photo",
    "load_mask",
    "load_photo",
    "load_protect",
    "save_photo",
]
