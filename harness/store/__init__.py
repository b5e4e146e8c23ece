"""The run's store: everything that must survive is a row in it before anything acts on it.

Imported by runner, analysis, results, exports and commands; its connection also by the board.
"""
