"""What a path needs to know before it can be led to a crash: tilted chains, and the worth of heights (M-60).

Made once when a scenario is resolved. Nothing here decides a law: rejection and weights make the draws exact whatever these
tables say, and only the number of attempts, or the effective number of candidates, depends on them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stresslab.kernels import guided
from stresslab.kernels.crash import DRAWDOWN, MINIMUM, TERMINAL, Crash, Guide, Tilt
from stresslab.kernels.laws import LAW_CHAIN, LAW_GARCH, FactorLaw, new_trace

F64 = NDArray[np.float64]
#: So many candidates are drawn for each path, where one normal moves a day and where two do, which guides them less well.
CANDIDATES_ALONE, CANDIDATES_OF_TWO = 16, 32
#: Heights of a guide: at least and at most so many, half a day's deviation apart where that many do.
HEIGHTS_LEAST, HEIGHTS_MOST, VARIANCES = 48, 256, 24
#: Bins of a day's normal where it alone moves the day, and of the two normals where there are two.
_ALONE = np.arange(-34, 35) / 4.0
_UPPER = np.array([0.2, 0.6, 1.0, 1.4, 1.8, 2.2, 2.7, 3.3, 4.0, 5.0, 8.0])
_MARKET = np.concatenate([-_UPPER[::-1], _UPPER])
_HALF = np.array([0.45, 0.9, 1.4, 1.9, 2.5, 3.2, 4.2, 6.5])
_VARIANCE = np.concatenate([-_HALF[::-1], [0.0], _HALF])


def tilted(law: FactorLaw, trough_day: int, log_depth: float, definition: int) -> Tilt:
    """The tilted chains that lead to a fall of ``log_depth`` in m days: in all days to the trough, or for a drawdown in any.

    With H_n(i) = Σ_j P_ij exp(θ μ_j + θ² σ_j² / 2) H_{n−1}(j) and H_0 = 1, the chain whose step with n days left is
    P_ij exp(...) H_{n−1}(j) / H_n(i), at the θ that makes ln H_m − θ log_depth least, makes that fall the usual one (Esscher).
    """
    if law.model == LAW_CHAIN:
        mean, variance = law.chain.mean, law.chain.sd**2 + law.chain.size_sd**2
        moves = np.diff(law.chain.cumulative, axis=1, prepend=0.0)
    else:
        mean, variance, moves = np.array([law.drift]), np.array([law.sd**2]), np.ones((2, 1))
    states, k = mean.size, trough_day
    alike = bool((moves == moves[0]).all())  # independent days: every step of the tilted chain is the same
    steps, rows = (1 if alike else k), (k if definition == DRAWDOWN else 1)
    out = Tilt(np.ones((rows, steps, states + 1, states)), np.zeros((rows, states + 1)), np.zeros(rows), np.zeros(rows), np.ones(k))
    for m in range(k - rows + 1, k + 1):
        at = k - m  # the day of the peak
        if variance.min() > 0.0:
            out.theta[at] = theta = _theta(mean, variance, moves, m, log_depth)
            ways = _ways(theta, mean, variance, moves, m)
            out.log_start[at] = ways[-1][0]
            start = out.log_start[at, states] if at == 0 else out.log_start[at, :states].max()
            out.log_bound[at] = start + _highest(theta, mean, variance, m, log_depth)
            for n in range(1, steps + 1):
                out.cumulative[at, n - 1] = np.cumsum(ways[min(n, m)][1], axis=1)
        else:
            out.cumulative[at] = np.cumsum(moves, axis=1)
    out.cumulative[..., -1] = 1.0
    if definition == DRAWDOWN:
        bound = out.log_bound if variance.min() > 0.0 else np.where(np.arange(k) == 0, 0.0, -np.inf)
        share = np.exp(bound - bound.max())
        out.peak[:] = np.cumsum(share) / share.sum()
        out.peak[-1] = 1.0
    return out


def _ways(theta: float, mean: F64, variance: F64, moves: F64, days: int) -> list[tuple[F64, F64]]:
    """ln H_n of each state and of the start, and the tilted transitions with n days left, for n = 0..days."""
    states = mean.size
    grown = theta * mean + 0.5 * theta**2 * variance
    found = [(np.zeros(states + 1), moves)]
    for _ in range(days):
        ahead = grown + found[-1][0][:states]
        most = float(ahead.max())
        weight = moves * np.exp(ahead - most)
        total = np.maximum(weight.sum(axis=1), 1e-300)
        found.append((np.log(total) + most, weight / total[:, None]))
    return found


def _theta(mean: F64, variance: F64, moves: F64, days: int, log_depth: float) -> float:
    """The θ at which ln H − θ log_depth is least: it is convex, and its slope there vanishes."""
    from scipy.optimize import minimize_scalar

    if mean.size == 1:
        return (log_depth / days - float(mean[0])) / float(variance[0])
    reach = 4.0 * (abs(log_depth) / days + float(np.abs(mean).max())) / float(variance.min()) + 1.0
    slope = minimize_scalar(
        lambda x: float(_ways(math.sinh(x), mean, variance, moves, days)[-1][0][-1]) - math.sinh(x) * log_depth,
        bounds=(-math.asinh(reach), math.asinh(reach)), method="bounded", options={"xatol": 1e-6})
    return math.sinh(float(slope.x))


def _highest(theta: float, mean: F64, variance: F64, days: int, log_depth: float) -> float:
    """What −½ ln (2 π V) − (c − θ V)² / 2 V − θ log_depth reaches at most, over the V and c = log_depth − M that the states allow.

    For one c it is highest at V = (√(1 + 4 θ² c²) − 1) / 2 θ²; of all c the one nearest to zero counts, if θ has its sign.
    """
    least, most = days * float(variance.min()), days * float(variance.max())
    low, high = log_depth - days * float(mean.max()), log_depth - days * float(mean.min())
    nearest = high if high < 0.0 else low if low > 0.0 else 0.0
    if nearest * theta <= 0.0:
        return -0.5 * math.log(2.0 * math.pi * least) - theta * log_depth
    v = min(max((math.sqrt(1.0 + 4.0 * (theta * nearest) ** 2) - 1.0) / (2.0 * theta**2), least), most)
    return -0.5 * math.log(2.0 * math.pi * v) - (nearest - theta * v) ** 2 / (2.0 * v) - theta * log_depth


def guided_crash(law: FactorLaw, crash: Crash, days: int) -> Crash:
    """A crash with its guide, for a law whose variance moves: the worth of heights × variances on each day."""
    k, start = crash.trough_day, -crash.log_depth
    last_day = k if crash.definition == TERMINAL or crash.flat_after else days
    own = law.garch.initial if law.model == LAW_GARCH else law.heston.initial / 252
    usual = math.sqrt(max(own, law.sd**2))
    reach = 6.0 * usual * math.sqrt(max(k, last_day - k))
    low, high = {TERMINAL: (-0.3 * start - 0.5 * reach, start + reach), MINIMUM: (0.0, start + reach), DRAWDOWN: (0.0, start)}[
        crash.definition]
    heights = int(np.clip(math.ceil((high - low) / (0.5 * usual)), HEIGHTS_LEAST, HEIGHTS_MOST))
    if law.model == LAW_GARCH:
        g = law.garch
        least = g.omega / (1.0 - g.beta)
        most = 2.0 * max(g.initial, law.sd**2, (g.alpha + max(g.gamma, 0.0)) * start**2, 1.001 * least)
        ends = (0.5 * math.log(least), 0.5 * math.log(most))
        edges, cuts = _ALONE, np.zeros(1)
    else:
        p = law.heston
        wide = max(p.initial, p.long_run) + 8.0 * p.wobble * math.sqrt(p.long_run / (2.0 * p.reversion))
        ends = (0.0, math.sqrt(max(wide, 2.0 * start**2 / (k * p.years))))
        edges, cuts = _MARKET, _VARIANCE
    guide = Guide(
        np.zeros((last_day + 1, heights, VARIANCES)), np.array([low, (high - low) / (heights - 1)]),
        np.array([ends[0], (ends[1] - ends[0]) / (VARIANCES - 1)]), edges, _log_mass(edges), cuts, _log_mass(cuts),
        _log_top(law.garch.dof), CANDIDATES_ALONE if law.model == LAW_GARCH else CANDIDATES_OF_TWO,
    )
    crash = crash._replace(guide=guide)
    guided.fill_worth(guide.log_worth, new_trace(1).scratch, crash, law, last_day)
    return crash


def _log_top(dof: float) -> float:
    """The logarithm of the density at its mode of Student's law with variance 1; 0 where innovations are normal."""
    return math.lgamma(0.5 * (dof + 1.0)) - math.lgamma(0.5 * dof) - 0.5 * math.log(math.pi * (dof - 2.0)) if dof else 0.0


def _log_mass(edges: F64) -> F64:
    """The logarithm of the probability of each bin of a normal, on the side where it does not cancel."""
    from scipy.special import ndtr

    if edges.size < 2:
        return np.zeros(1)
    low, high = edges[:-1], edges[1:]
    above = low + high > 0
    mass = ndtr(np.where(above, -low, high)) - ndtr(np.where(above, -high, low))
    out: F64 = np.log(mass)
    return out
