"""The funding pool and who stands behind it: a static analysis of a book, nothing is simulated."""

from stresslab.pool.rules import Rules, read_rules
from stresslab.pool.through import LookThrough, look_through

__all__ = ["LookThrough", "Rules", "look_through", "read_rules"]
