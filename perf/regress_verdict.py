"""Whether samples of "now" differ from samples of "then", and by how much.

Both tests ask of each pair of samples which is the larger and nothing else, so that a round that something held up can
be wrong by any amount without deciding anything:

- in turns (samples i of both come from round i): Wilcoxon's signed-rank test on log(now_i / then_i). The change is the
  median of the averages of every two of them (Hodges and Lehmann, 1963), which leaves out what slows both down.
- apart (recorded then, measured now): Mann and Whitney's test, the change being the median of log(now_i / then_j).

Both are exact. In either, the p-value, the change and its interval come from one list: under "nothing changed" the
number of its values above 0 has a known distribution."""

import dataclasses
import itertools
import math
import statistics

SIGNIFICANT = 0.05
LEAST_APART = 4  # samples of either side: no fewer can be significant


@dataclasses.dataclass(frozen=True)
class Change:
    """now / then, with the interval of 95% confidence (the noise), and how often noise alone does as much."""

    ratio: float
    low: float
    high: float
    p: float


def change_in_turns(then, now):
    """Of samples taken in the same rounds, at least 6: no fewer can be significant."""
    if len(then) != len(now) or len(now) < 6:
        raise ValueError(f"{len(then)} and {len(now)} samples: expected as many of either, at least 6")
    logs = [math.log(b / a) for a, b in zip(then, now)]
    averages = [(a + b) / 2 for a, b in itertools.combinations_with_replacement(logs, 2)]
    ways = [1]
    for rank in range(1, len(logs) + 1):  # times (1 + q^rank): the rank is above 0 or isn't
        ways = add(ways + [0] * rank, [0] * rank + ways)
    return change(averages, ways)


def change_apart(then, now):
    """Of samples from different times, at least LEAST_APART of either."""
    if min(len(then), len(now)) < LEAST_APART:
        raise ValueError(f"{len(then)} and {len(now)} samples: expected at least {LEAST_APART} of either")
    differences = [math.log(b / a) for a in then for b in now]
    return change(differences, pairs_in_order(len(then), len(now)))


def pairs_in_order(m, n):
    """In how many of the orders of m and n things each number 0 ... m * n of pairs has the second thing after the
    first: the coefficients of the Gaussian binomial, the product of (1 - q^(n + i)) / (1 - q^i) for i = 1 ... m."""
    size = m * n + 1
    ways = [1] + [0] * (size - 1)
    for i in range(1, m + 1):
        for k in range(size - 1, n + i - 1, -1):
            ways[k] -= ways[k - n - i]
        for k in range(i, size):
            ways[k] += ways[k - i]
    return ways


def add(a, b):
    return [x + y for x, y in zip(a, b)]


def change(values, ways):
    """`ways[k]`: in how many equally likely cases k of the values are above 0, were there no change."""
    total = sum(ways)
    below = list(itertools.accumulate(ways))  # below[k]: at most k above 0; at least M - k, as it is symmetric

    def at_least(count):
        return below[len(values) - count] / total

    p = 2 * min(at_least(sum(v > 0 for v in values)), at_least(sum(v < 0 for v in values)))
    left_out = sum(2 * cases <= SIGNIFICANT * total for cases in below) - 1  # at either end, together 5% at most
    ordered = sorted(values)
    low, high = ordered[max(left_out, 0)], ordered[-1 - max(left_out, 0)]
    return Change(math.exp(statistics.median(values)), math.exp(low), math.exp(high), min(1.0, p))


def holm(p_values):
    """p-values as high as they must be for one of so many to be called significant (Holm, 1979)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    result, highest = [0.0] * len(p_values), 0.0
    for position, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - position) * p_values[i]))
        result[i] = highest
    return result


def least_p_in_turns(rounds):
    """That of rounds which all agree."""
    return 2 / 2**rounds


def least_p_apart(then, now):
    """That of so many samples of either of which all of one are larger than all of the other."""
    return 2 / math.comb(then + now, now)


def rounds_needed(comparisons, least_p):
    """The fewest rounds n after which one of so many comparisons can be significant; `least_p(n)`: the least p."""
    return next(n for n in itertools.count(6) if comparisons * least_p(n) <= SIGNIFICANT)


def verdict(change_, adjusted_p, least_effect):
    """One of "worse" (more time, more memory), "better", "same" (95% sure that the change is less than `least_effect`,
    as 0.03) and "unclear" (the noise hides changes larger than that)."""
    beyond = max(change_.ratio, 1 / change_.ratio) >= 1 + least_effect
    if adjusted_p <= SIGNIFICANT and beyond:
        return "worse" if change_.ratio > 1 else "better"
    if change_.high <= 1 + least_effect and change_.low >= 1 / (1 + least_effect):
        return "same"
    return "unclear"
