"""Linear equations in fractions, solved exactly: sparse elimination with right sides that are sums of named parts."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from fractions import Fraction
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)


def solve(matrix: Sequence[Mapping[int, Fraction]], right: Sequence[Mapping[Name, Fraction]]) -> list[dict[Name, Fraction]]:
    """The x with matrix x = right; rows of ``matrix`` are sparse, each right side has a part for each name.

    Raises :class:`ArithmeticError` where there is no single solution.
    """
    size = len(matrix)
    rows = [{j: v for j, v in row.items() if v} for row in matrix]
    sides = [dict(side) for side in right]
    left = set(range(size))
    order: list[tuple[int, int]] = []
    for column in range(size):
        # The shortest row keeps the elimination sparse; any row would do, fractions lose nothing.
        choices = [i for i in left if column in rows[i]]
        if not choices:
            raise ArithmeticError("the equations have no single solution")
        pivot = min(choices, key=lambda i: (len(rows[i]), i))
        left.remove(pivot)
        order.append((column, pivot))
        for i in choices:
            if i != pivot:
                _take(rows[i], rows[pivot], sides[i], sides[pivot], rows[i][column] / rows[pivot][column])
    found: list[dict[Name, Fraction]] = [{} for _ in range(size)]
    for column, pivot in reversed(order):
        side = sides[pivot]
        for j, v in rows[pivot].items():
            if j != column:
                for name, part in found[j].items():
                    side[name] = side.get(name, Fraction(0)) - v * part
        found[column] = {name: part / rows[pivot][column] for name, part in side.items() if part}
    return found


def _take(
    row: dict[int, Fraction], pivot: dict[int, Fraction], side: dict[Name, Fraction], pivot_side: dict[Name, Fraction], times: Fraction
) -> None:
    """Subtract a multiple of the pivot's equation from another one."""
    for j, v in pivot.items():
        value = row.get(j, Fraction(0)) - times * v
        if value:
            row[j] = value
        else:
            row.pop(j, None)
    for name, part in pivot_side.items():
        side[name] = side.get(name, Fraction(0)) - times * part
