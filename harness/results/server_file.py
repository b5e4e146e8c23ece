"""The file of a run's folder that says which PostgreSQL server has the run's store."""

import os
from pathlib import Path

from harness.cache import write_beside
from harness.errors import UserError
from harness.store.addresses import VARIABLE, with_password, without_password

SERVER = "store.url"


def noted(folder: Path, url: str, run_id: str) -> None:
    """Write the address of a run into its folder, without a password, where none stands there.

    `UserError`: the folder belongs to a run in another server.
    """
    file, address = folder / SERVER, f"{without_password(url)}#{run_id}"
    if not file.exists():
        write_beside(file, f"{address}\n".encode())
    elif (there := file.read_text().strip()) != address:
        raise UserError(
            f"{folder} belongs to a run in {there}; name another run, or leave --store out"
        )


def address_in(folder: Path, url: str) -> str:
    """The address that stands in a run's folder, with the password of `url` or of the variable."""
    return with_password((folder / SERVER).read_text().strip(), url)


def environment(address: str) -> dict[str, str]:
    """The variables that another process of this user needs to open the store at `address`."""
    named = {name: value for name, value in os.environ.items() if name.startswith("PG")}
    return named | {VARIABLE: address.partition("#")[0]}
