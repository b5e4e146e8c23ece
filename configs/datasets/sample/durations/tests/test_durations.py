import pytest

from durations import seconds


@pytest.mark.parametrize(("text", "expected"), [("90s", 90), ("15m", 900), ("2h", 7200)])
def test_one_unit(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "h1"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError):
        seconds(text)
