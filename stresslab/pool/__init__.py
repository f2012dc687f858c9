"""The funding pool and who stands behind it: a static analysis of a book, nothing is simulated."""

from stresslab.pool.limits import Limits, read_limits
from stresslab.pool.through import LookThrough, look_through

__all__ = ["Limits", "LookThrough", "look_through", "read_limits"]
