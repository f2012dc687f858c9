"""Rare events of the unconditional law: tilts, splitting, and what may be said of them."""

from stresslab.tail.event import Event, read_event
from stresslab.tail.request import Request, check_request, read_request
from stresslab.tail.search import Answer, Question, Search
from stresslab.tail.tables import paths_table, tail_table

__all__ = ["Answer", "Event", "Question", "Request", "Search", "check_request", "paths_table", "read_event", "read_request", "tail_table"]
