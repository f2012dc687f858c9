"""A battery for the counter-based generator: its words along every coordinate of a counter, and six broken generators it must reject.

Fourteen families of tests (Knuth; Marsaglia; L'Ecuyer; NIST SP 800-22) look at words along slots, days, paths, streams and seeds, in the
order of a run, and at what changes between neighbours. The p-values of tests of one sequence hang together, so their joint law is not
known, and Kolmogorov's test of all of them would reject a sound generator; what holds whatever hangs together is Bonferroni's bound: a
generator is rejected if its smallest p-value is below ``ALPHA`` over their number. Kolmogorov's test is used where it may be: on the
p-values of one test over segments that share no counter. Seeds are fixed, so a test either always passes or always fails.

TestU01 and PractRand were looked for in the Python index as `pytestu01` and `practrand`, which it does not have, and not elsewhere. Found:
`nistrng` (last of 2021, plain Python), the NIST part of what is here, and `randomgen`, which has generators but no battery. dieharder is a
program of Debian; a long test feeds it where it is installed.
"""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Callable, Iterator

import numba
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from stresslab.kernels import draws, kernel

U32, U64, F64 = NDArray[np.uint32], NDArray[np.uint64], NDArray[np.float64]
#: The four words of each counter, from slots, days, streams, paths and seeds.
Draw = Callable[[U64, U64, U64, U64, U64], U32]
#: The chance at most that a sound generator is rejected by a battery.
ALPHA = 1e-3
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="takes minutes as plain Python, without the JIT")


# --- the generator and the ways into it -----------------------------------------------------------


@kernel
def fill_counters(out: U32, slot: U64, day: U64, stream: U64, path: U64, seed: U64) -> None:
    for i in range(slot.size):
        for k, word in enumerate(draws.philox(slot[i], day[i], stream[i], path[i], seed[i] & LOW, seed[i] >> HALF)):
            out[i, k] = np.uint32(word)


def honest(slot: U64, day: U64, stream: U64, path: U64, seed: U64) -> U32:
    out = np.zeros((slot.size, 4), np.uint32)
    fill_counters(out, slot, day, stream, path, seed)
    return out


def of_rounds(rounds: int) -> Draw:
    """Philox 4x32 of so many rounds, written from the paper."""
    def draw(slot: U64, day: U64, stream: U64, path: U64, seed: U64) -> U32:
        c0, c1, c2, c3, k0, k1 = slot, day, stream, path, seed & LOW, seed >> HALF
        for _ in range(rounds):
            a, b = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
            c0, c1, c2, c3 = b >> HALF ^ c1 ^ k0, b & LOW, a >> HALF ^ c3 ^ k1, a & LOW
            k0, k1 = k0 + np.uint64(0x9E3779B9) & LOW, k1 + np.uint64(0xBB67AE85) & LOW
        return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)

    return draw


