"""The board of one trial: a queue of tasks, and a context that only admitted entries enter.

`protocols` says what a board promises; each backend has a folder. The protocols are imported by
everybody, a backend only where a run is put together.
"""
