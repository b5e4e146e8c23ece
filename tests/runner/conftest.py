"""A network of several machines, and a PostgreSQL server on it."""

from collections.abc import Iterator

import pytest
from network_namespaces import HERE, Host, hosts
from postgres_servers import Server, programs

from harness.store.addresses import VARIABLE, without_password


@pytest.fixture
def network() -> Iterator[list[Host]]:
    """Three hosts beside this one."""
    with hosts(3) as made:
        yield made


@pytest.fixture
def far_url(network, monkeypatch) -> Iterator[str]:
    """A server on the network, without the password, which only the variable holds."""
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL: apt-get install postgresql")
    server = Server(found, host=HERE)
    monkeypatch.setenv(VARIABLE, server.remote_url)
    yield without_password(server.remote_url)
    server.remove()
