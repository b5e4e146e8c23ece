"""`delm` over documents: N equal readers, a queue, and a context of checked findings.

The published mechanism (arXiv 2606.10662, section 4.2) on the board that issues have, too. A
document that fits is read whole by each reader. Of a longer one each part is a task and becomes an
entry with a gist, and readers get the text of the parts that their tasks name. One reader plans;
readers publish findings with quotations; where the queue is empty one of them decides whether more
is to be found out, and answers.
"""

import anyio

from agents.board.task_loop import TaskLoop
from agents.concurrency import together
from agents.documents.documents_trial import AUTHOR, DocumentsTrial
from agents.documents.options import DocumentOptions
from agents.loop import ended_by
from harness.board.vocabulary import agent_name
from harness.errors import LimitReached, ModelError
from harness.protocols import Trial

MOST_CHARS = 10  # of a token: a text with more characters for each that may be is too long


class DelmDocuments:
    """`delm` for questions about a document."""

    Options = DocumentOptions

    def __init__(self, options: DocumentOptions | None = None) -> None:
        self.options = options or DocumentOptions()

    async def run(self, trial: Trial) -> None:
        """See `harness.protocols.System`."""
        text = await trial.document()
        whole = fits(trial, text, self.options.whole_tokens)
        team = DocumentsTrial(trial, self.options, text, whole=whole)
        reason = "interrupted"
        await team.seed()
        try:
            names = [agent_name(number + 1) for number in range(trial.agents)]
            task_loops = [
                TaskLoop(trial, n, lease_s=self.options.lease_s, work=team.work) for n in names
            ]
            await together(task_loop.live for task_loop in task_loops)
            reason = "finished" if team.letter else team.unanswered
        except (LimitReached, ModelError) as end:
            reason = ended_by(end)
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await trial.queue.close(by="", reason=reason)
                await trial.submit(
                    AUTHOR,
                    team.letter,
                    reason=reason,
                    salvaged=reason != "finished",
                    agent=team.answered_by,
                )


def fits(trial: Trial, text: str, most: int) -> bool:
    """Whether `text` has at most `most` tokens, and at most half of the model's context."""
    if trial.context_tokens:
        most = min(most, trial.context_tokens // 2)
    return len(text) <= MOST_CHARS * most and trial.count_tokens(text) <= most
