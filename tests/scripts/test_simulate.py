"""`scripts/simulate.py`: its designs do their work once, and cost what can be told by hand."""

import csv
import random
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import simpy
import yaml
from postgres_servers import made

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import simulate
from simulation import (
    calibration,
    costs,
    predicted_board,
    real_board,
    real_central,
    real_threads,
)
from simulation.calibration import Compared
from simulation.designs import DESIGNS, Sizes
from simulation.predicted_board import BoardCosts, Request
from simulation.stations import Processors, Slots, TrialLock
from simulation.workload import LEAST, MOST, Workload

from harness import event_loop

SCRIPTS = Path(simulate.__file__).parent
COSTS = costs.measured()
NONE = costs.Seconds(0.0, 0.0)
FREE = replace(
    COSTS, spread=0.0, repairs=0.0, check_s=0.0, gist_check=costs.Calls(0, 0, 0, 0), own_s=0.0,
    step=NONE, read=NONE, row=NONE, publish=NONE, way_s=0.0, note_s=0.0, task_s=0.0,
)  # fmt: skip
"""Of a world in which coordination costs nothing and every call takes what it should."""


def played(design: str, agents: int, units: int, given=COSTS, *, times: int = 1, seed: int = 0):
    return DESIGNS[design](Sizes(given, agents, units, times, seed))


def seconds(calls, shared: int = 0, turns: int | None = None) -> float:
    """What the model calls of a task take, by hand. `shared`: cached tokens in front."""
    whole = 0.0
    for turn in range(calls.turns if turns is None else turns):
        fresh = calls.first if turn == 0 else calls.growth
        whole += COSTS.base_s + fresh / COSTS.read_tokens_s + calls.output / COSTS.write_tokens_s
    return whole


# -- the designs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("design", DESIGNS)
def test_the_same_seed_gives_the_same_run_and_another_one_another(design):
    first, again, other = (played(design, 20, 30, seed=seed) for seed in (1, 1, 2))
    assert asdict(first) == asdict(again)
    assert first.wall_s != other.wall_s


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize(("agents", "units"), [(1, 7), (8, 3), (40, 40), (13, 100)])
def test_every_task_is_done_once_and_none_is_left(design, agents, units):
    given = Sizes(COSTS, agents, units)
    came = DESIGNS[design](given)
    repaired = given.work.done - 3 * units
    assert 0 <= repaired <= units
    assert came.again == 0
    assert not given.work.open
    assert given.work.left == 0


@pytest.mark.parametrize("design", ["decentralized", "bounded"])
def test_messages_to_the_board_are_its_steps_its_reads_and_its_findings(design):
    given = Sizes(replace(COSTS, gist_check=FREE.gist_check), 9, 25)
    came = DESIGNS[design](given)
    published = (came.messages - given.agents - came.tasks - came.calls) / 2
    assert published == given.work.entries + came.found_again


def test_messages_under_the_lock_and_of_the_main_agent_are_told_too():
    given = Sizes(COSTS, 9, 25)
    came = DESIGNS["threads"](given)
    published = given.work.entries + came.found_again
    assert came.messages == 2 * came.tasks + came.calls + published
    central = played("centralized", 9, 25)
    assert central.messages == 2 * central.tasks


def test_an_agent_alone_takes_as_long_as_its_calls_where_coordination_is_free():
    localize, patch, test, _ = FREE.tasks
    whole = seconds(localize) + seconds(patch) + seconds(test)
    for design in ("decentralized", "bounded", "threads"):
        assert played(design, 1, 1, FREE).wall_s == pytest.approx(whole, rel=0.01)
    for agents in (10, 100):  # all begin at once, so nobody spares anybody a call
        came = played("decentralized", agents, agents, FREE)
        assert came.wall_s == pytest.approx(whole, rel=0.01)
        assert came.found_again > 0


def test_a_fact_that_is_known_spares_all_calls_but_one():
    given = replace(FREE, needed_by=50)  # one fact for all
    localize, patch, test, _ = given.tasks
    came = played("threads", 1, 50, given)
    full = 50 * (seconds(localize) + seconds(patch) + seconds(test))
    spared = 49 * (seconds(localize) - seconds(localize, turns=1))
    assert came.calls == 50 * 8 - 49 * 2
    assert came.wall_s == pytest.approx(full - spared, rel=0.02)
    assert came.found_again == 0


def test_findings_beyond_the_context_of_a_prompt_are_found_again():
    """With room for all the facts of one agent none is found twice; with none every one is."""
    roomy = replace(FREE, context_tokens=10**6)
    blind = replace(FREE, context_tokens=0)
    assert played("decentralized", 1, 200, roomy).found_again == 0
    facts = len(set(Sizes(FREE, 1, 200).work._facts))
    assert played("decentralized", 1, 200, blind).found_again == 200 - facts


