"""What differs, as a patch: whatever was done to the files and to the repository's own.

`bench` is one sandbox for all of it, with everything put back before each test.
"""

import pytest
from patched_trees import inside, patched

from harness.errors import SandboxError

pytestmark = pytest.mark.slow(seconds=25)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


COMMIT = "git -c user.name=x -c user.email=x@x commit -q"
CHANGES = {
    "modified": "echo more >> a.txt; sed -i s/-/+/ pkg/core.py",
    "added": "echo new > new.py; mkdir -p deep/er; echo new > deep/er/new.py; : > empty.py",
    "deleted": "rm a.txt pkg/extra.py",
    "renamed": "git mv pkg/extra.py pkg/other.py; mv a.txt b.txt; echo more >> b.txt",
    "binary": r"head -c 3000 /dev/urandom > data.bin; printf '\0\1\2' > new.bin",
    "mode": "chmod +x a.txt; chmod -x run.sh",
    "unreadable": "echo more >> a.txt; chmod 000 a.txt; mkdir d; echo x > d/x; chmod 000 d",
    "another encoding": r"printf 'd\xe9j\xe0 \xff\n' >> latin1.txt; printf '\xfe\xff' > new.txt",
    "a name in another encoding": r"touch $'caf\xe9'; echo x > $'\xff\xfe'; echo more >> a.txt",
    "both of them": r"echo x > $'\xff'; printf '\xfe\n' >> latin1.txt",
    "emptied": ": > a.txt; rm pkg/__init__.py; echo x > pkg/__init__.py",
    "the last newline": r"printf 'one\ntwo' > a.txt; printf '\n' >> 'no newline.txt'",
    "line endings": r"printf '3\r\n' >> crlf.txt; printf '1\r\n2\n' > a.txt; printf 'x\r' > x",
    "names": r"""
        touch 'a b' $'tab\there' $'new\nline' 'quo"te' "apos'" 'ünï' -- '-dash' ' lead' 'tail '
        touch 'back\slash' ':(top)x' '*' '$HOME' '\!x' '#x' '!x'
        echo y > ünïcode.txt; mkdir '[d] '; echo y > '[d] /f'""",
    "links": "ln -sf /etc/passwd link; ln -s ../.. up; ln -s nowhere new; ln -s /root home",
    "a link for a file": "rm a.txt; ln -s pkg/core.py a.txt; rm -r pkg; ln -s / pkg",
    "a folder for a file": "rm a.txt; mkdir a.txt; echo x > a.txt/x",
    "a file for a folder": "rm -r pkg; echo x > pkg",
    "a file for a link": "rm link; echo x > link",
    "a link for a folder": "mv pkg real; ln -s real pkg",
    "commits": f"echo 1 >> a.txt; {COMMIT} -am 1; echo 2 > n; git add n; {COMMIT} -m 2; rm link",
    "an emptied index": "echo 1 >> a.txt; echo 2 > new; git rm -rq --cached .; rm pkg/core.py",
    "a reset": f"""
        echo 1 >> a.txt; {COMMIT} -am 1; echo 2 >> a.txt; {COMMIT} -am 2
        git reset -q HEAD~; git stash -q; git reset -q --hard HEAD~; echo 3 > n""",
    "another history": f"""
        git checkout -q --orphan x; git rm -rfq .; echo x > only; git add only; {COMMIT} -m x""",
    "flags in the index": """
        git update-index --assume-unchanged a.txt; echo 1 >> a.txt
        git update-index --skip-worktree pkg/core.py; echo 1 >> pkg/core.py""",
    "ignored files": "echo x > x.ignored; mkdir __pycache__; echo x > __pycache__/x; echo y > y",
    "an unborn branch": "echo ref: refs/heads/none > .git/HEAD; echo x >> a.txt",
    "no repository": "rm -rf .git; echo x >> a.txt; rm data.bin; echo n > n",
    "no repository and a closed temporary folder": "rm -rf .git; echo x >> a.txt; chmod 0 /tmp",
    "another repository": f"""
        rm -rf .git; git init -q; echo x >> a.txt; git add a.txt; {COMMIT} -m x""",
    "an empty repository": "rm -rf .git; git init -q; echo x >> a.txt",
    "a file for the repository": "rm -rf .git; echo gitdir: /tmp > .git; echo x >> a.txt",
    "a link for the repository": "mv .git /tmp/moved; ln -s /tmp/moved .git; echo x >> a.txt",
    "a wrong link for the repository": "rm -rf .git; ln -s /nowhere .git; echo x >> a.txt",
    "damaged objects": "find .git/objects -type f | head -8 | xargs rm -f; echo x >> a.txt",
    "no objects": "rm -rf .git/objects; echo x >> a.txt; rm data.bin",
    "a locked index": "touch .git/index.lock .git/HEAD.lock; echo x >> a.txt",
    "hostile settings": """
        git config diff.noprefix true; git config core.fsmonitor 'touch /tmp/owned; false'
        git config diff.external 'touch /tmp/owned; true'; git config core.autocrlf true
        git config diff.renames copies; git config diff.context 0; git config color.ui always
        git config core.attributesFile /tmp/attributes; echo '* -diff' > /tmp/attributes
        git config core.excludesFile /tmp/excludes; echo '*' > /tmp/excludes
        git config core.hooksPath /tmp/hooks; git config core.worktree /tmp
        git config core.fileMode false; git config core.symlinks false
        git config diff.orderFile /tmp/order; git config diff.interHunkContext 9
        git config core.bare true; echo '[broken' >> .git/config
        echo more >> a.txt; chmod -x run.sh; ln -sf nowhere link; echo n > ünï""",
    "hostile user settings": """
        git config --global core.fsmonitor 'touch /tmp/owned'
        git config --global diff.noprefix true; git config --global core.bare true
        git config --global diff.external 'touch /tmp/owned'; mkdir -p ~/.config/git
        echo '* -diff' > ~/.config/git/attributes; echo '*' > ~/.config/git/ignore
        echo 'export GIT_DIR=/tmp GIT_INDEX_FILE=/x GIT_EXTERNAL_DIFF="touch /tmp/owned"' \\
          > ~/.bashrc
        cp ~/.bashrc ~/.profile; cp ~/.bashrc ~/.bash_profile; . ~/.bashrc
        echo more >> a.txt; echo n > n""",
    "hostile attributes": """
        git config filter.x.clean 'touch /tmp/owned; echo gone'; git config filter.x.smudge cat
        git config filter.x.required true; git config merge.x.driver 'touch /tmp/owned'
        git config diff.x.textconv 'touch /tmp/owned; echo gone'
        git config diff.x.command 'touch /tmp/owned'
        echo '*.txt filter=x diff=x merge=x' > .gitattributes; mkdir -p .git/info
        echo '*.py filter=x diff=x -text' > .git/info/attributes; echo more >> a.txt
        echo '# more' >> pkg/core.py""",
    "hooks": r"""
        mkdir -p .git/hooks; cd .git/hooks; printf '#!/bin/sh\ntouch /tmp/owned\n' > post-checkout
        chmod +x post-checkout; for hook in pre-commit post-index-change fsmonitor-watchman; do
        cp post-checkout $hook; done; cd ../..; echo more >> a.txt""",
    "a repository in it": f"""
        echo more >> a.txt; git init -q inner; echo x > inner/x; mkdir 'in ner'; cd 'in ner'
        git init -q; echo y > y; mkdir d; echo w > d/w; git add .; {COMMIT} -m y
        mkdir d/deeper; git init -q d/deeper; echo z > d/deeper/z; ln -s / d/deeper/root""",
    "a repository over its own files": f"""
        cd pkg; git init -q; git add .; {COMMIT} -m x; echo 1 >> core.py""",
    "an ignored repository": "git init -q x.ignored; echo x > x.ignored/x; echo x >> a.txt",
    "things that are no files": "mkfifo fifo; mkfifo pkg/fifo; echo x >> a.txt",
    "what was untracked": """
        echo more >> 'untracked at start.txt'; touch excluded-at-start; echo n > n""",
}


