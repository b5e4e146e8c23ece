"""The pages of the server: what is there, what is not, and what is said of it."""

import csv
import io
import re
from collections import Counter

import pytest
from page_server import page_server

HREF = re.compile(r'(?:href|src)="(/[^"#]*)')


def test_runs_are_listed_the_newest_first_and_a_broken_one_says_what_is_wrong(server):
    page = server.page("/")
    assert page.index(">second</a>") < page.index(">first</a>")
    assert "cannot be read" in page
    assert "not a run&#39;s database" in page
    assert ">linked<" not in page
    assert ">empty<" not in page


def test_what_is_foreign_is_text(server):
    for path in ("/", "/runs/second", "/runs/second/rows/trials?system=%3Cscript%3Ex"):
        assert "<script>" not in re.sub(r"<script src=", "", server.page(path))


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/runs/third", "There is no run third"),
        ("/runs/empty", "There is no run empty"),
        ("/runs/linked", "There is no run linked"),
        ("/runs/%2E%2E", "There is no run .."),
        ("/runs/..%2Foutside", "There is no"),
        ("/runs/first%2F..%2Ffirst", "There is no"),
        ("/runs/first%00", "There is no run first"),
        ("/runs/" + "x" * 5000, "There is no run xxx"),
        ("/runs/first/trials/999", "has no trial 999"),
        ("/runs/first/trials/-1", "There is no such page"),
        ("/runs/first/trials/x", "There is no such page"),
        ("/runs/first/rows/nonsense", "There is no table nonsense; there are: trials, calls"),
        ("/runs/first/rows/sqlite_master", "There is no table sqlite_master"),
        ("/assets/nothing.js", "There is no file nothing.js"),
        ("/assets/..%2Flinks.py", "There is no"),
        ("/nothing", "Nothing is at /nothing"),
    ],
)
def test_a_page_that_is_not_there_says_so_in_plain_words(server, path, says):
    answer = server.get(path)
    assert answer.status_code == 404
    assert "Traceback" not in answer.text
    assert says in answer.text


def test_a_run_that_cannot_be_read_has_a_page_that_says_why(server):
    answer = server.get("/runs/broken")
    assert answer.status_code == 503
    assert "This run cannot be read" in answer.text
    assert "Traceback" not in answer.text


def test_a_column_that_is_not_there_is_named_and_no_text_of_a_reader_is_sql(server):
    answer = server.get("/runs/first/rows/calls?nonsense=1")
    assert answer.status_code == 400
    assert "there is no column nonsense; there are: call_id" in answer.text
    for query in ("sort=call_id;drop%20table%20call", "call_id)--=1", "sort=-1"):
        assert server.get(f"/runs/first/rows/calls?{query}").status_code == 400
    found = server.page("/runs/first/rows/calls?system=single%27%20or%20%271%27=%271")
    assert "0 rows where" in found


def test_every_kind_of_link_leads_somewhere(server):
    shapes: Counter[str] = Counter()
    todo = ["/"]
    while todo:
        for found in HREF.findall(server.page(todo.pop())):
            address = found.replace("&amp;", "&")
            shape = re.sub(r"=[^&]*", "", re.sub(r"\d+|first|second|agent-|patch-", "N", address))
            shape = re.sub(r"rows/\w+\?.*", "rows/N?", shape)  # links of a page of rows
            if "/runs/broken" not in address and shapes[shape] < 2:
                shapes[shape] += 1
                todo.append(address)
    assert len(shapes) > 25


def test_a_head_is_an_answer_without_its_text(server):
    answer = server.head("/runs/first")
    assert answer.status_code == 200
    assert answer.text == ""
    assert int(answer.headers["content-length"]) == len(server.get("/runs/first").content)


def test_a_page_that_has_not_changed_is_not_sent_again(server):
    first = server.get("/runs/first")
    again = server.get("/runs/first", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


def test_rows_are_filtered_sorted_and_summed(server):
    page = server.page("/runs/first/rows/calls?system=single&outcome=ok&sort=-call_id")
    assert "where" in page
    ids = [int(found) for found in re.findall(r'calls/(\d+)">', page)]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == len(set(ids)) > 3
    rows = list(
        csv.DictReader(io.StringIO(server.page("/runs/first/rows/calls.csv?system=single")))
    )
    assert {row["system"] for row in rows} == {"single"}
    some = server.page("/runs/first/rows/calls?column=outcome&how=not&value=ok")
    assert "outcome is not ok" in some
    tasks = server.page("/runs/first/rows/tasks?trial_id=9&kind.has=PATCH")
    assert "3 rows" in tasks
    assert "There is no" not in server.page("/runs/second/rows/tasks")


def test_every_table_has_a_page_and_a_csv(server):
    for table in ("trials", "calls", "submissions", "tasks", "proposals", "entries", "events",
                  "spans"):  # fmt: skip
        page = server.page(f"/runs/first/rows/{table}")
        told = list(csv.reader(io.StringIO(server.page(f"/runs/first/rows/{table}.csv"))))
        rows = re.search(r"([\d,]+) rows?", page)
        assert rows
        assert int(rows[1].replace(",", "")) == len(told) - 1


def test_the_report_is_a_file_to_keep_and_no_page_of_this_server(runs, server):
    assert server.get("/runs/first/report.html").status_code == 404
    assert "report.html" not in server.page("/runs/first")
    (runs / "first" / "report.html").write_text("<script>1</script>")
    answer = server.get("/runs/first/report.html")
    assert answer.headers["content-disposition"] == 'attachment; filename="first.html"'
    assert "/runs/first/report.html" in server.page("/runs/first")
    (runs / "first" / "report.html").unlink()
    (runs / "first" / "report.html").symlink_to("/etc/hostname")
    assert server.get("/runs/first/report.html").status_code == 404
    (runs / "first" / "report.html").unlink()


def test_a_folder_of_any_name_is_a_run(runs, server):
    name = '<b> & "x" %2F ü'
    (runs / "second").rename(runs / name)
    try:
        page = server.page("/")
        assert "<b>" not in page
        found = [each for each in HREF.findall(page) if "%3Cb%3E" in each]
        assert found
        assert "&lt;b&gt; &amp;" in server.page(found[0])
        assert all("%3Cb%3E" in each for each in HREF.findall(server.page(found[0]))
                   if each.startswith("/runs/"))  # fmt: skip
    finally:
        (runs / name).rename(runs / "second")


def test_the_stream_of_a_run_has_a_head(server):
    assert server.head("/runs/first/live").text == ""


def test_what_takes_long_comes_after_the_grid_and_is_made_once(runs, monkeypatch):
    from harness.view import run_sections

    monkeypatch.setattr(run_sections, "SMALL", 0)
    with page_server(runs) as client:
        page = client.page("/runs/first?sort=cost")
        later = re.search(r'data-later="([^"]+)"', page)
        assert later
        assert 'id="grid"' in page
        assert 'id="fine-print"' not in page
        whole = client.page(later[1].replace("&amp;", "&"))
        assert "data-later" not in whole
        assert 'id="fine-print"' in whole
        made = []
        monkeypatch.setattr(run_sections, "run_sections", lambda *given: made.append(1) or [])
        again = client.page("/runs/first?sort=-cost")
        assert 'id="fine-print"' in again
        assert not made
