"""What an audit's folder holds of its last run, and its report: one HTML page with the pictures."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from google.auth.exceptions import GoogleAuthError
from google.cloud.exceptions import GoogleCloudError
from google.cloud.storage import Client
from google.oauth2.service_account import Credentials

from pawfect.contract.files import write_whole
from perf.audit.axes import AXES, SOME_HAVE
from perf.audit.cells import Cell, Setting
from perf.audit.choice import RULE, Choice, choose, loss_of
from perf.audit.journal import NAME, AuditError, Record, read_journal
from perf.pages import render

HTML: Final = "audit.html"
TEMPLATE: Final = Path(__file__).with_name("page.html.j2")
SCORES: Final = ("st_lpips", "seam_off", "sharpness", "strange")
EMULATOR_VARIABLE: Final = "STORAGE_EMULATOR_HOST"
# How long links hold: the longest that V4 allows.
LINKS_HOLD: Final = timedelta(days=7)


@dataclass(frozen=True)
class Run:
    """The last run of an audit's folder.

    Attributes:
        note: what the run said of itself: profile, sessions, provenance.
        cells: of the matrix, in its order.
        records: by cell identity.
        choice: the settings, best first.
    """

    note: Mapping[str, Any]
    cells: Sequence[Cell]
    records: Mapping[str, Record]
    choice: Choice

    @property
    def rows(self) -> list[Record]:
        """The records in the order of the cells."""
        return [self.records[c.identity] for c in self.cells if c.identity in self.records]


def read_run(folder: Path) -> Run:
    """Read the last run of an audit's folder back from its journal.

    Raises:
        AuditError: there is none, or the journal is damaged.
    """
    runs, records, _ = read_journal(folder / NAME)
    if not runs:
        raise AuditError(f"{folder.name}: no audit has run here")
    note = runs[-1]
    cells = [Cell(**{**cell, "setting": Setting(**cell["setting"])}) for cell in note["cells"]]
    return Run(note, cells, records, choose(cells, records, note["budget_ms"]))


def write_report(folder: Path, run: Run, links: Mapping[str, str] | None = None) -> Path:
    """Write the report into the audit's folder and return where it is.

    Args:
        folder: the audit's.
        run: of the folder.
        links: by path below the folder, where pictures were just uploaded.

    Raises:
        OSError: the disk is full; the report stays as it was.
    """
    rows, links = run.rows, links or {}
    page = render(
        TEMPLATE,
        run=run.note,
        axes={axis: _values(run.cells, axis) for axis in AXES},
        some_have=SOME_HAVE,
        sessions=[
            {**session, "rows": [row for row in rows if row.session == session["name"]]}
            for session in run.note["sessions"]
        ],
        rows=rows,
        cells=len(run.cells),
        counts={
            status: sum(row.status == status for row in rows)
            for status in sorted({row.status for row in rows})
        },
        choice=run.choice,
        rule=RULE,
        loss_of=loss_of,
        scores=SCORES,
        link=lambda path: links.get(path, path),
        links_end=f"{datetime.now(UTC) + LINKS_HOLD:%Y-%m-%d %H:%M UTC}" if links else "",
    )
    write_whole(folder / HTML, page)
    return folder / HTML


def _values(cells: Sequence[Cell], axis: str) -> list[Any]:
    """Return the values of an axis, each once, rising; None first."""
    values = {getattr(cell.setting, axis) for cell in cells}
    return sorted(values, key=lambda value: (value is not None, value or 0))


def upload(folder: Path, paths: Iterable[str], url: str, key: Path) -> dict[str, str]:
    """Put files into a bucket where they are not there yet, and return links to them by path.

    Anyone may read by a link until it ends. Google's V4 signing process, with no call to anyone:
    cloud.google.com/storage/docs/access-control/signed-urls.

    Args:
        folder: the audit's.
        paths: below it; pictures are named by their cell, so that one name is one picture.
        url: gs://BUCKET/PREFIX.
        key: the key file of the service account that uploads and signs.

    Raises:
        AuditError: another URL, no such key, or the bucket refuses or does not answer.
    """
    place = re.fullmatch(r"gs://([^/]+)/*(.*?)/*", url)
    if not place:
        raise AuditError(f"upload: expected gs://BUCKET/PREFIX, got {url!r}")
    load: Any = Credentials.from_service_account_file
    try:
        signer = load(str(key))
    except (OSError, ValueError, GoogleAuthError) as error:
        raise AuditError(
            f"key {key.name}: expected a service account's key file ({type(error).__name__})"
        ) from None
    # An emulator knows no accounts.
    own = None if os.environ.get(EMULATOR_VARIABLE) else signer
    bucket: Any = Client(project=signer.project_id or "none", credentials=own).bucket(place[1])
    try:
        here = {blob.name for blob in bucket.list_blobs(prefix=place[2])}
        links = {}
        for path in paths:
            blob = bucket.blob(f"{place[2]}/{path}".lstrip("/"))
            if blob.name not in here:
                blob.upload_from_filename(str(folder / path))
            # The endpoint said outright: under an emulator's variable it would be that host.
            links[path] = blob.generate_signed_url(
                version="v4",
                expiration=LINKS_HOLD,
                api_access_endpoint="https://storage.googleapis.com",
                credentials=signer,
            )
    except (GoogleAuthError, GoogleCloudError, OSError, ValueError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AuditError(f"upload to gs://{place[1]}: {said}") from None
    return links
