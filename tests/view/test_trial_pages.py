"""The pages inside of a trial over HTTP: each is there, and says so where there is none."""

import re

import anyio
import pytest
from page_server import page_server
from planted import plant, plant_board

TRIAL = "/runs/said/trials/1"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A server of a run with a board, and with a conversation in its first trial."""
    output = tmp_path_factory.mktemp("results")

    async def make() -> None:
        folder = await plant(output, "said")
        await plant_board(folder, 9, verified_s=7.5)
        messages = [{"role": "user", "content": f"message {n}"} for n in range(450)]
        async with folder.open() as store:
            await store.say(1, "agent-1", [{"role": "system", "content": "<b>"}, *messages])

    anyio.run(make)
    with page_server(output) as asked:
        yield asked


def test_entries_proposals_conversations_and_calls_have_pages(client):
    trials = re.findall(r'"(/runs/said/trials/\d+)"', client.page("/runs/said/rows/entries"))
    page = client.page(trials[0])
    assert 'class="replay"' in page
    assert 'class="tasks"' in page
    for kind in ("entries", "proposals", "conversations"):
        found = set(re.findall(rf'href="({trials[0]}/{kind}/[^"#?]+)', page))
        assert found, kind
        for address in found:
            assert "<h1>" in client.page(address)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/conversations/nobody", "has no conversation nobody"),
        ("/conversations/%3Cscript%3E", "has no conversation &lt;script&gt;"),
        ("/conversations/%00", "has no conversation"),
        ("/entries/F999", "has no entry F999"),
        ("/proposals/999", "has no proposal 999"),
        ("/calls/999999", "has no call 999999"),
        ("/calls/x", "There is no such page"),
    ],
)
def test_what_is_not_in_a_trial_is_said_in_plain_words(client, path, says):
    answer = client.get(TRIAL + path)
    assert answer.status_code == 404
    assert says in answer.text
    assert "<script>" not in answer.text


def test_a_conversation_comes_by_pages_and_a_message_alone(client):
    address = f"{TRIAL}/conversations/agent-1"
    first = client.page(address)
    assert first.count('class="message ') == 200
    last = client.page(f"{address}?from=401")
    assert 'id="message-451"' in last
    assert last.count('class="message ') == 51
    alone = client.page(f"{address}?message=7")
    assert 'id="message-7"' in alone
    assert alone.count('class="message ') == 1


def test_numbers_in_the_address_may_be_anything(client):
    address = f"{TRIAL}/conversations/agent-1"
    for query in ("from=-1", "from=x", "from=99999999999", "message=0", "message=99999", "from="):
        assert client.page(f"{address}?{query}").count("<h1>") == 1
