"""Commands of the pages that no test runs, and why: each is held to its program instead.

A new command on a page is run by a test (`tests.docs.pages.runs`), or gets a line here.
`tests/docs/programs.py` says what is looked at.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final


class Why(enum.Enum):
    """Why a command is not run by the tests."""

    HUB = "fetches from a hub or a registry, or takes what was fetched there"
    LICENCE = "asks about a licence"
    NETWORKS = (
        "needs networks that only a user can fetch: SAM3, faces for research, models that edit"
    )
    CARD = "needs a card"
    MINUTES = "takes minutes; what it starts has tests of its own"
    SERVES = "runs until it is ended, on fixed ports; the tests start it on free ones"
    DOCKER = "needs Docker's engine"
    CLOUD = "needs an account at a cloud"


HELD: Final[Mapping[str, Mapping[str, Why]]] = MappingProxyType(
    {
        "README.md": {
            "make demo": Why.MINUTES,
            "make studio": Why.SERVES,
            "make test": Why.MINUTES,
        },
        "deploy/README.md": {
            "pawfect weights fetch t4 u2netp": Why.HUB,
            "docker build -f Dockerfile.triton --target gpu -t pawfect .": Why.DOCKER,
            "docker run --gpus all --shm-size=3g --stop-timeout=700 --read-only --tmpfs /tmp -p "
            '8001:8001 -e PAWFECT_PROFILE=t4 -v "$PWD/weights:/weights:ro" pawfect': Why.DOCKER,
            "docker compose -f deploy/compose.yaml up --build": Why.DOCKER,
            "docker compose -f deploy/compose.yaml logs key": Why.DOCKER,
            "pawfect probe --url 10.0.0.5:8001 --profile t4 --timeout 60 --strict": Why.CARD,
            "docker build -f Dockerfile.service -t pawfect-service .": Why.DOCKER,
            'docker run --read-only --tmpfs /tmp -p 8080:8080 -v "$PWD/keys:/keys:ro" '
            "pawfect-service api --host 0.0.0.0 --store google:PROJECT/BUCKET/TOPIC --triton "
            "10.0.0.5:8001 --api-keys /keys/api-keys": Why.DOCKER,
            "make docker-check": Why.MINUTES,
            "make docker-check CPU=1": Why.MINUTES,
        },
        "docs/architecture.md": {
            "make lint": Why.MINUTES,
            "make test": Why.MINUTES,
            "make bench PROFILE=tiny": Why.MINUTES,
        },
        "docs/fuzzing.md": {
            "make fuzz SECONDS=600": Why.MINUTES,
            "make fuzz SECONDS=3600 TARGET=photo": Why.MINUTES,
        },
        "docs/people-data.md": {"pawfect worker --keep-days 90": Why.SERVES},
        "docs/calling.md": {
            ".venv/bin/pawfect inpaint dog.jpg --remove leash --remove hand --out filled.jpg": (
                Why.NETWORKS
            ),
            ".venv/bin/pawfect mask dog.jpg --find leash --out mask.png": Why.NETWORKS,
        },
        "docs/engines.md": {".venv/bin/pawfect weights fetch embedded": Why.HUB},
        "docs/face-analysis.md": {
            "pawfect weights add buffalo_l det_10g.onnx 2d106det.onnx w600k_r50.onnx": Why.HUB,
            "pawfect weights fetch buffalo_l": Why.LICENCE,
            "pawfect weights fetch dlib-face-embedding && pip install --no-deps --require-hashes "
            "-r requirements/dlib.txt": Why.HUB,
        },
        "docs/judges.md": {
            "pip install 'pawfect[judges]'": Why.HUB,
            "pip install --no-deps -r requirements/moondream.txt": Why.HUB,
        },
        "docs/operate.md": {
            "pawfect serve --profile embedded --no-http --health-port 8003": Why.SERVES,
        },
        "docs/page.md": {
            "make studio": Why.SERVES,
            "make page": Why.MINUTES,
            "make page-test": Why.MINUTES,
        },
        "docs/prove.md": {
            "make prove PROFILE=t4": Why.CARD,
            "make prove PROFILE=t4 SESSION=D1A406F5": Why.CARD,
            "make prove PROFILE=h200 ENGINE=klein": Why.CARD,
            "make prove PROFILE=tiny": Why.MINUTES,
        },
        "docs/search.md": {
            "pawfect search park.jpg face.png --proposer edit --reference rex.jpg --character Rex "
            "--output-dir found/": Why.NETWORKS,
        },
        "docs/sessions.md": {
            "make sessions": Why.SERVES,
            "pawfect worker --store google:PROJECT/BUCKET/TOPIC --triton HOST:PORT --push --port "
            "8090 --make-topics --push-endpoint https://WORKER/v1/worker/push --push-audience "
            "WORKER --push-email ACCOUNT": Why.CLOUD,
            ".venv/bin/pawfect api --store STORE --triton HOST:PORT --api-keys FILE": Why.SERVES,
            ".venv/bin/pawfect worker --store STORE --triton HOST:PORT --jobs 2": Why.SERVES,
            "pawfect api --store STORE --triton HOST:PORT --api-keys FILE --audits FOLDER": (
                Why.SERVES
            ),
            'A="-H x-api-key:KEY $S/audit"': Why.MINUTES,
            'curl -d \'{"parameters": {"matrix": "tiny_short"}}\' -H '
            "content-type:application/json $A": Why.MINUTES,
            "curl $A": Why.MINUTES,
            "curl -X DELETE $A": Why.MINUTES,
        },
        "docs/swap.md": {
            ".venv/bin/pawfect swap walk.jpg anna.jpg --consent -o swapped/": Why.NETWORKS,
            ".venv/bin/pawfect swap walk.jpg anna.jpg --mask him.png --consent -o swapped/": (
                Why.NETWORKS
            ),
            ".venv/bin/pawfect weights fetch buffalo_l inswapper_128": Why.LICENCE,
            ".venv/bin/pawfect weights add inswapper_128 ~/Downloads/inswapper_128.onnx": Why.HUB,
            "PAWFECT_ALLOW_NONCOMMERCIAL=false pawfect serve": Why.SERVES,
        },
        "docs/t4.md": {
            "pawfect weights fetch t4": Why.HUB,
            "pawfect weights fetch t4-klein": Why.HUB,
            "pawfect weights quantise flux-fill-dev-turbo-int4 --fresh": Why.HUB,
            "make setup-perf": Why.HUB,
            ".venv/bin/pawfect audit run --matrix tiny --out build/audit-tiny": Why.MINUTES,
            ".venv/bin/pawfect audit approve --run build/audit-tiny": Why.MINUTES,
            ".venv/bin/pawfect audit run --matrix tiny-klein --out build/audit-tiny-klein": (
                Why.MINUTES
            ),
            ".venv/bin/pawfect audit compile --profile tiny": Why.MINUTES,
            ".venv/bin/pawfect audit attention --profile tiny-all --engine edit": Why.MINUTES,
        },
        "docs/tune.md": {
            f"make {target}": Why.MINUTES
            for target in (
                "bench PROFILE=embedded", "quality", "fill-cost", "matting", "footprint", "scaling",
                "load", "t4",
            )
        },
        "docs/weights.md": {
            ".venv/bin/pawfect weights fetch t4": Why.HUB,
            ".venv/bin/pawfect weights add sam3 ~/Downloads/sam3": Why.HUB,
            ".venv/bin/pawfect weights fetch embedded": Why.HUB,
        },
        "docs/words.md": {
            ".venv/bin/pawfect mask dog.jpg --find leash --out mask.png": Why.NETWORKS,
            ".venv/bin/pawfect inpaint dog.jpg --remove leash --remove hand --out filled.jpg": (
                Why.NETWORKS
            ),
        },
    }
)  # fmt: skip
