"""Pictures from URLs: what is fetched, from where, how much, how long; and what is kept."""

from __future__ import annotations

import hashlib
import ipaddress
import socket
import time

import pytest

from pawfect.contract.errors import ErrorKind
from pawfect_client.search import addresses
from pawfect_client.search.addresses import addresses_of, is_public
from pawfect_client.search.fetching import Bounds, fetch
from pawfect_client.search.pictures import PictureFiles, name_of
from tests.client.search.conftest import MASK, PHOTO
from tests.client.search.web import Page, Web
from tests.pawfect.photo.pictures import png
from tests.refusals import refusal

PICTURE = png(PHOTO)
# An address of this machine that these tests take for a public one.
PUBLIC = "127.0.0.2"
PRIVATELY = Bounds(allow_private=True)


@pytest.fixture
def web():
    with Web().serving() as server:
        server.pages["/dog.png"] = Page(PICTURE)
        yield server


@pytest.fixture
def outside(monkeypatch):
    """A server at what counts as a public address."""
    real = addresses.is_public
    monkeypatch.setattr(
        addresses, "is_public", lambda address: str(address) == PUBLIC or real(address)
    )
    with Web(PUBLIC).serving() as server:
        server.pages["/dog.png"] = Page(PICTURE)
        yield server


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "fe80::1%lo",
        "fec0::1",
        "::7f00:1",
        "2001:0:7f00:1::",
        "64:ff9b:1::a00:1",
        "198.18.0.1",
        "240.0.0.1",
    ],
)
def test_addresses_of_private_networks_are_not_public(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "93.184.0.1"])
def test_addresses_of_the_internet_are_public(address):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/dog.png",
        "http://localhost:{port}/dog.png",
        "http://2130706433:{port}/dog.png",
        "http://0x7f.1:{port}/dog.png",
        "http://[::ffff:127.0.0.1]:{port}/dog.png",
        "http://0.0.0.0:{port}/dog.png",
    ],
)
def test_nothing_of_a_private_network_is_asked(web, url):
    message = refusal(ErrorKind.INVALID_ARG, fetch, url.format(port=web.port), Bounds())
    assert "expected a public address (--allow-private allows others), got " in message
    assert web.asked == []


def test_it_is_where_it_is_allowed(web):
    assert fetch(f"{web.url}/dog.png", PRIVATELY) == PICTURE
    assert fetch(f"http://localhost:{web.port}/dog.png?key=a%20b&c=ü#x", PRIVATELY) == PICTURE
    assert web.asked[1] == ("/dog.png?key=a%20b&c=%C3%BC", f"localhost:{web.port}")


def test_a_redirect_from_outside_to_a_private_address_is_refused(web, outside):
    for status in (301, 302, 303, 307, 308):
        outside.redirect("/moved.png", f"{web.url}/dog.png", status)
        message = refusal(ErrorKind.INVALID_ARG, fetch, f"{outside.url}/moved.png", Bounds())
        assert message.startswith("127.0.0.1: expected a public address")
    assert web.asked == []


def test_redirects_are_followed_five_times_and_each_is_checked(outside):
    for number in range(9):
        outside.redirect(f"/{number}", f"/{number - 1}" if number else "dog.png")
    assert fetch(f"{outside.url}/4", Bounds()) == PICTURE
    message = refusal(ErrorKind.INVALID_ARG, fetch, f"{outside.url}/5", Bounds())
    assert "expected at most 5 redirects, got more" in message
    outside.pages["/nowhere"] = Page(status=302)
    message = refusal(ErrorKind.INVALID_ARG, fetch, f"{outside.url}/nowhere", Bounds())
    assert "expected a redirect that says where to, got none" in message
    outside.redirect("/file", "file:///etc/passwd")
    message = refusal(ErrorKind.INVALID_ARG, fetch, f"{outside.url}/file", Bounds())
    assert message == "URL: expected http:// or https://, got file:"


def test_a_name_is_asked_for_once_and_the_connection_goes_where_it_was_checked(
    monkeypatch, outside, web
):
    answers = iter([PUBLIC, "127.0.0.1", "127.0.0.1"])
    real = socket.getaddrinfo
    asked = []

    def rebinding(host, port, *rest, **more):
        if host != "pictures.example":
            return real(host, port, *rest, **more)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    url = f"http://pictures.example:{outside.port}/dog.png"
    assert fetch(url, Bounds()) == PICTURE
    assert asked == ["pictures.example"]
    assert outside.asked == [("/dog.png", f"pictures.example:{outside.port}")]
    # One that is not public is enough to refuse them all.
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, port, **_: [(0, 0, 0, "", ("1.1.1.1", port)), (0, 0, 0, "", ("::1", port))],
    )
    message = refusal(ErrorKind.INVALID_ARG, addresses_of, "x.example", 80, allow_private=False)
    assert message.endswith("got ::1")


def test_a_gigabyte_is_refused_by_its_header_and_by_what_comes(web):
    web.pages["/large.png"] = Page(b"", length=2**30)
    bounds = Bounds(most_bytes=64 * 2**20, allow_private=True)
    message = refusal(ErrorKind.INVALID_ARG, fetch, f"{web.url}/large.png", bounds)
    assert message.endswith("large.png: expected at most 64 MiB, got 1024 MiB")
    web.pages["/endless.png"] = Page(bytes(2**16), length=None, endless=True)
    small = Bounds(most_bytes=2**20, allow_private=True)
    message = refusal(ErrorKind.INVALID_ARG, fetch, f"{web.url}/endless.png", small)
    assert message.endswith("endless.png: expected at most 1 MiB, got more")
    assert web.left.wait(10)


