"""What was: daily tables of a market's past, read from the shapes in which people keep them."""

from stresslab.history.panel import History
from stresslab.history.read import read_history

__all__ = ["History", "read_history"]
