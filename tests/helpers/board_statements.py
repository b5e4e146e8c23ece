"""Statements on a board that has a claimed and an open task, which its tables refuse."""

REFUSED = (
    "UPDATE board_event SET actor = 'me'", "DELETE FROM board_event",
    "UPDATE board_entry SET gist = 'new'", "DELETE FROM board_entry",
    "UPDATE board_link SET kind = 'refutes'", "DELETE FROM board_link",
    "UPDATE board_proposal SET gist = 'new'", "DELETE FROM board_proposal",
    "UPDATE board_proposal SET settled = 'rejected', entry = NULL",
    "DELETE FROM board_task", "UPDATE board_task SET lease = NULL WHERE state = 'claimed'",
    "UPDATE board_task SET state = 'claimed' WHERE state = 'open'",
    "UPDATE board_task SET state = 'done' WHERE state = 'open'",
    "UPDATE board_task SET state = 'claimed', holder = 'ann', lease = 1, attempts = 1 "
    "WHERE state = 'open'",
    "UPDATE board_task SET state = 'open' WHERE state = 'claimed'",
    "UPDATE board_task SET holder = 'bob', attempts = 2, state = 'claimed' "
    "WHERE state = 'claimed'",
    "UPDATE board_task SET state = 'lost' WHERE state = 'open'",
    "UPDATE board_task SET label = 'same'", "UPDATE board_asked SET key = 'same'",
    "UPDATE board_asked SET text = 'new'", "DELETE FROM board_asked",
    "INSERT INTO board_asked SELECT 99, 1, key, '', '', '[]', '' FROM board_asked",
)  # fmt: skip