def view(name: str, draw: Draw, count: int, seed: int) -> U32:
    """The words of ``count`` counters along one way, one after the other."""
    i, one = np.arange(count, dtype=np.uint64), np.ones(count, np.uint64)
    at = {"slot": one, "day": one, "stream": one * np.uint64(draws.STREAM_OWN), "path": one * np.uint64(3), "seed": one * np.uint64(seed)}
    few, tall = np.uint64(draws.STREAM_REQUESTS + 1), np.uint64(60)
    ways: dict[str, dict[str, U64]] = {
        "slots": {"slot": i}, "days": {"day": i}, "paths": {"path": i},
        "streams": {"stream": i % few, "slot": i // few}, "seeds": {"seed": i + np.uint64(seed)}, "high seeds": {"seed": i << HALF},
        "run": {"slot": i % 4, "day": i // 4 % tall + 1, "path": i // (4 * tall)},
    }
    if name in ways:
        return draw(**at | ways[name]).ravel()
    key = name.removeprefix("between neighbouring ")
    even = 2 * i
    return (draw(**at | {key: even}) ^ draw(**at | {key: even + np.uint64(1)})).ravel()


COORDINATES = ("slot", "day", "stream", "path", "seed")
VIEWS = ("slots", "days", "paths", "streams", "seeds", "high seeds", "run", *(f"between neighbouring {key}" for key in COORDINATES))


# --- tests of a sequence of words: p-values ---------------------------------------------------------


def two_sided(z: float) -> float:
    return float(2 * stats.norm.sf(abs(z)))


def fits(counts: NDArray[np.int64], chances: F64) -> float:
    if counts.sum() == 0:
        return 0.0  # what should be seen often is never there
    expected = chances * counts.sum()
    return float(stats.chi2.sf(((counts - expected) ** 2 / expected).sum(), counts.size - 1))


def poisson(count: int, mean: float) -> float:
    return min(1.0, 2 * float(min(stats.poisson.cdf(count, mean), stats.poisson.sf(count - 1, mean))))


def bit_counts(words: U32) -> F64:
    """How far the ones of each bit stand from a half, in deviations."""
    ones = np.array([np.count_nonzero(words >> np.uint32(b) & np.uint32(1)) for b in range(32)])
    return np.asarray((2.0 * ones - words.size) / math.sqrt(words.size))


def bits(words: U32) -> Iterator[float]:
    """Monobit: each of the 32 bits alone, and all together."""
    z = bit_counts(words)
    yield two_sided(z.sum() / math.sqrt(32))
    yield from (two_sided(x) for x in z)


def repeats(words: U32) -> Iterator[float]:
    """Each bit against the same one of the next word, and of the counter after: Wald's runs and its like for other lags."""
    for lag in (1, 4):
        changed = words[:-lag] ^ words[lag:]
        yield float(stats.chi2.sf((bit_counts(changed) ** 2).sum(), 32))
    yield two_sided(bit_counts((words ^ words >> np.uint32(1)) & np.uint32(0x7FFFFFFF))[:31].sum() / math.sqrt(31))


def cells(words: U32, shift: int, width: int, length: int) -> float:
    """Serial test: how often ``length`` successive pieces of ``width`` bits have each of their values."""
    piece = (words >> np.uint32(shift) & np.uint32((1 << width) - 1)).astype(np.int64)[:words.size // length * length].reshape(-1, length)
    at = (piece << width * np.arange(length)).sum(axis=1)
    most = 1 << width * length
    return fits(np.bincount(at, minlength=most), np.full(most, 1 / most))


def serial(words: U32) -> Iterator[float]:
    yield from (cells(words, shift, 4, 3) for shift in (0, 14, 28))
    yield from (cells(words, shift, 6, 2) for shift in (0, 13, 26))


def gaps(words: U32) -> Iterator[float]:
    """Between two visits of an eighth of the range lie geometrically many words."""
    chances = 0.125 * 0.875 ** np.arange(32)
    for part in (words >> np.uint32(29), words & np.uint32(7), words >> np.uint32(13) & np.uint32(7)):
        found = np.minimum(np.diff(np.flatnonzero(part == 0)) - 1, 32)
        yield fits(np.bincount(found, minlength=33), np.append(chances, 0.875**32))


def birthdays(words: U32) -> Iterator[float]:
    """Of 4,096 birthdays in a year of 2^32 days, about m³ / 4n = 4 spacings are there twice: Poisson (Marsaglia)."""
    m = 4096
    years = np.sort(words[:words.size // m * m].reshape(-1, m).astype(np.int64), axis=1)
    spacing = np.sort(np.diff(years, axis=1), axis=1)
    yield poisson(int((np.diff(spacing, axis=1) == 0).sum()), len(years) * m**3 / 2.0**34)


def collisions(words: U32) -> Iterator[float]:
    """2^14 balls in 2^20 urns: how many fall where there is one already, against mean and variance of the occupancy."""
    m, n = 1 << 14, float(1 << 20)
    one, two = math.exp(m * math.log1p(-1 / n)), math.exp(m * math.log1p(-2 / n))
    mean, variance = m - n + n * one, n * (n - 1) * two + n * one - n * n * one * one
    for part in (words >> np.uint32(12), words & np.uint32(0xFFFFF)):
        urns = part[:part.size // m * m].reshape(-1, m)
        found = sum(m - np.unique(row).size for row in urns)
        yield two_sided((found - len(urns) * mean) / math.sqrt(len(urns) * variance))


def ranks(words: U32) -> Iterator[float]:
    """The rank of 32 × 32 matrices of bits: 32, 31 or less; of whole words, and of the lowest bits of 1,024 words each."""
    def chance(deficit: int) -> float:
        full = math.prod(1 - 2.0**-k for k in range(deficit + 1, 33))
        return 2.0 ** -(deficit * deficit) * full * math.prod((1 - 2.0**-k) for k in range(deficit + 1, 33)) / math.prod(
            1 - 2.0**-k for k in range(1, 33 - deficit))

    law = np.array([chance(0), chance(1), 1 - chance(0) - chance(1)])
    low = (words[:words.size // 32 * 32].reshape(-1, 32) & np.uint32(1)) << np.arange(32, dtype=np.uint32)
    for rows in (words, np.bitwise_or.reduce(low, axis=1)):
        deficit = 32 - rank(rows[:rows.size // 32 * 32].reshape(-1, 32).copy())
        yield fits(np.bincount(np.minimum(deficit, 2), minlength=3), law)


def rank(matrix: U32) -> NDArray[np.int64]:
    """Gauss's elimination of many matrices at once, bit by bit; rows are words."""
    found, places = np.zeros(len(matrix), np.int64), np.arange(32)
    which = np.arange(len(matrix))
    for b in range(32):
        has = ((matrix >> np.uint32(b) & np.uint32(1)) == 1) & (places >= found[:, None])
        some, pivot = has.any(axis=1), has.argmax(axis=1)
        to = np.minimum(found, 31)
        row = np.where(some, matrix[which, pivot], np.uint32(0))
        matrix[which[some], pivot[some]] = matrix[which[some], to[some]]
        matrix[which[some], to[some]] = row[some]
        clear = ((matrix >> np.uint32(b) & np.uint32(1)) == 1) & (places > to[:, None]) & some[:, None]
        matrix ^= np.where(clear, row[:, None], np.uint32(0))
        found += some
    return found


@kernel
def shortest_registers(out: NDArray[np.int64], sequences: NDArray[np.uint8], room: NDArray[np.uint8]) -> None:
    """Berlekamp and Massey: the length of the shortest linear feedback register that makes each sequence of bits; three rows of room."""
    size, c, b, before = sequences.shape[1], room[0], room[1], room[2]
    for row in range(sequences.shape[0]):
        s = sequences[row]
        for i in range(size + 1):
            c[i], b[i] = 0, 0
        c[0], b[0] = 1, 1
        length, last = 0, -1
        for n in range(size):
            d = s[n]
            for i in range(1, length + 1):
                d ^= c[i] & s[n - i]
            if d == 1:
                for i in range(size + 1):
                    before[i] = c[i]
                for i in range(size + 1 - (n - last)):
                    c[i + n - last] ^= b[i]
                if 2 * length <= n:
                    length, last = n + 1 - length, n
                    for i in range(size + 1):
                        b[i] = before[i]
        out[row] = length


def registers(words: U32) -> Iterator[float]:
    """Linear complexity of 512 bits (NIST): of the lowest bits of words, and of the highest."""
    size = 512
    law = np.array([0.010416666667 + 0.03125, 0.125, 0.5, 0.25, 0.0625 + 0.020833333333])
    for b in (0, 31):
        plane = (words[:words.size // size * size] >> np.uint32(b) & np.uint32(1)).astype(np.uint8).reshape(-1, size)
        found = np.zeros(len(plane), np.int64)
        shortest_registers(found, plane, np.zeros((3, size + 1), np.uint8))
        yield fits(np.bincount(np.clip(found - size // 2, -2, 2) + 2, minlength=5), law)


def waves(words: U32) -> Iterator[float]:
    """The highest of all frequencies of a bit as ±1: each has an exponential power."""
    size = 1 << words.size.bit_length() - 1
    for b in (0, 7, 15, 23, 31):
        sign = 1.0 - 2.0 * (words[:size] >> np.uint32(b) & np.uint32(1))
        power = np.abs(np.fft.rfft(sign)[1:-1]) ** 2 / size
        top = float(power.max())
        yield -math.expm1(power.size * math.log1p(-math.exp(-top))) if top > 0 else 0.0  # a bit that never changes has no waves


def segments(words: U32) -> Iterator[float]:
    """One test on 64 segments without a common counter: their p-values are uniform and independent (Kolmogorov and Smirnov)."""
    pieces = words[:words.size // 256 * 256].reshape(64, -1)
    yield float(stats.kstest([stats.chi2.sf((bit_counts(p) ** 2).sum(), 32) for p in pieces], "uniform").pvalue)
    yield float(stats.kstest([cells(p, 29, 3, 2) for p in pieces], "uniform").pvalue)
    yield float(stats.kstest([cells(p, 0, 3, 2) for p in pieces], "uniform").pvalue)


TESTS = (bits, repeats, serial, gaps, birthdays, collisions, ranks, registers, waves, segments)


# --- tests of a function of a counter ---------------------------------------------------------------


def avalanche(draw: Draw, seed: int, count: int) -> Iterator[float]:
    """One bit of a counter or a key flips each of the 128 bits with chance one half, each independently."""
    base = draw(*(np.full(4 * count, k, np.uint64) for k in (0, 9, 9, 9)), np.arange(4 * count, dtype=np.uint64) + np.uint64(seed))
    base = base.astype(np.uint64)
    at = dict(zip(COORDINATES, (base[:count, 0], base[:count, 1], base[:count, 2], base[:count, 3],
                                base[count:2 * count, 0] << HALF | base[2 * count:3 * count, 0]), strict=True))
    plain = draw(**at)
    for key in COORDINATES:
        weights, total = np.zeros(129, np.int64), 0.0
        for b in range(64 if key == "seed" else 32):
            changed = plain ^ draw(**at | {key: at[key] ^ np.uint64(1 << b)})
            flipped = np.unpackbits(changed.view(np.uint8), axis=1)
            total += float(((2.0 * flipped.sum(axis=0) - count) ** 2 / count).sum())
            weights += np.bincount(flipped.sum(axis=1), minlength=129)
        yield float(stats.chi2.sf(total, 128 * (64 if key == "seed" else 32)))
        edges = np.arange(50, 79)
        together = np.add.reduceat(weights, [0, *edges])
        law = np.diff([0.0, *stats.binom.cdf(edges - 1, 128, 0.5), 1.0])
        yield fits(together, law)


# --- the battery ----------------------------------------------------------------------------------


def battery(draw: Draw, count: int, seed: int, views: tuple[str, ...] = VIEWS) -> dict[str, list[float]]:
    """The p-values of all tests of ``count`` counters along each way."""
    found = {"avalanche": list(avalanche(draw, seed, 256))}
    for name in views:
        words = view(name, draw, count, seed)
        found |= {f"{test.__name__} of {name}": list(test(words)) for test in TESTS}
    return found


def rejected(found: dict[str, list[float]], alpha: float = ALPHA) -> set[str]:
    """The tests with a p-value below Bonferroni's bound; by the bound a sound generator has none but with chance ``alpha``."""
    number = sum(len(p) for p in found.values())
    return {name for name, p in found.items() if min(p) < alpha / number}


def test_the_paper_is_the_kernel() -> None:
    i = np.arange(1_000, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    words = (i & LOW, i >> HALF, i * i & LOW, i * i >> HALF, i * i * i)
    assert np.array_equal(of_rounds(10)(*words), honest(*words))


def test_the_generator_passes() -> None:
    found = battery(honest, 1 << 13, 2026)
    assert not rejected(found), {k: min(v) for k, v in found.items() if min(v) < 1e-4}


def congruential(step: int, add: int, modulus: int, shift: int) -> Draw:
    """A linear congruential generator, which knows no counter: x ← step x + add, its words x 2^shift."""
    def draw(slot: U64, day: U64, stream: U64, path: U64, seed: U64) -> U32:
        x, out = int(seed[0]) | 1, np.zeros(4 * slot.size, np.uint32)
        for n in range(out.size):
            x = (step * x + add) % modulus
            out[n] = x << shift & 0xFFFFFFFF
        return out.reshape(-1, 4)

    return draw


def low_bits_lost(slot: U64, day: U64, stream: U64, path: U64, seed: U64) -> U32:
    return honest(slot & ~np.uint64(1), day, stream, path, seed)


def streams_repeated(slot: U64, day: U64, stream: U64, path: U64, seed: U64) -> U32:
    return honest(slot, day, stream // np.uint64(14), path, seed)


def one_bit_biased(slot: U64, day: U64, stream: U64, path: U64, seed: U64) -> U32:
    """Bit 7 is a one in 51.6% of words: where the five above it are ones, always."""
    words = honest(slot, day, stream, path, seed)
    return np.asarray(np.where(words >> np.uint32(8) & np.uint32(31) == 31, words | np.uint32(128), words))


@pytest.mark.parametrize(("draw", "ways", "by"), [
    (of_rounds(3), ("slots",), {"avalanche"}),
    (low_bits_lost, ("slots",), {"birthdays of slots", "collisions of slots"}),
    (congruential(1664525, 1013904223, 2**32, 0), ("slots",), {"registers of slots", "ranks of slots", "waves of slots"}),
    (congruential(65539, 0, 2**31, 1), ("slots",), {"serial of slots"}),
    (streams_repeated, ("streams",), {"birthdays of streams", "collisions of streams"}),
    (one_bit_biased, ("run",), {"bits of run"}),
], ids=["three rounds", "a counter without its lowest bit", "low bits of a congruence", "RANDU", "repeated streams", "a biased bit"])
def test_a_broken_generator_is_rejected(draw: Draw, ways: tuple[str, ...], by: set[str]) -> None:
    assert by <= rejected(battery(draw, 1 << 14, 2026, ways))


# --- at length --------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2**31 - 1, 2**63 - 1])
def test_the_generator_passes_at_length(seed: int) -> None:
    """Four million words along each of twelve ways."""
    found = battery(honest, 1 << 20, seed)
    assert not rejected(found), {k: min(v) for k, v in found.items() if min(v) < 1e-4}


@pytest.mark.long
def test_the_battery_has_its_level() -> None:
    """At a level of 5% a sound generator is rejected no more often than that: of 100 batteries, by chance 11 at most (1 in 100)."""
    ways = ("slots", "run")
    times = sum(bool(rejected(battery(honest, 1 << 13, 1_000 + seed, ways), 0.05)) for seed in range(100))
    assert times <= 11


@pytest.mark.long
@pytest.mark.skipif(shutil.which("dieharder") is None, reason="dieharder is not installed")
@pytest.mark.parametrize("number", [0, 1, 2, 3, 8, 9, 10, 15])
def test_dieharder_finds_nothing(number: int) -> None:
    """Words in the order of a run, fed to one test of Marsaglia's in dieharder at a time."""
    with subprocess.Popen(["dieharder", "-g", "200", "-d", str(number), "-D", "test_name", "-D", "pvalues", "-c", ","], text=False,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        try:
            for seed in range(1 << 20):
                program.stdin.write(view("run", honest, 1 << 18, seed).tobytes())
        except BrokenPipeError:
            pass
        said = program.stdout.read().decode()
    p = [float(x) for line in said.splitlines() for x in line.split(",")[1:] if x.strip()]
    assert p, said
    assert min(p) > ALPHA / 8 / len(p), said
