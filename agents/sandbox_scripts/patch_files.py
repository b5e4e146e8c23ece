"""Scripts about the files of a patch that is applied and not committed."""

# Prints the texts of changed files, before and after; what is no UTF-8 is left out.
TEXTS = r"""
import json, os, subprocess, sys
texts = {}
for path in json.loads(sys.argv[1]):
    before = subprocess.run(["git", "show", "HEAD:" + path], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL)
    try:
        after = open(path, "rb").read().decode() if os.path.isfile(path) else ""
        texts[path] = [before.stdout.decode() if not before.returncode else None, after]
    except UnicodeDecodeError:
        pass
sys.stdout.write("\nDELM" + json.dumps(texts))
"""
