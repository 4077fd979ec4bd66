"""The report behind signed links: of the API, and of the bucket."""

from __future__ import annotations

import logging
import re
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import parse_qsl, urljoin, urlsplit

import google.auth.credentials
import google.cloud.storage as storage
import httpx
import pytest
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import RefreshError
from google.oauth2.service_account import Credentials

from pawfect_service.api.app import create_app
from pawfect_service.api.audits import links
from pawfect_service.api.audits.links import Links
from pawfect_service.stores.google.files import StorageFiles
from tests.service.api.audits.conftest import Audited
from tests.service.api.audits.test_access import refused
from tests.service.stack import HERE, Stack
from tests.signed_urls import BUCKET, check_signature, emulated_bucket, write_key

ANYBODY = {"x-api-key": ""}


async def reported(audits) -> str:
    """The link of a completed audit's report."""
    await audits.started("three")
    state = await audits.over()
    assert state["status"] == "completed", state
    return str(state["links"]["report"])


async def test_anybody_with_the_link_reads_the_report_and_its_pictures(audits, caplog):
    caplog.set_level(logging.INFO, "pawfect.http")
    link = await reported(audits)
    page = await audits.stack.http.get(link, headers=ANYBODY)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    # Its script runs as on a site of its own: it shares its address with the page.
    parts = [part.strip() for part in page.headers["content-security-policy"].split(";")]
    assert {"sandbox allow-scripts", "form-action 'none'", "frame-ancestors 'none'"} <= {*parts}
    (source,) = re.findall(r'src="([^"]+)"', page.text)
    picture = await audits.stack.http.get(urljoin(link, source), headers=ANYBODY)
    assert (picture.status_code, picture.content) == (200, b"crop")
    assert picture.headers["content-type"] == "image/jpeg"
    token = link.split("/")[3]
    bare = await audits.stack.http.get(link.rpartition("/")[0], headers=ANYBODY)
    assert bare.status_code in (307, 404)
    paths = [record.path for record in caplog.records if record.message == "request"]
    assert paths.count("/v1/audits/{token}/{name:path}") == 2
    assert token not in str(paths), "no log has the key"


async def test_a_link_opens_nothing_else(audits):
    link = await reported(audits)
    above = link.removesuffix("audit.html")
    (audits.folder / "audit" / "pictures" / "x.txt").write_text("private")
    for name in (
        "journal.jsonl",
        "audit.log",
        "note.json",
        "",
        "pictures",
        "pictures/none.jpg",
        "pictures/x.txt",
        "pictures/../note.json",
        "pictures/..%2Fnote.json",
        "pictures/%2e%2e/%2e%2e/photo.jpg",
        "..%2f..%2fphoto.jpg",
    ):
        answer = await audits.stack.http.get(above + name, headers=ANYBODY)
        assert answer.status_code in (403, 404), answer.text
        assert answer.json()["error"]["kind"] == "INVALID_ARG"


async def test_a_link_that_was_changed_or_made_elsewhere_is_refused(audits, tmp_path):
    link = await reported(audits)
    above, _, token, name = link.rsplit("/", 3)[0], *link.rsplit("/", 3)[1:]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    body, stamp, signature = token.split(".")
    other = Links(audits.root).token("v", "s")[0].split(".")[0]
    for wrong in (
        f"{body}.{stamp}.{signature[:-2]}xx",
        f"{other}.{stamp}.{signature}",
        f"{body}.zzzzzz.{signature}",
        Links(elsewhere).token("u", "s")[0],
        "x",
    ):
        answer = await audits.stack.http.get(f"{above}/audits/{wrong}/{name}", headers=ANYBODY)
        refused(answer, 403, "INVALID_ARG", "link: expected one of this API, got another")


async def test_a_link_ends_and_the_state_has_a_new_one(audits, monkeypatch):
    link = await reported(audits)
    monkeypatch.setattr(links, "HOLDS_S", -1)
    answer = await audits.stack.http.get(link, headers=ANYBODY)
    refused(answer, 403, "INVALID_ARG", "link: expected one that still holds, got one that has end")
    monkeypatch.undo()
    state = await audits.state()
    assert (await audits.stack.http.get(state["links"]["report"])).status_code == 200


