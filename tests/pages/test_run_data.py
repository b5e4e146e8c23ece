"""The data of a run's pages."""

from planted import plant

from harness.pages.run_data import run_data


async def test_a_run_is_read_with_its_systems_in_order_its_baseline_and_its_scores(tmp_path):
    folder = await plant(tmp_path)
    async with folder.open() as store, folder.boards() as boards:
        run = await run_data(store, boards, run_id=folder.run_id, output=tmp_path)
    assert run.systems == ["single", "independent", "delm", "delm-n2"]
    assert run.instances == ["a__a-1", "a__a-2", "b__b-3"]
    assert run.baseline == "single"
    assert run.run_id == "r"
    assert [row["system"] for row in run.scored.table] == run.systems
