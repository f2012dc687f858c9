"""Rare events of the unconditional law: tilts, splitting, and what may be said of them."""

from stresslab.tail.again import Weighted, weighted_path
from stresslab.tail.event import Event, read_event
from stresslab.tail.kept import Kept
from stresslab.tail.request import Request, check_request, read_request
from stresslab.tail.search import FIRST_PATH, Answer, Question, Search, beside
from stresslab.tail.tables import paths_table, tail_table

__all__ = [
    "FIRST_PATH", "Answer", "Event", "Kept", "Question", "Request", "Search", "Weighted", "beside", "check_request", "paths_table",
    "read_event", "read_request", "tail_table", "weighted_path",
]
