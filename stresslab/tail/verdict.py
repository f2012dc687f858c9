"""What may be said of a rare event: intervals, checks, and why an estimate is printed or not (M-91, M-92)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from stresslab.tail.splitting import Repetition
from stresslab.tail.tilt import Sample, Tilt
from stresslab.tail.walk import Batch

F64 = NDArray[np.float64]

#: What an answer must have (M-92).
EFFECTIVE_LEAST = 50.0
SHARE_MOST = 0.10
RATIO_ERRORS_MOST = 3.0
BLIND_MOST, VISITS = 0.05, 25.0
CHECK_ERROR_MOST = 0.35
AGREE_ERRORS_MOST = 2.576
EXTINCT_MOST = 0.10
REPETITION_SHARE_MOST = 0.25
_95 = 1.959963984540054


@dataclass(frozen=True)
class Estimate:
    """A probability by one method with its diagnostics; numbers that a method does not have are NaN.

    ``error`` is one standard error, ``low`` and ``high`` the 95% interval.
    """

    method: str
    probability: float
    error: float
    low: float
    high: float
    paths: int
    paths_before: int  # of pilots
    hits: int
    effective: float = math.nan  # effective number of paths at the event, or of repetitions
    largest_share: float = math.nan  # of one path, or of one repetition
    mean_ratio: float = math.nan
    mean_ratio_error: float = math.nan
    blind: float = math.nan  # share of splitting's paths at the event that lie where a tilt hardly comes
    repetitions: int = 0
    extinct: int = 0

    @property
    def relative(self) -> float:
        """The relative standard error; infinite without a hit."""
        return self.error / self.probability if self.probability > 0 else math.inf

    @property
    def gain(self) -> float:
        """How many times fewer paths than crude Monte Carlo, pilots included, for the same error."""
        if not self.error > 0:
            return math.nan
        return self.probability * (1.0 - self.probability) / self.error**2 / (self.paths + self.paths_before)


def crude_estimate(hits: int, paths: int) -> Estimate:
    """Plain Monte Carlo with Wilson's interval (M-38)."""
    p, z2 = hits / paths, _95**2
    middle, half = (p + z2 / (2 * paths)) / (1 + z2 / paths), _95 / (1 + z2 / paths) * math.sqrt(p * (1 - p) / paths + z2 / (4 * paths**2))
    share = 1.0 / hits if hits else math.nan
    low = 0.0 if hits == 0 else middle - half
    return Estimate("crude", p, math.sqrt(p * (1 - p) / paths), low, middle + half, paths, 0, hits, float(hits), share, 1.0, 0.0)


def tilt_estimate(method: str, sample: Sample, before: int) -> Estimate:
    """Importance sampling: the mean of likelihood ratio × event, with an interval on the scale of its logarithm (M-91)."""
    weight, ratio = sample.weight, np.exp(sample.log_ratio)
    n, p = weight.size, float(weight.mean())
    if p == 0.0:
        return Estimate(method, 0.0, math.nan, 0.0, math.nan, n, before, 0)
    error = float(weight.std(ddof=1)) / math.sqrt(n)
    effective = float(weight.sum() ** 2 / (weight @ weight))
    low, high = log_interval(p, error, min(degrees(weight), effective - 1.0))
    return Estimate(method, p, error, low, high, n, before, int(sample.hit.sum()), effective, float(weight.max() / weight.sum()),
                    float(ratio.mean()), float(ratio.std(ddof=1)) / math.sqrt(n))


def splitting_estimate(repetitions: list[Repetition], before: int) -> Estimate:
    """The mean of independent repetitions, with an interval on the scale of its logarithm (M-91)."""
    each = np.array([r.probability for r in repetitions])
    paths, extinct, count = sum(r.paths for r in repetitions), int((each == 0).sum()), len(repetitions)
    p = float(each.mean())
    if p == 0.0:
        return Estimate("splitting", 0.0, math.nan, 0.0, math.nan, paths, before, 0, repetitions=count, extinct=extinct)
    error = float(each.std(ddof=1)) / math.sqrt(count)
    low, high = log_interval(p, error, min(degrees(each), count - 1.0))
    effective = float(each.sum() ** 2 / (each @ each))
    return Estimate("splitting", p, error, low, high, paths, before, sum(r.witnesses.path.size for r in repetitions), effective,
                    float(each.max() / each.sum()), repetitions=count, extinct=extinct)


