"""A dataset file that joins others."""

from pathlib import Path

import pytest

from harness.benchmarks.row_files import BUNDLED
from harness.benchmarks.rows import check_rows, load
from harness.cache import cache_dir
from harness.errors import UserError


def joined(folder: Path, names: str) -> str:
    path = folder / "both.yaml"
    path.write_text(f"datasets: {names}\n")
    return str(path)


def test_a_dataset_joins_bundled_ones(tmp_path):
    alone = load("sample", cache=cache_dir()).items
    assert load(joined(tmp_path, "[sample]"), cache=cache_dir()).items == alone


def test_an_instance_that_two_datasets_have_is_told(tmp_path):
    _, rows = check_rows(joined(tmp_path, "[sample, sample]"), cache=cache_dir())
    faults = [fault for row in rows for fault in row.faults]
    assert set(faults) == {"is in an earlier dataset, too"}


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ("[nothing]", "there is no dataset 'nothing' beside it or bundled"),
        ("[]", "datasets: "),
        ("sample", "datasets: "),
        ("[both.yaml]", "both.yaml joins others itself"),
        ("[sample]\nmore: 1", "unknown key more"),
    ],
)
def test_what_joins_nothing_is_refused_in_one_line(tmp_path, names, why):
    with pytest.raises(UserError) as refused:
        load(joined(tmp_path, names), cache=cache_dir())
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_bundled_one_joins_both_sets():
    assert "verified-offline, injected-offline" in (BUNDLED / "bundled-offline.yaml").read_text()
