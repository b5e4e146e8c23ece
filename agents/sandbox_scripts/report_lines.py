"""The part of the watching program that writes its report.

See `agents.sandbox_scripts.watch`. A line holds the key of its run, its process, its number in that
process, and what is said: whoever does not know the key, or leaves a line out, is told by it.
"""

REPORT_LINES = r"""
def report_writer(path, key, most):
    # A function that writes a line once. Beyond `most` lines it says that the report is full.
    import itertools, os
    from binascii import hexlify
    getpid, drawn, write, opening = os.getpid, os.urandom, os.write, os.open
    said, of = set(), [0, "", None]

    def put(what):
        line = repr((key, of[1], next(of[2])) + what) + "\n"
        file = opening(path, os.O_WRONLY | os.O_APPEND)
        write(file, line.encode("ascii", "backslashreplace"))
        os.close(file)

    def say(*what):
        if of[0] != getpid():  # it begins, or was forked
            of[:] = [getpid(), "%d-%s" % (getpid(), hexlify(drawn(4)).decode()),
                     itertools.count()]
            forked = bool(said)
            said.clear()
            said.add(("began",))
            put(("forked" if forked else "began",))
        if what in said:
            return
        if len(said) < most or what[0] == "ended":
            said.add(what)
            put(what)
        elif ("full",) not in said:
            said.add(("full",))
            put(("full",))

    return say
"""
