"""The API as one ASGI app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fastapi import FastAPI

from pawfect import __version__
from pawfect_service.api.abilities import Abilities
from pawfect_service.api.audits.audits import Audits
from pawfect_service.api.audits.routes import router as audits_router
from pawfect_service.api.context import ApiContext, RateLimit
from pawfect_service.api.docs_page import router as docs_router
from pawfect_service.api.enqueue import Enqueuer, RequestCounter
from pawfect_service.api.gate import Gate
from pawfect_service.api.labels import LabelTasks
from pawfect_service.api.masks import router as masks_router
from pawfect_service.api.naming import Naming
from pawfect_service.api.openapi import tell_as_it_is
from pawfect_service.api.people.routes import People, add_people
from pawfect_service.api.routes import router
from pawfect_service.api.runs.comparing import router as comparing_router
from pawfect_service.api.runs.events import router as events_router
from pawfect_service.api.runs.files import router as files_router
from pawfect_service.api.runs.routes import router as runs_router
from pawfect_service.api.runs.versions import router as versions_router
from pawfect_service.api.studio import page
from pawfect_service.api.studio.routes import router as studio_router
from pawfect_service.api.usage import router as usage_router
from pawfect_service.consents.forgetting import forgetting
from pawfect_service.http.callers import Authenticator
from pawfect_service.http.failures import add_handlers
from pawfect_service.http.health import add_health
from pawfect_service.http.middleware import UNTOLD, AsItSays, BodyLimit, Crowded, HttpLog
from pawfect_service.jobs.contract import MAX_UPLOAD_BYTES
from pawfect_service.people.deletion import Deletions
from pawfect_service.people.sweeping import keep_sweeping
from pawfect_service.quotas.keeper import QuotaKeeper
from pawfect_service.quotas.limits import Limits, Rules
from pawfect_service.services import Services
from pawfect_service.variants.watched import WatchedVariants

_ABOUT: Final = """
Removes what does not belong in a pet photo: a session is a photo and a mask; follow its job by GET,
by server-sent events (`/events`) or by WebSocket (`/ws`), fetch `edited.jpg`. Cuts the pet out: a
run is a picture and the jobs done to it; fetch `cutout.png`, say how good it is, have it refined.
The page is at `/`.

Every failure is `{"error": {"kind", "message"}}` with a kind of the service's one table of errors.
"""


@dataclass(frozen=True)
class ApiSettings:
    """What an API lets in.

    Attributes:
        authenticators: how callers are known, asked in this order.
        rate: how often each may call, such as "120/minute".
        rate_storage: where that is counted; see `RateLimit`.
        max_body_bytes: longest request body: the photo; masks have next to nothing.
        audits: the folder of audits, which admins' keys may start; None: there are none.
        variants: which users get which variant of a run's jobs; None: there are none.
        rules: the quotas of each user.
        keep_consents_s: how long consent records are kept, s; None: for good.
        page: the folder of the built page.
        keep_days: how long an audit is kept that has ended; None: until somebody deletes it.
    """

    authenticators: Sequence[Authenticator]
    rate: str = "120/minute"
    rate_storage: str = "memory://"
    max_body_bytes: int = MAX_UPLOAD_BYTES
    audits: Path | None = None
    variants: WatchedVariants | None = None
    rules: Rules = field(default_factory=lambda: Rules(Limits()))
    keep_consents_s: float | None = None
    page: Path = page.FOLDER
    keep_days: float | None = None


def create_app(services: Services, settings: ApiSettings) -> FastAPI:
    """Return the app. No CORS: a browser lets no other site's page call it."""
    counter = RequestCounter()
    labels = LabelTasks(services, give_way=counter.idle)
    abilities = Abilities(services.tools.labeller)
    gate = Gate(QuotaKeeper(services.stores, services.sessions, settings.rules), abilities)
    audits = Audits(settings.audits, services) if settings.audits else None
    deletions = Deletions(services, [audits.kept] if audits else [])

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # What this process alone reaches, it alone can sweep; else workers do.
        sweeps = [deletions.sweep, audits.sweep(settings.keep_days)] if audits else []
        if settings.keep_consents_s is not None:
            sweeps.append(forgetting(services.stores.records, settings.keep_consents_s))
        sweeping = asyncio.create_task(keep_sweeping(sweeps))
        yield
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)
        await labels.close()
        if audits:
            await audits.close()

    app = FastAPI(
        title="Pawfect sessions",
        version=__version__,
        description=_ABOUT,
        lifespan=lifespan,
        telemetry=UNTOLD,
        docs_url=None,
        redoc_url=None,
        # A redirection would name the host that the request names.
        redirect_slashes=False,
    )
    app.state.context = ApiContext(
        services,
        Enqueuer(services, labels, counter, gate),
        settings.authenticators,
        RateLimit(settings.rate, settings.rate_storage),
        Naming(services.tools),
        abilities,
        settings.max_body_bytes,
        gate,
        settings.variants,
    )
    app.include_router(router)
    app.include_router(runs_router)
    app.include_router(versions_router)
    app.include_router(files_router)
    app.include_router(events_router)
    app.include_router(comparing_router)
    app.include_router(masks_router)
    # The page's cookie is sent below /api alone.
    for prefix in ("/v1", "/api/v1"):
        app.include_router(usage_router, prefix=prefix)
    app.include_router(studio_router)
    add_people(app, People(services, deletions))
    if audits:
        app.state.audits = audits
        app.include_router(audits_router)
    add_health(app, services.readiness)
    app.include_router(docs_router)
    # Last: it takes every name that is nobody else's.
    app.state.page = settings.page
    app.include_router(page.router)
    add_handlers(app)
    tell_as_it_is(app)
    app.add_middleware(BodyLimit, at_most=settings.max_body_bytes)
    app.add_middleware(Crowded)
    app.add_middleware(AsItSays)
    app.add_middleware(HttpLog)
    return app
