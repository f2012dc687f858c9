"""A covariance of many instruments from few days, shrunk so that it can be inverted (M-72)."""

from __future__ import annotations

import numpy as np

from stresslab.market.measured import F64


def shrunk_covariance(x: F64) -> tuple[F64, float]:
    """The covariance of columns over rows, drawn towards a multiple of the identity, and how far (0: not at all, 1: all the way).

    Source: Ledoit and Wolf 2004, A well-conditioned estimator for large-dimensional covariance matrices. With S the sample
    covariance (divisor n), m = tr S / p and ‖A‖² = tr AA' / p: d² = ‖S − m I‖², b² = min(d², Σ_t ‖x_t x_t' − S‖² / n²), and
    the estimate is (b² m I + (d² − b²) S) / d².
    """
    n, p = x.shape
    held = x - x.mean(axis=0)
    s = held.T @ held / n
    m = float(np.trace(s)) / p
    d2 = float(np.sum((s - m * np.eye(p)) ** 2)) / p
    # Σ_t ‖x_t x_t' − S‖² = Σ_t (x_t'x_t)² / p − n ‖S‖²
    squares = np.sum(held * held, axis=1)
    b2 = (float(np.sum(squares**2)) / p - n * float(np.sum(s * s)) / p) / n**2
    share = min(max(b2 / d2, 0.0), 1.0) if d2 > 0 else 1.0
    return share * m * np.eye(p) + (1.0 - share) * s, share


def factor_left(residuals: F64) -> tuple[float, float, float]:
    """What the factors leave in common: the largest eigenvalue of the residuals' shrunk correlation, and what chance would leave.

    Missing residuals count as zero. Chance: the edge (1 + √(p / n))² of Marchenko and Pastur 1967 for independent columns,
    shrunk alike. Also returns the shrinkage.
    """
    scale = np.nanstd(residuals, axis=0)
    z = np.nan_to_num(residuals[:, scale > 0] / scale[scale > 0])
    z = z / z.std(axis=0)
    n, p = z.shape
    shrunk, share = shrunk_covariance(z)
    edge = share + (1.0 - share) * (1.0 + (p / n) ** 0.5) ** 2
    return float(np.linalg.eigvalsh(shrunk)[-1]), edge, share
