"""What the server refuses, and the headers of every answer."""

import socket

import anyio
import httpx
import pytest
from page_server import TOKEN, page_server
from planted import System, plant

from harness import secrets

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


@pytest.mark.parametrize(
    "path",
    ["/", "/runs/first", "/nothing", "/runs/broken", "/assets/page.css", "/runs/first/live",
     "/runs/first/rows/calls.csv"],
)  # fmt: skip
def test_every_answer_has_the_headers(server, path):
    with server.stream("GET", path) as answer:
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "server" not in answer.headers
        assert "set-cookie" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers


def test_no_page_has_a_script_or_a_style_inside(server):
    for path in ("/", "/runs/first", "/runs/first/trials/9", "/runs/first/rows/trials"):
        page = server.page(path)
        assert "<style" not in page
        assert " style=" not in page
        assert " onclick=" not in page
        assert page.count("<script") == page.count("<script src=") + page.count(
            '<script type="application/json"'
        )
        assert TOKEN not in page


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8642", "127.0.0.1.evil.example", "localhost.evil.example", "",
     "192.168.0.7", "localhost:80:80", "127.0.0.1@evil.example", "[::1", "0x7f.1.evil"],
)  # fmt: skip
def test_another_host_name_is_refused(server, host):
    answer = server.get("/", headers={"host": host})
    assert answer.status_code == 403
    assert "host name" in answer.text


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1:99", "[::1]:8642", "[::1]",
                                  "127.9.9.9", "LOCALHOST"])  # fmt: skip
def test_names_of_this_machine_are_answered(server, host):
    assert server.get("/", headers={"host": host}).status_code == 200


def test_two_host_headers_and_none_are_refused(server):
    for hosts in ("Host: localhost\r\nHost: evil.example\r\n", ""):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n".encode())
            told = connection.recv(200).decode()
        assert told.split()[1] in {"400", "403"}, told


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_other_methods_are_refused(server, method):
    answer = server.request(method, "/runs/first", headers={"x-delm-token": TOKEN})
    assert answer.status_code == 405


GOOD = {"x-delm-token": TOKEN}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-delm-token": ""},
        {"x-delm-token": TOKEN[:-1]},
        {"x-delm-token": TOKEN + "t"},
        {"x-delm-token": "ü" * 16},
        {"authorization": f"Bearer {TOKEN}"},
        {"cookie": f"x-delm-token={TOKEN}"},
        GOOD | {"origin": "http://evil.example"},
        GOOD | {"origin": "null"},
        GOOD | {"origin": "http://127.0.0.1:1"},
        GOOD | {"origin": ""},
        GOOD | {"sec-fetch-site": "cross-site"},
        GOOD | {"sec-fetch-site": "same-site"},
        GOOD | {"sec-fetch-site": "none"},
        GOOD | {"host": "evil.example"},
    ],
)
def test_a_write_without_the_token_or_from_another_page_is_refused(server, headers):
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    answer = server.post("/runs/first/control", json={"action": "pause"}, headers=encoded)
    assert answer.status_code == 403
    assert "refused" in answer.text


def test_of_headers_that_come_twice_each_must_be_ours(server):
    for name, values in (("origin", (f"http://127.0.0.1:{server.port}", "http://evil.example")),
                         ("sec-fetch-site", ("same-origin", "cross-site"))):  # fmt: skip
        headers = [("x-delm-token", TOKEN), *((name, value) for value in values)]
        answer = server.post("/runs/first/control", json={"action": "pause"}, headers=headers)
        assert answer.status_code == 403, name


@pytest.mark.parametrize("dest", ["image", "script", "iframe", "empty", "style", None])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_foreign_page_loads_nothing_from_here(server, site, dest):
    headers = {"sec-fetch-site": site} | ({"sec-fetch-dest": dest} if dest else {})
    assert server.get("/runs/first", headers=headers).status_code == 403


def test_a_link_on_a_foreign_page_opens_the_page(server):
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document"}
    assert server.get("/runs/first", headers=headers).status_code == 200
    for own in ("same-origin", "none"):  # none: a person typed the address
        headers = {"sec-fetch-site": own, "sec-fetch-dest": "document"}
        assert server.get("/runs/first", headers=headers).status_code == 200


def test_the_token_in_the_address_or_the_body_is_no_token(server):
    answer = server.post(f"/runs/first/control?token={TOKEN}&x-delm-token={TOKEN}",
                         json={"token": TOKEN, "x-delm-token": TOKEN})  # fmt: skip
    assert answer.status_code == 403


def test_a_write_that_is_too_long_or_of_unknown_length_is_refused(server):
    assert server.post("/x", content=b"x" * 70_000, headers=GOOD).status_code == 413
    assert server.post("/x", content=iter([b"x" * 10]), headers=GOOD).status_code == 411


def test_a_write_from_this_page_gets_through_the_gate(server):
    own = {"origin": f"http://127.0.0.1:{server.port}", "sec-fetch-site": "same-origin"}
    assert server.post("/nothing", headers=GOOD | own).status_code == 404
    assert server.post("/runs/first", headers=GOOD).status_code == 405


def test_more_connections_than_files_can_be_opened_are_sent_away(runs, monkeypatch):
    monkeypatch.setattr("harness.view.server.MOST_AT_ONCE", 20)
    held = []
    with page_server(runs) as client:
        try:
            for _ in range(40):
                held.append(socket.create_connection(("127.0.0.1", client.port), timeout=5))
                held[-1].sendall(b"GET /assets/page.css HTTP/1.1\r\nHost: localhost\r\n\r\n")
                first = held[-1].recv(30)
            assert b" 503 " in first
        finally:
            for each in held:
                each.close()
        assert client.get("/assets/page.css").status_code == 200


def test_with_a_host_of_the_network_addresses_and_its_name_are_answered(runs):
    with page_server(runs, names=["build.example"], loopback=False) as client:
        for host in ("192.168.0.7:8642", "build.example", "BUILD.example:80", "[fe80::1]:8642"):
            assert client.get("/assets/page.css", headers={"host": host}).status_code == 200
        assert client.get("/", headers={"host": "evil.example"}).status_code == 403


def test_a_web_socket_is_refused(server):
    with httpx.Client() as client:
        answer = client.get(
            f"http://127.0.0.1:{server.port}/",
            headers={"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
                     "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="},
        )  # fmt: skip
    assert answer.status_code in {200, 400, 403, 426}  # never 101


def test_a_secret_that_is_known_only_now_is_on_no_page(tmp_path):
    secret = "zq8-unheard-of-secret-4417"
    held = {"a__a-1": ["R"]}

    async def make() -> None:
        folder = await plant(tmp_path, "r", {"single": System(1, "one", held)}, model=secret)
        async with folder.open() as store:
            await store.say(1, "c", [{"role": "user", "content": f"<{secret}>"}])

    anyio.run(make)
    with page_server(tmp_path) as client:
        paths = ("/", "/runs/r", "/runs/r/trials/1/conversations/c")
        assert all(secret in client.page(path) for path in paths)
        secrets.learn(secret)
        with page_server(tmp_path) as later:
            assert not any(secret in later.page(path) for path in paths)
            assert secret not in later.page(f"/runs/r/rows/trials?system={secret}")
            assert secret not in later.get(f"/runs/{secret}").text


def test_a_folder_that_may_not_be_written_to_is_read(tmp_path, monkeypatch):
    anyio.run(plant, tmp_path, "r", {"single": System(1, "one", {"a__a-1": ["R"]})})
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with page_server(tmp_path) as client:
        assert "a__a-1" in client.page("/runs/r")
    assert not (tmp_path / "r" / "run.db-shm").exists()
