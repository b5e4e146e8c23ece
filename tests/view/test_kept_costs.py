"""What ended trials cost is kept for all pages of a run, and never for another run."""

from pathlib import Path

from harness.analysis.cost_breakdown import CostSums
from harness.results.run_folder import DATABASE, RunFolder
from harness.view import reading
from harness.view.reading import Runs


def folder(place: Path, name: str = "r") -> RunFolder:
    (place / name).mkdir(exist_ok=True)
    (place / name / DATABASE).touch()
    return RunFolder(place, name)


def test_costs_are_kept_for_the_run_and_not_for_its_namesake(tmp_path):
    runs, one = Runs(tmp_path), folder(tmp_path)
    runs.costs(one, {"created_at": "a"})[1] = CostSums()
    assert list(runs.costs(one, {"created_at": "a"})) == [1]
    assert runs.costs(one, {"created_at": "b"}) == {}
    assert runs.costs(folder(tmp_path, "s"), {"created_at": "a"}) == {}


def test_no_more_is_kept_than_there_is_room_for(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "KEPT_COSTS", 10)
    runs = Runs(tmp_path)
    for number in range(20):
        known = runs.costs(folder(tmp_path, f"r{number}"), {})
        known |= {trial: CostSums() for trial in range(6)}
    kept = [len(runs.costs(folder(tmp_path, f"r{number}"), {})) for number in range(20)]
    assert sum(kept) <= 12
    last = runs.costs(folder(tmp_path, "r19"), {})
    last |= {trial: CostSums() for trial in range(11)}
    assert runs.costs(folder(tmp_path, "r19"), {}) == {}
