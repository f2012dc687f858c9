"""Two states of the market, calm and wild, by Hamilton's filter as statsmodels has it (M-70)."""

from __future__ import annotations

import math
import warnings

import numpy as np
from scipy.special import ndtr

from stresslab.history.said import Said
from stresslab.market.measured import F64, Fit, Measured
from stresslab.market.volatility import DAYS_OF_YEAR, YEAR_PCT

REGIME_DAYS = 250
#: A state that lasts less than this on average is no regime, but single days.
DAYS_OF_STATE = 2.0


def fit_regimes(returns: F64) -> Fit:
    """Normal days whose mean and variance follow a Markov chain of two states (Hamilton 1989), the calmer first.

    Maximum likelihood, begun with the EM algorithm; errors from the curvature. Parameters: ``volatility_pct`` and ``drift_pct`` of
    states 1 and 2, ``stay`` (the probability of staying on the next day) of each, and ``wild_now``, how likely the last
    day was in the wild state.
    """
    from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

    unit = float(returns.std())
    x = (returns - returns.mean()) / unit
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it has to say about convergence stands in its result
        made = MarkovRegression(x, k_regimes=2, trend="c", switching_variance=True)
        found = made.fit(em_iter=50, maxiter=500, disp=False)
        p, error = np.asarray(found.params, float), np.asarray(found.bse, float)
    # p[0→0], p[1→0], two means, two variances; the calm state is the one of the smaller variance.
    calm, wild = (0, 1) if p[4] <= p[5] else (1, 0)
    stay, stay_error = (p[0], 1.0 - p[1]), (error[0], error[1])
    parameters = {}
    for place, state in enumerate((calm, wild), start=1):
        sd = math.sqrt(p[4 + state])
        parameters[f"volatility_pct_{place}"] = _told(sd * unit * YEAR_PCT, error[4 + state] / (2.0 * sd) * unit * YEAR_PCT)
        year = 100.0 * DAYS_OF_YEAR
        parameters[f"drift_pct_{place}"] = _told((p[2 + state] * unit + returns.mean()) * year, error[2 + state] * unit * year)
        parameters[f"stay_{place}"] = _told(stay[state], stay_error[state])
    smoothed = np.asarray(found.smoothed_marginal_probabilities, float).reshape(-1, 2)
    ahead = np.asarray(found.predicted_marginal_probabilities, float).reshape(-1, 2)[: x.size]
    parameters["wild_now"] = Measured(float(smoothed[-1, wild]))
    means, sds = p[2:4], np.sqrt(p[4:6])
    uniforms = np.sum(ahead * ndtr((x[:, None] - means) / sds), axis=1)
    mean = ahead @ means
    sd_of_day = np.sqrt(np.maximum(ahead @ (sds**2 + means**2) - mean**2, 0.0)) * unit
    refused = None
    lasts = [1.0 / (1.0 - s) if s < 1.0 else math.inf for s in (stay[calm], stay[wild])]
    if not found.mle_retvals.get("converged", False):
        refused = Said("the search for the likeliest parameters did not end", "极大似然搜索未收敛")
    elif not all(DAYS_OF_STATE <= last < x.size for last in lasts):
        refused = Said(f"no two lasting states: they last {lasts[0]:.1f} and {lasts[1]:.1f} days",
                       f"不存在两个持续的状态：平均持续{lasts[0]:.1f}日与{lasts[1]:.1f}日")
    wild_now = parameters["wild_now"].value
    remarks = (Said(f"a calm spell lasts {lasts[0]:.0f} days, a wild one {lasts[1]:.0f}; the last day was wild with probability "
                    f"{wild_now:.2f}",
                    f"平静期平均{lasts[0]:.0f}日，动荡期{lasts[1]:.0f}日；最后一日处于动荡期的概率{wild_now:.2f}"),)
    likelihood = float(found.llf) - x.size * math.log(unit)
    return Fit("regime", parameters, likelihood, 6, np.clip(uniforms, 0.0, 1.0), sd_of_day, refused, remarks)


def _told(value: float, error: float) -> Measured:
    return Measured(float(value), float(error) if math.isfinite(error) else None)
