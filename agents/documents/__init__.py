"""Systems that answer questions about long documents, LongBench-v2's baselines among them."""

from agents.documents.delm import DelmDocuments
from agents.documents.full_context import FullContext
from agents.documents.parallel import ParallelReaders
from agents.documents.readagent import ReadAgent

__all__ = ["DelmDocuments", "FullContext", "ParallelReaders", "ReadAgent"]
