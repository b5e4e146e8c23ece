"""A row of SWE-bench as the Hub has it."""

ROW = {
    "instance_id": "owner__Repo-1",
    "repo": "owner/Repo",
    "base_commit": "0" * 40,
    "problem_statement": "It is broken.",
    "hints_text": "the answer is 42",
    "version": "1.0",
    "patch": "gold",
    "test_patch": "tests",
    "FAIL_TO_PASS": '["test_a", "test_b[x y]"]',
    "PASS_TO_PASS": ["test_c"],
    "image": "registry/image:tag",
    "eval_script": "#!/bin/bash\ntrue\n",
    "log_parser": "parse_log_pytest",
    "eval_type": "pass_and_fail",
}


TEST_PATCH = """\
diff --git a/tests/test_old.py b/tests/test_old.py
--- a/tests/test_old.py
+++ b/tests/test_old.py
@@ -1 +1 @@
-old = 1
+old = 2
diff --git a/tests/new file.py b/tests/new file.py
new file mode 100644
--- /dev/null
+++ b/tests/new file.py
@@ -0,0 +1 @@
+new = 1
diff --git a/tests/gone.py b/tests/gone.py
deleted file mode 100644
--- a/tests/gone.py
+++ /dev/null
@@ -1 +0,0 @@
-gone = 1
"""
