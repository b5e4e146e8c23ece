"""The diff of a sandbox is what is in the sandbox, whatever was done to git's ways of looking.

Applied to the pristine tree it gives the files that are there, but for those that are named as left
out since no patch can hold them.
"""

import anyio
import pytest
from patched_trees import inside, patched

pytestmark = pytest.mark.slow(seconds=16)

GIT = "git -c user.name=x -c user.email=x@x"
OBJECT = "h=$(git rev-parse %s); f=.git/objects/${h:0:2}/${h:2}; chmod u+w $f"
FORGE = """python3 - "$f" <<'E'
import sys, zlib
open(sys.argv[1], "wb").write(zlib.compress(b"blob 10\\0never\\nwas\\n"))
E"""
CHANGES = {
    "a repository whose name ends in a newline": r"""
        git init -q $'pkg\n'; echo in > $'pkg\n/in'; mkdir pkg2; echo real > pkg2/real.py""",
    "a repository whose name ends in a carriage return": r"""
        echo beside > x; git init -q $'x\r'; echo in > $'x\r/in'; echo y > $'y\r'""",
    "a rule that wants a repository without a commit": """
        git init -q sub; echo 1 > sub/f.py; echo '!sub' >> .gitignore""",
    "rules that name what they want, and a repository": f"""
        printf '*\\n!*/\\n!*.py\\n!*.txt\\n!.gitignore\\n' > .gitignore
        git init -q sub; cd sub; echo 1 > f.py; {GIT} add .; {GIT} commit -qm x""",
    "rules for what was untracked at the start": r"""
        printf '!untracked*\n!*/\n!*\n' >> .gitignore; echo x >> 'untracked at start.txt'""",
    "rules for what was untracked in its own folder": "echo '!*' > 'untracked [folder]/.gitignore'",
    "a FIFO for the rules": "rm .gitignore; mkfifo .gitignore; mkfifo pkg/.gitignore",
    "a FIFO for the attributes": "mkfifo .gitattributes pkg/.gitattributes",
    "a folder for the rules and one for the attributes": """
        rm .gitignore; mkdir .gitignore .gitattributes; echo x > .gitignore/x
        echo y > .gitattributes/y""",
    "links for the rules and the attributes": """
        mkfifo /tmp/fifo; rm .gitignore; ln -s /tmp/fifo .gitignore; ln -s /tmp/fifo .gitattributes
        ln -s /dev/zero pkg/.gitattributes""",
    "a FIFO for the alternates": "mkdir -p .git/objects/info; mkfifo .git/objects/info/alternates",
    "a FIFO for an object of the base": (OBJECT % "HEAD^{tree}") + "; rm $f; mkfifo $f",
    "a FIFO for the index": "rm .git/index; mkfifo .git/index .git/packed-refs",
    "a forged file of the base": (OBJECT % "HEAD:a.txt") + "\n" + FORGE,
    "a forged tree of the base": (OBJECT % "HEAD:pkg") + "\n" + FORGE + "\nrm pkg/extra.py",
    "a forged object of a new file": f"""
        echo new > new; h=$(git hash-object -w new); f=.git/objects/${{h:0:2}}/${{h:2}}
        chmod u+w $f\n{FORGE}""",
    "attributes that change line ends": r"""
        printf '* text=auto\n*.py eol=crlf\n*.md ident\n' > .gitattributes; printf '1\r\n' > new.txt
        printf '1\r\n2\n' > a.txt; printf 'a\r\n' >> pkg/core.py; echo '$Id: x $' > x.md""",
    "an encoding that the files have not": """
        echo '* working-tree-encoding=UTF-16' > .gitattributes; cp .gitattributes pkg
        echo n > n""",
    "attributes that hide and that name filters": """
        echo '* -diff -text export-ignore filter=x' > .gitattributes; echo n > n""",
    "names that are patterns to git": r"""
        touch ':(glob)**' ':(exclude)a.txt' ':!x' ':^x' ':/' ':' ':(literal)' '**' '[a-z]*' '\*'
        mkdir -- '-d' ':(attr:x)'; touch -- '-d/-f' ':(attr:x)/f' '--stdin'
        touch "$(printf '%0255d' 7)" """,
    "empty files and modes where a blank is before a slash": r"""
        mkdir ' ' 'x ' 'x /x ' pkg/' b'; touch ' / ' 'x /x /x' pkg/' b/ b'; echo x > 'x /y'
        chmod +x 'x /y'; touch $'x /\xfc'""",
    "names that differ by case alone": """
        echo A > A.txt; mkdir PKG; echo 1 > PKG/core.py; echo 2 > PKG/CORE.PY; echo > .gitIgnore""",
    "a large name space of patterns": r"""
        printf '%s\n' '*a*a*a*a*a*a*a*a*a*a*a*a*b' '**/**/**/**/**/**/**/zz' >> .gitignore
        touch $(printf 'a%.0s' {1..250}); mkdir -p a/a/a/a/a/a/a/a/a; touch a/a/a/a/a/a/a/x""",
}  # fmt: skip
REFUSED = {
    "echo x > git~1": ["git~1"],
    "mkdir .GIT pkg/.Git; echo x | tee .GIT/x > pkg/.Git/.gitattributes": [
        ".GIT/x",
        "pkg/.Git/.gitattributes",
    ],
    "ln -s a.txt .gitmodules": [".gitmodules"],
    r"ln -s $'\xff' pkg/there; echo $'\xff' > pkg/bytes": ["pkg/there"],
    r"ln -s $'\xff' $'quo\tted \"ü'": ['quo\tted "ü'],
    r"mkdir $'.git\\n '; echo x > $'.git\\n /x'; mkdir $'git~1\n'; echo x > $'git~1\n/x'": [
        r".git\n /x"
    ],
    "rm a.txt; mkdir -p a.txt/GIT~1; echo x | tee a.txt/GIT~1/x > a.txt/y": ["a.txt/GIT~1/x"],
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("change", CHANGES)
async def test_it_is_what_is_there_whatever_git_would_make_of_it(kind, bench, tmp_path, change):
    made = await bench.exec(f"echo more >> a.txt\n{CHANGES[change]}")
    assert made.exit_status == 0, made.output
    with anyio.fail_after(18):  # less than a repository that hangs is given
        patch = await bench.diff()
    assert patched(kind, tmp_path, patch) == await inside(bench)
    assert "+more\n" in patch or "line ends" in change
    assert bench.left_out == ()


@pytest.mark.parametrize("change", REFUSED)
async def test_a_path_that_no_patch_can_hold_is_left_out_alone_and_named(
    kind, bench, tmp_path, change
):
    made = await bench.exec(f"echo x >> run.sh\n{change}")
    assert made.exit_status == 0, made.output
    patch = await bench.diff()
    assert list(bench.left_out) == REFUSED[change]
    there = await inside(bench)
    named = [
        line for line in there for path in REFUSED[change] if line.startswith(repr(path.encode()))
    ]
    assert len(named) == len(REFUSED[change])
    assert patched(kind, tmp_path, patch) == [line for line in there if line not in named]
    await bench.exec("rm -rf .git")
    assert await bench.diff() == patch
    assert list(bench.left_out) == REFUSED[change]


async def test_it_starts_no_process_for_each_folder_that_looks_like_a_repository(bench):
    last_pid = "cut -d ' ' -f 5 /proc/loadavg"
    await bench.exec("mkdir -p many/{1..300}/.git; echo x >> a.txt; echo y > many/7/y")
    before = int((await bench.inspect(last_pid)).output)
    patch = await bench.diff()
    assert int((await bench.inspect(last_pid)).output) - before < 150
    assert patch.count("diff --git") == 2


async def test_the_base_says_how_files_are_converted_and_a_submodule_stays_as_it_is(kind):
    sandbox = await kind.open()
    try:
        await sandbox.exec(rf"""
            printf '*.bat text eol=crlf\n*.utf16 working-tree-encoding=UTF-16\n' > .gitattributes
            printf '1\r\n2\r\n' > x.bat; printf '1\r\n' > y.bat; git init -q sub
            printf '* text=auto\n' > pkg/.gitattributes; echo s > sub/s; cd sub; {GIT} add .
            {GIT} commit -qm s; cd ..; {GIT} add -A -- . ':!untracked*'; {GIT} commit -qm x""")
        await sandbox._note_base()
        assert await sandbox.diff() == ""
        made = await sandbox.exec(r"""
            printf '3\r\n' >> x.bat; echo 'no UTF-16' > new.utf16; rm .gitattributes
            printf '* -text\n' > pkg/.gitattributes; echo t > sub/t; rm -rf sub/.git""")
        assert made.exit_status == 0, made.output
        patch = await sandbox.diff()
        assert " 2\n+3\n" in patch
        assert "y.bat" not in patch
        assert "+no UTF-16\n" in patch
        assert "-* text=auto\n+* -text\n" in patch
        assert "deleted file mode 100644\n" in patch  # .gitattributes
        assert "sub" not in patch
        assert sandbox.left_out == ("sub/t",)
    finally:
        await sandbox.close()


async def test_pipes_for_the_names_of_users_stop_no_command_and_no_diff(kind, tmp_path):
    """bash looks its user up when it starts, and tar the owner of each file."""
    sandbox = await kind.open()
    await sandbox.exec("rm /etc/passwd /etc/group; mkfifo /etc/passwd /etc/group")
    assert (await sandbox.exec("echo x >> a.txt; echo y > new", timeout_s=8)).exit_status == 0
    with anyio.fail_after(18):
        patch = await sandbox.diff()
    assert patched(kind, tmp_path, patch) == await inside(sandbox)
    assert "+x" in patch
    await sandbox.exec("rm -rf .git")
    assert await sandbox.diff() == patch
    await sandbox.close()