def degrees(values: F64) -> float:
    """The degrees of freedom of a sample variance, by its kurtosis: 2 n / (κ − 1), which is n for normals (M-91)."""
    apart = values - values.mean()
    square = float((apart**2).mean())
    kurtosis = float((apart**4).mean()) / square**2 if square > 0 else 3.0
    return 2.0 * values.size / max(2.0, kurtosis - 1.0)


def log_interval(p: float, error: float, freedom: float) -> tuple[float, float]:
    """exp(ln p ± t × error / p), t of Student's law with so many degrees of freedom, at least one."""
    if not error > 0:
        return p, p
    reach = float(student.ppf(0.975, max(1.0, freedom))) * error / p
    return p * math.exp(-reach), p * math.exp(reach)


class Witnesses(NamedTuple):
    """Paths at the event that splitting found, with their shares of its probability."""

    paths: Batch
    weight: F64
    until: NDArray[np.int64]  # the day by which each had decided the event


def witnesses_of(repetitions: list[Repetition]) -> Witnesses:
    """The paths at the event of all repetitions: each repetition's count for its estimate."""
    some = [r for r in repetitions if r.witnesses.path.size]
    if not some:
        return Witnesses(repetitions[0].witnesses, np.zeros(0), np.zeros(0, np.int64))
    held = [r.witnesses for r in some]
    paths = Batch(np.concatenate([w.leading for w in held]), np.concatenate([w.own for w in held]), np.concatenate([w.path for w in held]))
    weight = np.concatenate([np.full(r.witnesses.path.size, r.probability / r.witnesses.path.size) for r in some])
    return Witnesses(paths, weight / weight.sum(), np.concatenate([r.until for r in some]))


def foreseen_spread(tilt: Tilt, seen: Witnesses, probability: float) -> float:
    """The relative variance of one path of a tilt, as paths at the event that splitting found foresee it (M-90).

    The second moment of likelihood ratio × event under the tilt is the mean of the ratio under the law over the event. A
    part of the event that the tilt never visits does not show in its own sample; here it shows as a large ratio.
    """
    if seen.weight.size == 0 or probability <= 0.0:
        return math.inf
    return max(0.0, float(seen.weight @ np.exp(tilt.log_ratio(seen.paths, seen.until))) / probability - 1.0)


def blind_share(tilt: Tilt, seen: Witnesses, probability: float, paths: int) -> float:
    """The share of the event, as splitting found it, to which so many tilted paths come fewer than :data:`VISITS` times (M-90).

    Where the likelihood ratio is w, a part f of the event meets f × paths × probability / w tilted paths.
    """
    if seen.weight.size == 0 or probability <= 0.0:
        return 1.0
    return float(seen.weight @ (np.exp(tilt.log_ratio(seen.paths, seen.until)) * VISITS > paths * probability))


def agree(one: Estimate, other: Estimate) -> float:
    """How many standard errors two estimates are apart, on the scale of logarithms; infinite if one saw nothing."""
    if one.probability <= 0 or other.probability <= 0 or not (one.error > 0 and other.error > 0):
        return math.inf
    return abs(math.log(one.probability / other.probability)) / math.hypot(one.relative, other.relative)


class Reason(NamedTuple):
    """One sentence of a verdict, in English and Chinese; ``stands`` is False where it forbids the answer."""

    stands: bool
    en: str
    zh: str


def _check(stands: bool, good: tuple[str, str], bad: tuple[str, str]) -> Reason:
    return Reason(stands, *(good if stands else bad))


def better(found: list[Estimate]) -> Estimate:
    """The estimate to answer with: the smaller error among those that pass their own checks, else among all."""
    fit = [e for e in found if e.probability > 0 and all(r.stands for r in _own(e))]
    return min(fit or found, key=lambda e: (e.relative, e.method))


def _own(answer: Estimate) -> list[Reason]:
    return [_of_splitting(answer)] if answer.method == "splitting" else [] if answer.method == "crude" else _of_tilt(answer)


