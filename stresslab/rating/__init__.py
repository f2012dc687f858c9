"""The rating: six dimensions, four grades, what lowers them, and how paths migrate, in exact arithmetic.

Formulas (M-42), (M-43) and (M-123) to (M-125) of ``docs/method.md``. :func:`grade` is the pure rule, :func:`read_scale`
reads the scale that a regulator may replace, :func:`rate` applies it to a finished run. No float
decides a comparison: money is integer, scale values are decimals, everything between is a
fraction. Floats appear only where a share of paths is reported with its sampling error, and where they are far from any line.
"""

from stresslab.rating.grades import migrations, rate
from stresslab.rating.rule import Graded, coverage_gap_li, grade, score
from stresslab.rating.scale import Scale, read_scale

__all__ = ["Graded", "Scale", "coverage_gap_li", "grade", "migrations", "rate", "read_scale", "score"]
