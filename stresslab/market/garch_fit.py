"""GJR-GARCH with Student-t innovations, fitted by the package arch (M-68)."""

from __future__ import annotations

import math
import warnings

import numpy as np
from scipy import stats

from stresslab.history.said import Said
from stresslab.market.measured import F64, Fit, Measured
from stresslab.market.volatility import DAYS_OF_YEAR, YEAR_PCT

#: A model with four parameters of variance needs so many days; with fewer their errors are of the size of the parameters.
GARCH_DAYS = 250
DOF_MOST = 200.0


def fit_garch(returns: F64) -> Fit:
    """h_t = ω + (α + γ 1[e < 0]) e² + β h of the day before; e_t = √h_t × Student-t of unit variance.

    Errors are robust ones (Bollerslev and Wooldridge 1992), as arch gives them.
    """
    from arch import arch_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what arch has to say about convergence stands in its flag
        made = arch_model(100.0 * returns, mean="Constant", vol="GARCH", p=1, o=1, q=1, dist="t", rescale=False)
        found = made.fit(disp="off", options={"maxiter": 1000})
        error = found.std_err
    p = found.params
    alpha, gamma, beta, dof = (float(p[k]) for k in ("alpha[1]", "gamma[1]", "beta[1]", "nu"))
    sd = np.asarray(found.conditional_volatility, float) / 100.0
    ahead = math.sqrt(float(found.forecast(horizon=1, reindex=False).variance.to_numpy()[0, 0])) / 100.0
    persistence = alpha + gamma / 2.0 + beta
    z = (returns - float(p["mu"]) / 100.0) / sd
    parameters = {
        "alpha": Measured(alpha, _finite(error["alpha[1]"])), "gamma": Measured(gamma, _finite(error["gamma[1]"])),
        "beta": Measured(beta, _finite(error["beta[1]"])), "dof": Measured(dof, _finite(error["nu"])),
        "initial_volatility_pct": Measured(ahead * YEAR_PCT),
        "omega": Measured(float(p["omega"]) / 1e4, _finite(error["omega"] / 1e4)),
        "drift_pct": Measured(float(p["mu"]) * DAYS_OF_YEAR, _finite(error["mu"] * DAYS_OF_YEAR)),
    }
    refused = None
    if found.convergence_flag != 0:
        refused = Said("the search for the likeliest parameters did not end", "极大似然搜索未收敛")
    elif persistence >= 1.0:
        refused = Said(f"alpha + gamma / 2 + beta is {persistence:.4f}: a variance without a long-run level",
                       f"alpha + gamma / 2 + beta = {persistence:.4f}，方差没有长期水平")
    remarks: tuple[Said, ...] = ()
    if refused is None:
        long_run = math.sqrt(float(p["omega"]) / 1e4 / (1.0 - persistence)) * YEAR_PCT
        parameters["long_run_volatility_pct"] = Measured(long_run)
        half = math.log(0.5) / math.log(persistence)
        remarks = (Said(f"half-life of a shock to the variance {half:.1f} days; long-run volatility by omega {long_run:.2f}% a year",
                        f"方差冲击半衰期{half:.1f}日；由omega得长期年化波动率{long_run:.2f}%"),)
    t = stats.t(dof)
    return Fit("garch", parameters, float(found.loglikelihood) + returns.size * math.log(100.0), 6,
               t.cdf(z * math.sqrt(dof / (dof - 2.0))), sd, refused, remarks)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
