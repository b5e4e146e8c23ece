"""What the tests of providers ask, and what their bills come to."""

from provider_server import PROVIDERS, Imitation
from scripted_model import ScriptedModel

PER_TOKEN = {"input": 1e-6, "cached_input": 1e-7, "cache_write": 1.25e-6, "output": 4e-6}


def entry(server: ScriptedModel, name: str) -> dict:
    """The model's entry in configs/models.yaml, as a user would write it."""
    base = server.base_url.removesuffix("/v1") + PROVIDERS[name].base
    million = {kind: rate * 1e6 for kind, rate in PER_TOKEN.items()}
    return million | {
        "api_base": base,
        "api_key_env": "SCRIPTED_API_KEY",
        "source": "this test",
    }


def billed(imitation: Imitation) -> float:
    """What the provider's bill comes to, in USD."""
    bill = imitation.bill
    return (
        bill.fresh * PER_TOKEN["input"]
        + bill.cached * PER_TOKEN["cached_input"]
        + bill.written * PER_TOKEN["cache_write"]
        + bill.output * PER_TOKEN["output"]
    )


def look(number: int, *more: str) -> dict:
    commands = (f"ls {number}", *more)
    calls = [{"name": "bash", "arguments": {"command": command}} for command in commands]
    return {"content": f"Look at {number}.", "tool_calls": calls}