def test_the_main_agents_rounds_take_what_can_be_told_by_hand():
    came = played("centralized", 4, 4, FREE)
    wall_s, context = 0.0, FREE.tasks[0].first
    seen = context
    for calls in FREE.tasks[:3]:
        written = 4 * FREE.instruction_tokens
        fresh = context - min(seen, context)
        wall_s += FREE.base_s + fresh / FREE.read_tokens_s + written / FREE.write_tokens_s
        wall_s += seconds(calls._replace(first=calls.first + FREE.instruction_tokens))
        seen, context = context, context + 4 * (FREE.instruction_tokens + FREE.report_tokens)
    assert came.wall_s == pytest.approx(wall_s)


@pytest.mark.parametrize(("window", "calls"), [(FREE.window_tokens, 3), (40_000, 27)])
def test_a_round_has_no_more_tasks_than_the_window_has_room_for(window, calls):
    """17 reports fill 40,000 tokens, 13 what a summary leaves: 14 rounds and 13 summaries."""
    given = Sizes(replace(FREE, window_tokens=window), 500, 60)
    came = DESIGNS["centralized"](given)
    spared = 60 - len(given.work._known) - came.found_again
    own = came.calls - (60 * 8 - 2 * spared)
    assert own == calls if window > 40_000 else own >= calls


@pytest.mark.parametrize(("design", "agents"), [("decentralized", 3000), ("bounded", 3000),
                                                ("threads", 5000)])  # fmt: skip
def test_agents_that_stand_for_ten_come_to_what_all_of_them_come_to(design, agents):
    exact = played(design, agents, agents)
    ten = played(design, agents, agents, times=10)
    assert ten.wall_s == pytest.approx(exact.wall_s, rel=0.10)
    for name in ("messages", "dollars", "calls", "tasks"):
        assert getattr(ten, name) == pytest.approx(getattr(exact, name), rel=0.05), name
    assert ten.found_again == pytest.approx(exact.found_again, rel=0.15)


def test_findings_take_as_long_as_the_lock_that_one_at_a_time_has():
    """At 10 ms each."""
    slow = replace(FREE, publish=costs.Seconds(0.0, 0.01))
    came = played("decentralized", 1000, 1000, slow)
    published = (came.messages - 1000 - came.tasks - came.calls) / 2
    assert came.lock_busy * came.wall_s == pytest.approx(0.01 * published)
    assert came.wall_s > 0.01 * published * 0.9


# -- what agents queue for -------------------------------------------------------------------------


def test_processors_do_a_second_of_work_a_second_each():
    env = simpy.Environment()
    two = Processors(env, 2)
    ends = [two.take(0.5) for _ in range(8)]
    assert ends[0] == pytest.approx(0.5), "one alone takes its own time"
    assert ends[-1] == pytest.approx(8 * 0.5 / 2 + 0.25)
    assert two.busy_s == 4
    assert Processors(env, 2).take(0.5, 8) == pytest.approx(ends[-1]), "eight at once"


def test_who_wants_the_lock_alone_waits_for_all_and_lets_nobody_pass_meanwhile():
    env = simpy.Environment()
    lock, order = TrialLock(env), []

    def one(name: str, alone: bool, after: float, holds: float):
        yield env.timeout(after)
        if (event := lock.take(alone)) is not None:
            yield event
        order.append((name, env.now))
        yield env.timeout(holds)
        lock.give(alone)

    for case in (("a", False, 0, 5), ("b", False, 1, 5), ("x", True, 2, 3), ("c", False, 3, 1),
                 ("d", False, 4, 1), ("y", True, 5, 1)):  # fmt: skip
        env.process(one(*case))
    env.run()
    assert order == [("a", 0), ("b", 1), ("x", 6), ("c", 9), ("d", 9), ("y", 10)]


def test_a_slot_that_is_given_back_goes_to_who_has_waited_longest():
    env = simpy.Environment()
    slots = Slots(env, 1)
    assert slots.take() is None
    first, second = slots.take(), slots.take()
    slots.give()
    assert (first.triggered, second.triggered) == (True, False)
    slots.give()
    slots.give()
    assert slots.take() is None
    assert slots.take() is not None


# -- predictions and real runs ---------------------------------------------------------------------

NO_COST = Request(cpu_s=0.0)


def free_board(**given) -> BoardCosts:
    return BoardCosts(**({"step": NO_COST, "read": NO_COST, "row": NO_COST, "publish": NO_COST}
                         | given))  # fmt: skip


def test_a_board_that_costs_nothing_leaves_the_time_of_the_models():
    given = Workload(agents=1, tasks=7, latency_s=2.0, turns=3)
    draw = random.Random(0)
    calls_s = draw.uniform(0, 2.0) + sum(draw.uniform(LEAST, MOST) * 2.0 for _ in range(21))
    assert predicted_board.predict(given, free_board()) == pytest.approx(calls_s)
    assert predicted_board.predict_threads(given, 0.0, 0.0) == pytest.approx(calls_s)


def test_a_saturated_board_does_as_many_steps_as_its_processors_have_time_for():
    given = Workload(agents=64, tasks=2000, latency_s=0, turns=0, publish_every=0)
    board = free_board(step=Request(cpu_s=0.002))
    assert predicted_board.predict(given, board) == pytest.approx(2064 * 0.002 / 2, rel=0.01)


