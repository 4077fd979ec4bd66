"""What Google's store alone must do: set itself up, and say in time that a service is away."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import google.cloud.pubsub_v1 as pubsub_v1
import google.cloud.storage as storage
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore
from google.cloud.firestore_v1.watch import Watch

from harness import emulators
from harness.local_server import free_ports
from pawfect.contract.errors import ErrorKind, PawfectError
from pawfect_service.consents.forgetting import forget
from pawfect_service.jobs.contract import JobContract
from pawfect_service.stores import make_queue, open_stores
from pawfect_service.stores.base import Change, PushTarget
from pawfect_service.stores.google import documents as google_documents
from pawfect_service.stores.google import errors as google_errors
from pawfect_service.stores.google import records as google_records
from pawfect_service.stores.google.files import StorageFiles
from pawfect_service.stores.google.topics import Names, ensure_topics
from tests.service.conftest import CONTRACT


async def test_what_others_keep_as_sessions_is_no_session_of_ours(on_google: str, uid: str) -> None:
    client = firestore.AsyncClient(emulators.PROJECT)
    documents = google_documents.FirestoreDocuments(client, firestore.Client(emulators.PROJECT))
    strange = [f"shops/{uid}/sessions/s", f"users/{uid}/sessions/a b", f"sessions/{uid}"]
    strange += [f"users/{uid}/pets/p/sessions/s"]
    for path in strange:
        await client.document(path).set({"expiresAt": 1.0})
    await documents.update(uid, "ours", lambda *_: Change({"expiresAt": 2.0}))
    try:
        overdue = await documents.overdue(1000)
        assert [found for found in overdue if found[0] == uid] == [(uid, "ours")]
        assert len(await documents.overdue(1)) == 1
    finally:
        for path in strange:
            await client.document(path).delete()


async def test_old_consents_are_forgotten_behind_whole_pages_of_what_others_call_so(
    on_google: str, uid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(google_records, "_PAGE", 2)
    client = firestore.AsyncClient(emulators.PROJECT)
    documents = google_documents.FirestoreDocuments(client, firestore.Client(emulators.PROJECT))
    strange = [client.document(f"shops/{uid}/consents/{number}") for number in range(5)]
    ours = [client.document(f"records/{uid}/consents/{number}") for number in range(3)]
    for number, reference in enumerate([*strange, *ours]):
        await reference.set({"at": float(number)})
    try:
        assert await forget(google_records.FirestoreRecords(client, documents), 1e6) == 3
        assert [(await one.get()).exists for one in ours] == [False] * 3
        assert [(await one.get()).exists for one in strange] == [True] * 5
    finally:
        for reference in strange:
            await reference.delete()


async def test_a_watch_whose_connection_hangs_when_it_ends_keeps_nobody(
    on_google: str, uid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = firestore.AsyncClient(emulators.PROJECT)
    documents = google_documents.FirestoreDocuments(client, firestore.Client(emulators.PROJECT))
    await documents.update(uid, "s", lambda *_: Change({"a": 1}))
    ends, over = threading.Event(), threading.Event()
    unsubscribe = Watch.unsubscribe

    def hang(watch: Watch) -> None:
        ends.wait(60)
        unsubscribe(watch)
        over.set()

    monkeypatch.setattr(Watch, "unsubscribe", hang)
    seen = documents.watch(uid, "s")
    assert await anext(seen) == {"a": 1}
    async with asyncio.timeout(10):
        await seen.aclose()
    assert not over.is_set()
    ends.set()
    assert await asyncio.to_thread(over.wait, 30), "it ends all the same"
    await documents.delete(uid, "s")


async def test_a_watch_that_is_cancelled_as_it_is_told_of_a_change_ends(
    on_google: str, uid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = firestore.AsyncClient(emulators.PROJECT)
    documents = google_documents.FirestoreDocuments(client, firestore.Client(emulators.PROJECT))
    await documents.update(uid, "s", lambda *_: Change({"a": 1}))
    loop, seen, told = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    call = loop.call_soon_threadsafe

    async def follow() -> None:
        async for _ in documents.watch(uid, "s"):
            seen.set()

    def tell(word: Callable[..., object], *args: object, **named: Any) -> object:
        """Set the watch's event and cancel who follows it in one turn of the loop."""
        if not isinstance(getattr(word, "__self__", None), asyncio.Event):
            return call(word, *args, **named)

        def both() -> None:
            word(*args)
            following.cancel()
            told.set()

        return call(both, **named)

    following = asyncio.create_task(follow())
    async with asyncio.timeout(20):
        await seen.wait()
    with monkeypatch.context() as patched:
        patched.setattr(loop, "call_soon_threadsafe", tell)
        # The emulator may answer a commit of a document whose watch it ends with CANCELLED; the
        # change is made all the same, and told of.
        with contextlib.suppress(PawfectError):
            await documents.update(uid, "s", lambda *_: Change({"a": 2}))
        async with asyncio.timeout(20):
            await told.wait()
    await asyncio.wait({following}, timeout=5)
    ended = following.cancelled()
    while not following.done():
        following.cancel()
        await asyncio.wait({following}, timeout=1)
    assert ended
    await documents.delete(uid, "s")


