"""`scripts/bench_coordination.py` at its smallest: it finishes, and says what does not hold."""

from pathlib import Path

import anyio
import pytest

from harness.errors import ModelUnavailable

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import bench_coordination

    return bench_coordination


def measured(bench, folder, agents: int):
    loop = {"loop_factory": bench.LeapingLoop}
    return anyio.run(bench.measure, folder, agents, 3, backend_options=loop)


def test_a_trial_goes_on_when_agents_end_and_its_context_stays_within_its_tokens(bench, tmp_path):
    few, more = measured(bench, tmp_path, 2), measured(bench, tmp_path, 8)
    assert bench.verdict([few, more]) == []
    assert more.wall_s < 8 * 60, "simulated"
    assert more.own_s < 30
    assert 0 < few.shown < more.shown


def test_what_does_not_hold_is_told(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "DelmOptions", lambda: bench_options(context_tokens=40))
    few = measured(bench, tmp_path, 8)
    monkeypatch.setattr(bench, "DelmOptions", lambda: bench_options(context_tokens=10))
    assert any("10 allowed" in line for line in bench.verdict([few]))


def bench_options(**more):
    from agents.delm.options import DelmOptions

    return DelmOptions(**more)


async def test_an_agent_that_ends_the_trial_is_told(bench, tmp_path, monkeypatch):
    import simulated_trial

    def broken(*_):
        raise ModelUnavailable("no model")

    monkeypatch.setattr(simulated_trial.StubModel, "_fault", broken)
    found = await anyio.to_thread.run_sync(measured, bench, tmp_path, 2)
    assert bench.verdict([found]) == ["2 agents: ModelUnavailable: no model"]