def test_the_wait_of_a_finding_is_found_again_from_a_saturated_run():
    given = Workload(agents=64, tasks=200, latency_s=0, turns=0, publish_every=1)
    true = free_board(publish=Request(cpu_s=0.002, wait_s=0.013), step=Request(cpu_s=0.001))
    unknown = replace(true, publish=replace(true.publish, wait_s=0.0))
    fitted = calibration.with_hold(
        unknown, lambda board: predicted_board.predict(given, board),
        predicted_board.predict(given, true),
    )  # fmt: skip
    assert fitted.publish.wait_s == pytest.approx(0.013, rel=0.01)


def test_a_machine_of_half_the_speed_takes_twice_as_long_where_nobody_waits_for_a_model():
    given = Workload(agents=16, tasks=300, latency_s=0, turns=2, publish_every=3)
    one = Request(cpu_s=0.001, wait_s=0.002)
    board = free_board(step=one, read=one, row=one, publish=one)
    twice = predicted_board.predict(given, board.slower(2))
    assert twice == pytest.approx(2 * predicted_board.predict(given, board))


def compared(agents: int, error: float) -> Compared:
    return Compared(design="decentralized", regime="board", agents=agents, measured_s=10.0,
                    predicted_s=10.0 * (1 + error))  # fmt: skip


@pytest.mark.parametrize(
    ("runs", "code"),
    [
        ([(8, 0.149), (1000, -0.149)], 0),
        ([(8, 0.0), (1000, 0.151)], 1),
        ([(8, -0.151), (1000, 0.0)], 1),
        ([(1, 0.9), (8, 0.1)], 0),
    ],
)
def test_a_prediction_of_eight_agents_or_more_that_is_off_by_more_is_a_failure(runs, code, capsys):
    assert calibration.verdict([compared(*run) for run in runs]) == code
    assert ("MORE THAN" in capsys.readouterr().out) == bool(code)


def test_real_agents_on_a_real_board_do_each_task_once_and_publish_what_they_should():
    server = made()
    try:
        given = Workload(agents=12, tasks=60, latency_s=0.02, turns=2, publish_every=5)
        run = real_board.play(server.url, server.folder, "simulated", given)
    finally:
        server.remove()
    assert (run.done, run.entries) == (60, 12)
    assert {what: count for what, (count, _) in run.steps.items()} == {
        "claim": 12, "read": 120, "publish": 12, "step": 60,
    }  # fmt: skip
    assert run.server_s > 0
    assert run.client_s > 0


def test_real_threads_do_each_task_once_and_see_every_note():
    _, notes = real_threads.play(
        Workload(agents=40, tasks=400, latency_s=0.001, turns=2, publish_every=4)
    )
    assert notes == 100


def test_the_real_main_agent_ends_its_rounds_and_hands_in():
    still = real_central.Rounds(agents=7, base_s=0, subtask_s=0, report_s=0)
    assert event_loop.run(real_central.play, still) > 0, "it says itself what did not end"


def test_rounds_are_the_main_agents_calls_and_the_slowest_subagent():
    given = real_central.Rounds(agents=10, rounds=2, turns=3, base_s=1.0, subtask_s=0.1,
                                report_s=0.01)  # fmt: skip
    calls_s = (1 + 1.0) + (1 + 1.0 + 0.1) + (1 + 0.2)
    assert real_central.predict(given, 0.0) == pytest.approx(calls_s + 2 * 3 * 1.0)
    busy = calls_s + 2 * 3 * 10 * 2.0 + 2 * 1.0  # 2 s of its own for each call of ten subagents
    assert real_central.predict(given, 2.0) == pytest.approx(busy)


# -- inputs, figures, command ----------------------------------------------------------------------


def test_every_input_says_where_it_comes_from():
    def look(given: dict, path: str = "") -> int:
        if "is" in given:
            assert set(given) == {"is", "from"}, path
            assert len(str(given["from"])) > 6, path
            return 1
        return sum(look(each, f"{path} {name}") for name, each in given.items())

    assert look(yaml.safe_load(costs.FILE.read_text())) > 25


def test_the_committed_figures_are_those_that_the_script_gives():
    with (SCRIPTS / "simulation" / "outcomes.csv").open() as file:
        rows = {
            (row["work"], row["design"], int(row["agents"])): row for row in csv.DictReader(file)
        }
    assert len(rows) == 2 * len(DESIGNS) * len(simulate.AGENTS)
    for design in DESIGNS:
        came = simulate.play("growing", design, 316, fixed=simulate.FIXED, seed=0)
        row = rows["growing", came.design, 316]
        for name, value in asdict(came).items():
            assert row[name] == (f"{value:.6g}" if isinstance(value, float) else str(value)), name


@pytest.mark.parametrize(
    ("words", "told"),
    [(["--seed", "many"], "invalid int value: 'many'"),
     (["--calibrate", "--plots", "x"], "leave out --calibrate"),
     (["--fast"], "unrecognized arguments")],
)  # fmt: skip
def test_what_is_wrong_on_the_command_line_is_said_in_a_line(words, told):
    done = subprocess.run([sys.executable, SCRIPTS / "simulate.py", *words], capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 2
    assert told in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
