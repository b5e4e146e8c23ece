"""A process of a run that only calls the model: `… ADDRESS FOLDER URL N M CEILING`.

N agents make M calls each, in a trial that it claims. It prints the limits that it saw.
"""

import json
import sys
from contextlib import aclosing
from pathlib import Path

import anyio

from harness import event_loop
from harness.model.budget import TrialBudget
from harness.model.call_limit import CallLimit
from harness.model.client import ModelClient, RetryPolicy
from harness.model.conversation import start_conversation
from harness.model.litellm_backend import LitellmBackend
from harness.model.trial_calls import TrialCalls
from harness.runner.call_sharing import shared_calls
from harness.runner.membership import joined
from harness.runner.processes import join
from harness.store.opening import open_store
from harness.types import Limits

MODEL = "openai/scripted"
NOTHING = Limits(steps=0, cost_usd=0, tokens=0, wall_clock_s=0, command_s=0)
HELLO = [{"role": "user", "content": "Hello"}]


async def work(
    address: str, folder: str, base_url: str, agents: int, calls: int, ceiling: int
) -> None:
    entry = {"api_base": base_url, "api_key_env": "SCRIPTED_API_KEY"}
    with join(Path(folder)) as local:
        async with (
            joined(local, address) as member,
            aclosing(await open_store(address, owner=member.name)) as store,
        ):
            trial = await store.claim_trial()
            assert trial is not None
            limit = CallLimit(ceiling)
            client = ModelClient(
                LitellmBackend(MODEL, overrides={MODEL: entry}), MODEL, price=None, ledger=store,
                limit=limit, retry=RetryPolicy(attempts=50, base_s=0.02, cap_s=0.3),
                timeout_s=60, max_output_tokens=50,
            )  # fmt: skip
            await client._backend.warm_up()
            print("ready", flush=True)
            sys.stdin.readline()
            seen: list[float] = []

            async def agent(name: str) -> None:
                talk = start_conversation(
                    client, trial["trial_id"], system="single", instance_id="a__a-1", trial=0,
                    conversation=name, agent=name, budget=TrialBudget(NOTHING),
                    trial_calls=TrialCalls(),
                )  # fmt: skip
                for _ in range(calls):
                    await talk.complete(HELLO, [])
                    seen.append(limit.total)

            async with (
                shared_calls([client], store, member.name, member.alive),
                anyio.create_task_group() as tasks,
            ):
                for n in range(agents):
                    tasks.start_soon(agent, f"agent-{n}")
            print(json.dumps(seen), flush=True)
            await client._backend.aclose()


if __name__ == "__main__":
    event_loop.run(work, *sys.argv[1:4], *map(int, sys.argv[4:]))