def judge(answer: Estimate, second: Estimate | None, target: float) -> list[Reason]:
    """Every check of an answer against its bound (M-92)."""
    if answer.probability <= 0.0:
        return [Reason(False, "the event was never reached", "从未到达该事件")]
    found = _own(answer)
    if answer.method != "crude":
        found.append(_of_second(answer, second))
    if answer.relative > 1.5 * target:
        found.append(Reason(True, f"the error of {answer.relative:.0%} is above the target of {target:.0%}: the paths allowed are used up",
                            f"误差{answer.relative:.0%}高于目标{target:.0%}：路径数已达上限"))
    return found


def _of_tilt(answer: Estimate) -> list[Reason]:
    effective, share = f"{answer.effective:,.0f}", f"{answer.largest_share:.1%}"
    apart = abs(answer.mean_ratio - 1.0) / answer.mean_ratio_error if answer.mean_ratio_error > 0 else 0.0
    return [
        _check(answer.effective >= EFFECTIVE_LEAST,
               (f"{effective} effective paths at the event", f"事件处的有效路径数为{effective}"),
               (f"only {effective} effective paths at the event, {EFFECTIVE_LEAST:.0f} are needed",
                f"事件处的有效路径数仅{effective}，至少需要{EFFECTIVE_LEAST:.0f}")),
        _check(answer.largest_share <= SHARE_MOST,
               (f"the heaviest path carries {share}", f"最重的一条路径占{share}"),
               (f"one path carries {share} of the estimate", f"单条路径占估计值的{share}")),
        _check(apart <= RATIO_ERRORS_MOST,
               (f"the likelihood ratios average {answer.mean_ratio:.3f} ± {answer.mean_ratio_error:.3f}",
                f"似然比均值为{answer.mean_ratio:.3f} ± {answer.mean_ratio_error:.3f}"),
               (f"the likelihood ratios average {answer.mean_ratio:.3f} ± {answer.mean_ratio_error:.3f} instead of 1",
                f"似然比均值为{answer.mean_ratio:.3f} ± {answer.mean_ratio_error:.3f}，而应为1")),
        _check(answer.blind <= BLIND_MOST,
               (f"the tilt looks where splitting found the event, but for {answer.blind:.1%} of it",
                f"倾斜分布覆盖了多层分裂所找到的事件，仅{answer.blind:.1%}除外"),
               (f"{answer.blind:.0%} of what splitting found lies where the tilt hardly comes, as where a single name can do it",
                f"多层分裂所找到的事件中有{answer.blind:.0%}位于倾斜分布几乎不到之处，例如单一证券即可触发")),
    ]


def _of_splitting(answer: Estimate) -> Reason:
    calm = answer.extinct <= EXTINCT_MOST * answer.repetitions and answer.largest_share <= REPETITION_SHARE_MOST
    calm = calm and answer.relative <= CHECK_ERROR_MOST
    told = f"{answer.repetitions}", f"{answer.extinct}", f"{answer.largest_share:.0%}"
    return _check(calm,
                  ("{} independent repetitions of splitting, {} without the event, the largest carries {}".format(*told),
                   "多层分裂独立重复{}次，其中{}次未到达事件，最大一次占{}".format(*told)),
                  ("the repetitions of splitting scatter too much: {} of them, {} without the event, the largest carries {}".format(*told),
                   "多层分裂各次重复过于分散：共{}次，其中{}次未到达事件，最大一次占{}".format(*told)))


def _of_second(answer: Estimate, second: Estimate | None) -> Reason:
    if second is None or not second.relative <= CHECK_ERROR_MOST:
        return Reason(False, "no second method came near enough to confirm it", "没有第二种方法足以印证该结果")
    apart = agree(answer, second)
    told = NAMES[second.method]
    return _check(apart <= AGREE_ERRORS_MOST,
                  (f"{told[0]} agrees: {second.probability:.2e} ± {second.error:.1e}",
                   f"{told[1]}结果一致：{second.probability:.2e} ± {second.error:.1e}"),
                  (f"{told[0]} disagrees by {apart:.1f} standard errors", f"{told[1]}结果相差{apart:.1f}倍标准误"))


#: The methods in words.
NAMES = {
    "crude": ("crude Monte Carlo", "直接蒙特卡洛"),
    "tilt": ("importance sampling with tilted factors", "因子倾斜的重要性抽样"),
    "tilt_names": ("importance sampling with tilted factors and single names", "因子与个券倾斜的重要性抽样"),
    "splitting": ("multilevel splitting", "多层分裂"),
}