def test_setting_up_again_brings_the_subscription_up_to_date(on_google: str) -> None:
    topic, contract = f"jobs-{uuid.uuid4().hex}", JobContract()
    store, names = f"{on_google}/{topic}", Names.of(emulators.PROJECT, topic)
    url, email, audience = "https://worker.example/v1/worker/push", "p@q.iam.example", "worker"
    with pubsub_v1.SubscriberClient() as client:

        def made(push: PushTarget | None) -> pubsub_v1.types.Subscription:
            make_queue(store, contract, push)
            return client.get_subscription(subscription=names.subscription)

        make_queue(store, CONTRACT)
        pushed = made(PushTarget(url, email, audience))
        assert pushed.push_config.push_endpoint == url
        token = pushed.push_config.oidc_token
        assert (token.service_account_email, token.audience) == (email, audience)
        assert contract.fill_s < pushed.ack_deadline_seconds <= 600

        bare = made(PushTarget("http://127.0.0.1:1/push"))
        assert bare.push_config.push_endpoint == "http://127.0.0.1:1/push"
        assert bare.push_config.oidc_token.service_account_email == ""
        assert bare.ack_deadline_seconds == pushed.ack_deadline_seconds

        pulled = made(None)
        assert pulled.push_config.push_endpoint == ""
        assert pulled.ack_deadline_seconds == contract.lease_s
        assert pulled.retry_policy.minimum_backoff.total_seconds() == 1.0
        assert pulled.retry_policy.maximum_backoff.total_seconds() == 60.0
        assert pulled.dead_letter_policy.max_delivery_attempts == 100
        assert pulled.dead_letter_policy.dead_letter_topic == names.dead_topic


def test_a_fill_longer_than_a_push_is_waited_for_is_refused() -> None:
    with pytest.raises(PawfectError, match="fill_s of pushed jobs: expected under 600 s, got 600"):
        ensure_topics("p", "t", JobContract(fill_s=600), PushTarget("https://w.example"))


def test_a_store_that_pushes_nothing_refuses_an_endpoint() -> None:
    with pytest.raises(PawfectError, match=r"store: expected google:.* got embedded:data"):
        make_queue("embedded:data", JobContract(), PushTarget("https://w.example"))


async def test_a_file_has_the_type_of_its_name(on_google: str, uid: str) -> None:
    client = storage.Client(emulators.PROJECT, AnonymousCredentials())  # type: ignore[no-untyped-call]
    files = StorageFiles(client, emulators.BUCKET)
    names = {"edited.jpg": "image/jpeg", "mask.png": "image/png", "x": "application/octet-stream"}
    await files.put({f"users/{uid}/{name}": name.encode() for name in names})
    bucket = client.bucket(emulators.BUCKET)
    for name, kind in names.items():
        found = bucket.get_blob(f"users/{uid}/{name}")
        assert found is not None
        assert (found.content_type, found.download_as_bytes()) == (kind, name.encode())


async def test_a_service_that_is_away_is_unavailable_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ports = free_ports(3)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{ports[0]}")
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{ports[1]}")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{ports[2]}")
    monkeypatch.setattr(google_errors, "_CALL_S", 1.0)
    stores = open_stores("google:pawfect-test/bucket/jobs", JobContract())
    start = time.monotonic()
    with pytest.raises(PawfectError) as caught:
        await stores.documents.update("u", "s", lambda *_: Change({}))
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    with pytest.raises(PawfectError) as caught:
        await stores.documents.get("u", "s")
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert time.monotonic() - start < 10
    await stores.close()


@pytest.mark.parametrize(
    "url", ["", "embedded:", "embedded", "google:", "google:p/b", "google:p//t", "redis:x"]
)
def test_an_unknown_store_is_refused(url: str) -> None:
    with pytest.raises(PawfectError, match="store: expected embedded:FOLDER or google:"):
        open_stores(url, JobContract())
