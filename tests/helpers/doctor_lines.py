"""What `delm doctor` prints, read back."""

NO_DOCKER = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}


def lines(text: str) -> dict[str, tuple[str, str]]:
    """By what it is about: the state and the words of every finding."""
    found = {}
    for line in text.splitlines():
        state, _, rest = line.partition(" ")
        about, _, words = rest.strip().partition(": ")
        found[about] = (state, words)
    return found
