"""The pages that compare systems, over HTTP."""

import pytest


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/runs/first/compare?a=solo", "has no system solo"),
        ("/runs/first/compare?a=single&b=%3Cscript%3E", "has no system &lt;script&gt;"),
        ("/runs/first/compare?a=delm&b=delm", "not compared with itself"),
        ("/runs/third/compare", "There is no run third"),
        ("/compare", "Name two systems"),
        ("/compare?a=first/single", "Name two systems"),
        ("/compare?a=first/single&b=first/single", "not compared with itself"),
        ("/compare?a=../first/single&b=first/delm", "There is no run .."),
        ("/compare?a=linked/single&b=first/delm", "There is no run linked"),
        ("/compare?a=first/single&b=second/solo", "The run second has no system solo"),
    ],
)
def test_what_cannot_be_compared_has_a_page_that_says_why(server, path, says):
    answer = server.get(path)
    assert answer.status_code == 404
    assert says in answer.text
    assert "Traceback" not in answer.text


def test_the_baseline_is_compared_with_another_unless_systems_are_chosen(server):
    page = server.page("/runs/first/compare")
    assert "independent and single" in page
    chosen = server.page("/runs/first/compare?a=delm&b=delm-n2&page=7")
    assert "delm and delm-n2" in chosen
    assert '<option value="delm-n2" selected>' in chosen
    assert "Where the dollars went" in chosen
    assert 'href="/runs/first/trials/' in chosen


def test_systems_of_two_runs_are_compared_under_the_names_of_both(server):
    page = server.page("/compare?a=first/delm&b=second/delm")
    assert "delm of first" in page
    assert "delm of second" in page
    assert 'href="/runs/first/trials/' in page
    assert 'href="/runs/second/trials/' in page
    assert '<option value="second/delm">' in server.page("/runs/first/compare?a=delm")
    same = server.page("/compare?a=first/single&b=first/delm")
    assert "of first" not in same
