"""The run's store: everything that must survive is a row in it before anything acts on it.

`protocol` says what every backend promises and `rows` what it reads and writes; `opening` opens one
by its address. `connection` is the boards' too. Imported by whoever reads a run; it imports nothing
of the harness but text, locks and errors.
"""
