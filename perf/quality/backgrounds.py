"""The pictures behind the objects: one function per background, UINT8 [H,W,3] RGB each."""

from collections.abc import Callable

import numpy as np

from perf.quality import materials, surfaces
from perf.quality.light import Field, Pixels, Random, colour, develop, mix, octaves
from perf.quality.pictures import graded, lawn_into_blur, out_of_focus, packaged, photo_light


def _grass(rng: Random) -> Field:
    return graded(
        rng,
        packaged("grass"),
        colour(22, 30, 14),
        colour(84, 108, 46),
        colour(176, 186, 112),
        colour(196, 172, 106),
    )


def _grass_dry(rng: Random) -> Pixels:
    light = graded(
        rng,
        np.ascontiguousarray(packaged("grass")[::-1].transpose(1, 0, 2)),
        colour(40, 32, 20),
        colour(140, 122, 76),
        colour(214, 198, 150),
        colour(120, 140, 66),
    )
    return develop(rng, light)


def _gravel(rng: Random) -> Pixels:
    tones = (colour(24, 24, 26), colour(112, 110, 110), colour(206, 202, 198))
    return develop(rng, graded(rng, packaged("gravel"), *tones, colour(178, 160, 138)))


def _gravel_warm(rng: Random) -> Pixels:
    turned = np.ascontiguousarray(packaged("gravel")[:, ::-1])
    tones = (colour(34, 26, 20), colour(142, 120, 100), colour(222, 204, 184))
    return develop(rng, graded(rng, turned, *tones, colour(150, 146, 150)))


def _brick(rng: Random) -> Pixels:
    tones = (colour(52, 30, 26), colour(134, 74, 58), colour(206, 188, 172))
    return develop(rng, graded(rng, packaged("brick"), *tones, colour(160, 112, 90)))


def _camera(rng: Random) -> Pixels:
    grey = packaged("camera")[..., 0].astype(np.float32) / 255
    tinted = np.stack([grey**0.92, grey**1.0, grey**1.14], axis=-1)
    return np.asarray(np.round(tinted * 255), np.uint8)


def _wall(rng: Random) -> Pixels:
    light = surfaces.linear_gradient(
        (512, 640), colour(226, 214, 196), colour(150, 140, 134), 24, 1.2
    )
    return develop(rng, light, 1.2)


def _fence(rng: Random) -> Pixels:
    shape = (576, 768)
    bushes = mix(
        0.5 + 0.3 * octaves(rng, shape, 70, 5, 0.7), colour(94, 128, 58), colour(20, 34, 16)
    )
    return develop(rng, materials.fence(rng, shape, out_of_focus(bushes, 8)))


def _backdrop_photo(rng: Random) -> Pixels:
    # The mottled studio cloth behind the astronaut, head and shuttle included, at native size.
    return np.ascontiguousarray(packaged("astronaut")[:384])


BACKGROUNDS: dict[str, Callable[[Random], Pixels]] = {
    "grass": lambda rng: develop(rng, _grass(rng)),
    "grass_dry": _grass_dry,
    "gravel": _gravel,
    "gravel_warm": _gravel_warm,
    "sand": lambda rng: develop(rng, surfaces.sand(rng, (576, 768))),
    "asphalt": lambda rng: develop(rng, surfaces.asphalt(rng, (576, 768))),
    "rug": lambda rng: develop(rng, surfaces.rug(rng, (512, 640)), 1.2),
    "wall": _wall,
    "plaster": lambda rng: develop(rng, surfaces.plaster(rng, (640, 640), colour(214, 210, 198))),
    "backdrop": lambda rng: develop(
        rng, surfaces.backdrop(rng, (512, 512), colour(134, 146, 160), colour(44, 50, 62)), 1.4
    ),
    "sky": lambda rng: develop(rng, surfaces.sky(rng, (512, 768)), 0.8),
    "rocket": lambda rng: packaged("rocket"),
    "flower": lambda rng: packaged("flower"),
    "china_blurred": lambda rng: develop(rng, out_of_focus(photo_light("china"), 11, lift=0.0)),
    "coffee_blurred": lambda rng: develop(rng, out_of_focus(photo_light("coffee"), 7), 1.2),
    "lawn_falloff": lambda rng: develop(rng, lawn_into_blur(_grass(rng), 1.9, 9)),
    "backdrop_photo": _backdrop_photo,
    "brick": _brick,
    "planks": lambda rng: develop(
        rng, surfaces.floor(rng, (576, 768), materials.planks, turn_deg=62)
    ),
    "parquet": lambda rng: develop(
        rng, surfaces.floor(rng, (960, 1280), materials.parquet, far=2.0, turn_deg=-24)
    ),
    "tiles": lambda rng: develop(
        rng, surfaces.floor(rng, (576, 768), materials.tiles, far=1.8, turn_deg=14)
    ),
    "paving": lambda rng: develop(
        rng, surfaces.floor(rng, (576, 768), materials.paving, far=2.0, turn_deg=-8)
    ),
    "fence": _fence,
    "coffee": lambda rng: packaged("coffee"),
    "china": lambda rng: packaged("china"),
    "chelsea": lambda rng: packaged("chelsea"),
    "camera": _camera,
}