class TestADifference:
    @pytest.mark.parametrize("change", CHANGES)
    async def test_applied_to_the_pristine_tree_gives_the_tree(self, kind, bench, tmp_path, change):
        made = await bench.exec(CHANGES[change])
        assert made.exit_status == 0, made.output
        patch = await bench.diff()
        assert patch.endswith("\n")
        wanted = await inside(bench)
        assert patched(kind, tmp_path, patch) == wanted
        assert "untracked" not in patch
        assert "x.ignored" not in patch
        left = await bench.exec("ls -d /tmp/owned /tmp/.delm* /tmp/tmp.*")
        assert left.output.count("No such file") == 3, left.output

    async def test_is_empty_where_nothing_was_changed(self, bench):
        await bench.exec("touch a.txt; git gc -q; chmod 600 pkg/core.py; mkdir empty")
        assert await bench.diff() == ""

    async def test_never_follows_a_link(self, bench):
        await bench.exec("echo secret > /tmp/secret; ln -s /tmp/secret s; ln -s /tmp all")
        patch = await bench.diff()
        assert "new file mode 120000" in patch
        assert "+secret" not in patch

    async def test_has_in_binary_form_only_the_files_that_are_no_text(self, bench):
        made = await bench.exec(r"""
            printf 'd\xe9j\xe0\n' >> latin1.txt; printf '3\r\n' >> crlf.txt
            echo more >> a.txt; echo 'diff --git a/x b/x' > ünï.txt; printf 'x\n' > $'caf\xe9'
            rm pkg/extra.py; printf '\xfe\n' > pkg/extra.py; rm link; echo file > link""")
        assert made.exit_status == 0, made.output
        patch = await bench.diff()
        parts = ("\n" + patch).split("\ndiff --git ")[1:]
        binary = [part.partition("\n")[0] for part in parts if "GIT binary patch" in part]
        assert len(parts) == 8  # a link that became a file is removed and added
        assert binary == [
            r'"a/caf\351" "b/caf\351"',
            "a/latin1.txt b/latin1.txt",
            "a/pkg/extra.py b/pkg/extra.py",
        ]
        assert "+more\n" in patch
        assert "+3\r\n" in patch
        assert "b/ünï.txt" in patch

    async def test_leaves_the_index_and_the_files_as_they_are(self, bench):
        await bench.exec("echo 1 >> a.txt; git add a.txt; echo 2 >> a.txt; echo n > n; rm link")
        before = (await bench.exec("git status --porcelain; git diff; git diff --cached")).output
        await bench.diff()
        after = (await bench.exec("git status --porcelain; git diff; git diff --cached")).output
        assert before == after

    @pytest.mark.parametrize(
        "written", ["head -c 25000000 /dev/urandom > large", "truncate -s 60M large{1..20}"]
    )
    async def test_over_its_size_is_refused(self, bench, written):
        await bench.exec(written)
        with pytest.raises(SandboxError, match="too large"):
            await bench.diff()
        await bench.exec("rm large*; echo fine > fine")
        assert "+fine" in await bench.diff()