async def test_guesses_at_links_are_slowed_down_and_good_ones_are_not(audits):
    link = await reported(audits)
    rate = type(audits.stack.app.state.context.rate)("3/hour")
    context = replace(audits.stack.app.state.context, rate=rate)
    audits.stack.app.state.context = context
    good = [await audits.stack.http.get(link, headers=ANYBODY) for _ in range(5)]
    assert [answer.status_code for answer in good] == [200] * 5
    wrong = [await audits.stack.http.get("/v1/audits/x/audit.html") for _ in range(5)]
    assert [answer.status_code for answer in wrong] == [403] * 3 + [429] * 2


def test_apis_of_one_folder_share_the_secret_which_is_for_this_user_alone(tmp_path):
    token, _ = Links(tmp_path).token("u", "s")
    assert Links(tmp_path).read(token) == ("u", "s")
    assert (tmp_path / ".secret").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [".secret"]


@pytest.fixture(scope="module")
def key_file(tmp_path_factory):
    return tmp_path_factory.mktemp("key") / "key.json"


@pytest.fixture(scope="module")
def public_key(key_file):
    return write_key(key_file)


@asynccontextmanager
async def in_bucket(audits, signer):
    """The same API with its files in a bucket, links signed by `signer`."""
    with emulated_bucket():
        client = storage.Client(project="project", credentials=AnonymousCredentials())
        files, here = StorageFiles(client, BUCKET, signer), audits.stack.files
        await files.put({path: await here.get(path) for path in await here.list(HERE)})
        services = audits.stack.services
        services = replace(services, stores=replace(services.stores, files=files))
        app = create_app(services, audits.settings)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://api", headers=audits.headers
        ) as http:
            yield Audited(Stack(services, http, app), audits.root)
        await app.state.audits.close()
        client.close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_on_cloud_storage_pictures_come_from_the_bucket_by_its_signed_urls(
    audits, key_file, public_key
):
    signer = Credentials.from_service_account_file(str(key_file))
    async with in_bucket(audits, signer) as api:
        link = await reported(api)
        note = api.folder / "audit" / "note.json"
        await api.until(lambda _: '"published": true' in note.read_text())
        paths = await api.stack.files.list(f"{HERE}/audit")
        assert paths[0] == f"{HERE}/audit/audit.html"
        assert len(paths) == 1 + 6
        assert await api.stack.files.get(paths[1]) == b"crop"
        page = await api.stack.http.get(link, headers=ANYBODY)
        assert page.status_code == 200
        picture = link.removesuffix("audit.html") + f"pictures/{'a' * 16}.jpg"
        answer = await api.stack.http.get(picture, headers=ANYBODY)
        assert answer.status_code == 307
        url = urlsplit(answer.headers["location"])
        assert (url.scheme, url.netloc) == ("https", "storage.googleapis.com")
        assert url.path == f"/{BUCKET}/{HERE}/audit/pictures/{'a' * 16}.jpg"
        assert dict(parse_qsl(url.query))["X-Goog-Expires"] == "900"
        check_signature(answer.headers["location"], public_key)
        await api.started("three")
        answer = await api.stack.http.get(picture, headers=ANYBODY)
        assert answer.content == b"a" * 16, "of a new start the API serves what it has"
        await api.over()


class Refused(google.auth.credentials.Credentials):
    """An account of a machine of Google's that may not have its links signed any more."""

    service_account_email = "audit@project.iam.gserviceaccount.com"

    def refresh(self, request):
        raise RefreshError("no such account")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("signer", [AnonymousCredentials(), Refused()], ids=["none", "refused"])
async def test_where_the_bucket_signs_nothing_the_api_serves_the_pictures(audits, signer):
    async with in_bucket(audits, signer) as api:
        link = await reported(api)
        picture = link.removesuffix("audit.html") + f"pictures/{'a' * 16}.jpg"
        answer = await api.stack.http.get(picture, headers=ANYBODY)
        assert (answer.status_code, answer.content) == (200, b"a" * 16)
        assert await api.stack.files.list(f"{HERE}/audit") == []
        # Signed once, and refused since.
        published = api.folder / "audit" / "note.json"
        published.write_text(published.read_text().replace("false}", "true}"))
        assert '"published": true' in published.read_text()
        answer = await api.stack.http.get(picture, headers=ANYBODY)
        assert (answer.status_code, answer.content) == (200, b"a" * 16)
