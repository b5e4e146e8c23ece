"""Where no Docker engine answers, one line says why, and no socket is left behind."""

import gc
import socket
import threading
import warnings
from contextlib import ExitStack, closing, contextmanager, suppress

import pytest
from console import docker_client

from harness.errors import UserError
from harness.sandbox.docker.client import connected, open_client
from harness.sandbox.docker.machine import connect

pytestmark = pytest.mark.slow(seconds=11)


@contextmanager
def server(family, address, answer):
    """Something that is no Docker engine: it answers everybody with `answer`, or hangs up."""
    with socket.socket(family) as listening:
        listening.bind(address)
        listening.listen()

        def serve():
            while True:
                try:
                    talk, _ = listening.accept()
                except OSError:
                    return  # it was shut down
                with talk, suppress(OSError):  # whoever only looked whether somebody listens
                    if answer:
                        talk.recv(4096)
                        talk.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def nobody_is_there(tmp_path):
    return f"unix://{tmp_path}/none.sock"


def nobody_listens(tmp_path):
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(f"{tmp_path}/dead.sock")
    return f"unix://{tmp_path}/dead.sock"


def the_port_is_closed(tmp_path):
    return "tcp://127.0.0.1:9"


@pytest.mark.parametrize("place", [nobody_is_there, nobody_listens, the_port_is_closed])
def test_where_nobody_answers_nothing_is_left_open(tmp_path, monkeypatch, place):
    monkeypatch.setenv("DOCKER_HOST", place(tmp_path))
    assert_nothing_is_left()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
def test_where_something_else_answers_nothing_is_left_open(tmp_path, monkeypatch, family, answer):
    unix = family == socket.AF_UNIX
    with server(family, f"{tmp_path}/d" if unix else ("127.0.0.1", 0), answer) as address:
        host = f"unix://{address}" if unix else f"tcp://127.0.0.1:{address[1]}"
        monkeypatch.setenv("DOCKER_HOST", host)
        assert_nothing_is_left()


def assert_nothing_is_left():
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        why = connect()
        assert isinstance(why, str)
        assert why
        assert "\n" not in why
        with pytest.raises(UserError, match="daemon does not answer: start it"), connected():
            pass
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


def test_an_engine_that_answers_is_spoken_to_in_its_own_version():
    with ExitStack() as stack:
        theirs = docker_client(stack).version()["ApiVersion"]
        found = open_client(timeout_s=60)
        assert not isinstance(found, str)
        with closing(found):
            assert found.api.api_version == theirs