@pytest.mark.parametrize("length", [-1, None])
def test_what_comes_too_slowly_is_cut_off(web, length):
    web.pages["/slow.png"] = Page(PICTURE, length=length, slow_s=0.05)
    began = time.monotonic()
    bounds = Bounds(most_seconds=0.3, allow_private=True)
    message = refusal(ErrorKind.DEADLINE, fetch, f"{web.url}/slow.png", bounds)
    assert "slow.png: expected it within 0.3 s, got less" in message
    # Byte by byte the whole would take minutes.
    assert time.monotonic() - began < 10
    assert web.left.wait(10)


@pytest.mark.parametrize(
    ("page", "kind", "said"),
    [
        (Page(status=404), ErrorKind.INVALID_ARG, "expected status 200, got 404"),
        (Page(status=403), ErrorKind.INVALID_ARG, "expected status 200, got 403"),
        (Page(status=429), ErrorKind.UNAVAILABLE, "expected status 200, got 429"),
        (Page(status=503), ErrorKind.UNAVAILABLE, "expected status 200, got 503"),
        (
            Page(PICTURE, headers={"Content-Encoding": "gzip"}),
            ErrorKind.INVALID_ARG,
            "expected a picture as it is, got one in gzip",
        ),
        (Page(PICTURE, length=len(PICTURE) + 9), ErrorKind.UNAVAILABLE, "got IncompleteRead"),
    ],
)
def test_another_answer_is_a_clear_error_without_the_key_in_the_url(web, page, kind, said):
    web.pages["/dog.png"] = page
    message = refusal(kind, fetch, f"{web.url}/dog.png?token=secret", PRIVATELY)
    assert said in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://example.org/x", "URL: expected http:// or https://, got ftp:"),
        ("http://me:pw@example.org/", "URL: expected a host, without a user's name or password"),
        ("http:///x.png", "URL: expected a host"),
        ("http://example.org:99999/", "URL: expected a URL"),
        ("http://[::1/", "URL: expected a URL"),
    ],
)
def test_odd_urls_are_refused(url, said):
    assert refusal(ErrorKind.INVALID_ARG, fetch, url, Bounds()).startswith(said)


def test_where_nobody_answers_that_is_said():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    message = refusal(ErrorKind.UNAVAILABLE, fetch, f"http://127.0.0.1:{port}/x", PRIVATELY)
    assert "expected an answer, got Connection refused" in message


def test_a_picture_is_fetched_once_and_kept_by_its_urls_digest(web, tmp_path):
    files = PictureFiles(tmp_path / "data" / "cache", PRIVATELY)
    url = f"{web.url}/dog.png"
    assert files.read(url) == files.read(url) == PICTURE
    assert len(web.asked) == 1
    (kept,) = (tmp_path / "data" / "cache").iterdir()
    assert kept.name == hashlib.sha256(url.encode()).hexdigest()
    kept.write_bytes(PICTURE[:40])
    assert files.read(url) == PICTURE
    assert len(web.asked) == 2
    assert kept.read_bytes() == PICTURE


def test_a_page_in_place_of_a_picture_is_not_kept(web, tmp_path):
    web.pages["/dog.png"] = Page(b"<html>sign in</html>")
    files = PictureFiles(tmp_path, PRIVATELY)
    message = refusal(ErrorKind.INVALID_ARG, files.read, f"{web.url}/dog.png")
    assert message.startswith("dog.png: expected ")
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_a_clear_error(web, tmp_path):
    (tmp_path / "cache").write_text("a file")
    files = PictureFiles(tmp_path / "cache" / "deeper", PRIVATELY)
    message = refusal(ErrorKind.INVALID_ARG, files.read, f"{web.url}/dog.png")
    assert message == "deeper: expected a folder for fetched pictures, got Not a directory"


def test_messages_name_a_picture_without_its_key():
    assert name_of("https://x.org/a/dog.png?sig=1#y") == "dog.png"
    assert name_of("https://x.org/") == "x.org"


def test_tasks_come_from_the_web_and_a_private_address_fails_alone(desk, web, outside):
    for name, pixels in (("photo", PHOTO), ("mask", MASK), ("rex", PHOTO[::-1].copy())):
        outside.pages[f"/{name}.png"] = Page(png(pixels))
    good = {
        "id": 1,
        "init_image_url": f"{outside.url}/photo.png",
        "mask_image_url": f"{outside.url}/mask.png",
        "character_image_url": f"{outside.url}/rex.png",
    }
    outside.redirect("/in.png", f"{web.url}/dog.png")
    bad = {**good, "id": 2, "init_image_url": f"{outside.url}/in.png"}
    run = desk.tasks([bad, good])
    assert run.exit_code == 65, run.output
    assert "task 2: the request itself is wrong: 127.0.0.1: expected a public" in run.stderr
    assert "1 of 2 tasks searched, 1 failed" in run.stdout
    assert (desk.task("1") / "character.png").exists()
    assert web.asked == []
    assert desk.tasks([bad], "--allow-private").exit_code == 0
