"""The arithmetic of perf/regress on samples that are made up: what moved is found, what is noise is not."""

import itertools
import math
import random
import unittest

from regress_verdict import (
    Change,
    change_apart,
    change_in_turns,
    holm,
    least_p_apart,
    least_p_in_turns,
    pairs_in_order,
    rounds_needed,
    verdict,
)


def noisy(rng, middle, spread, count=20):
    return [middle * math.exp(rng.gauss(0.0, spread)) for _ in range(count)]


class ChangeInTurns(unittest.TestCase):
    def test_has_the_exact_p_value_of_wilcoxons_test(self):
        # All of six rounds slower: 2 of 2^6 cases. One of them faster, by the least of all: 4 of 2^6.
        then = [100.0] * 6
        self.assertAlmostEqual(change_in_turns(then, [101, 102, 103, 104, 105, 106]).p, 2 / 64)
        self.assertAlmostEqual(change_in_turns(then, [99.5, 102, 103, 104, 105, 106]).p, 4 / 64)

    def test_agrees_with_counting_all_signs(self):
        rng = random.Random(1)
        for _ in range(20):
            logs = [rng.gauss(0.3, 1.0) for _ in range(8)]
            ranks = sorted(range(8), key=lambda i: abs(logs[i]))
            positive = sum(rank + 1 for rank, i in enumerate(ranks) if logs[i] > 0)
            sums = [sum(r for r, up in zip(range(1, 9), signs) if up) for signs in itertools.product((0, 1), repeat=8)]
            tail = min(sum(s >= positive for s in sums), sum(s <= positive for s in sums))
            p = change_in_turns([1.0] * 8, [math.exp(x) for x in logs]).p
            self.assertAlmostEqual(p, min(1.0, 2 * tail / 256))

    def test_estimates_the_change_and_an_interval_that_holds_it(self):
        rng = random.Random(2)
        inside = 0
        for _ in range(400):
            change = change_in_turns(noisy(rng, 100, 0.02, 12), noisy(rng, 107, 0.02, 12))
            self.assertLess(change.low, change.ratio)
            self.assertGreater(change.high, change.ratio)
            inside += change.low <= 1.07 <= change.high
        self.assertGreater(inside / 400, 0.92)
        self.assertLess(inside / 400, 0.99)

    def test_has_an_interval_without_1_when_it_is_significant_and_only_then(self):
        rng = random.Random(7)
        outcomes = set()
        for _ in range(200):
            change = change_in_turns(noisy(rng, 100, 0.02, 9), noisy(rng, 101.5, 0.02, 9))
            significant = change.p <= 0.05
            self.assertEqual(significant, not change.low <= 1.0 <= change.high)
            outcomes.add(significant)
        self.assertEqual(outcomes, {False, True})

    def test_leaves_out_what_slows_both_down(self):
        rng = random.Random(3)
        drift = [1.0 + 0.5 * i / 20 for i in range(20)]
        then = [ms * d for ms, d in zip(noisy(rng, 100, 0.005), drift)]
        now = [ms * d for ms, d in zip(noisy(rng, 104, 0.005), drift)]
        change = change_in_turns(then, now)
        self.assertAlmostEqual(change.ratio, 1.04, delta=0.005)
        self.assertLess(change.p, 1e-4)

    def test_is_not_decided_by_rounds_that_something_held_up(self):
        rng = random.Random(4)
        then, now = noisy(rng, 100, 0.005), noisy(rng, 100, 0.005)
        now[3] *= 50
        now[11] *= 8
        change = change_in_turns(then, now)
        self.assertAlmostEqual(change.ratio, 1.0, delta=0.01)
        self.assertGreater(change.p, 0.05)

    def test_of_samples_that_never_differ_is_no_change(self):
        change = change_in_turns([7.0] * 10, [7.0] * 10)
        self.assertEqual((change.ratio, change.low, change.high, change.p), (1.0, 1.0, 1.0, 1.0))

    def test_of_samples_that_always_differ_alike_is_sure(self):
        change = change_in_turns([100.0] * 10, [110.0] * 10)
        self.assertAlmostEqual(change.low, 1.1)
        self.assertAlmostEqual(change.high, 1.1)
        self.assertAlmostEqual(change.p, 2 / 2**10)

    def test_wants_as_many_samples_of_either_and_enough(self):
        with self.assertRaises(ValueError):
            change_in_turns([1.0] * 5, [1.0] * 5)
        with self.assertRaises(ValueError):
            change_in_turns([1.0] * 7, [1.0] * 8)


class ChangeApart(unittest.TestCase):
    def test_counts_orders_as_a_list_of_them_does(self):
        for m, n in ((2, 3), (3, 3), (4, 2)):
            counted = [0] * (m * n + 1)
            for places in itertools.combinations(range(m + n), n):
                counted[sum(place - i for i, place in enumerate(places))] += 1
            self.assertEqual(pairs_in_order(m, n), counted)

    def test_has_the_exact_p_value_of_mann_and_whitneys_test(self):
        self.assertAlmostEqual(change_apart([1, 2, 3, 4], [5, 6, 7, 8]).p, 2 / 70)
        self.assertAlmostEqual(change_apart([1, 2, 3, 5], [4, 6, 7, 8]).p, 4 / 70)

    def test_calls_noise_significant_as_seldom_as_it_says(self):
        rng = random.Random(5)
        found = sum(change_apart(noisy(rng, 1, 0.02, 10), noisy(rng, 1, 0.02, 8)).p <= 0.05 for _ in range(400))
        self.assertLess(found / 400, 0.08)
        self.assertGreater(found / 400, 0.01)

    def test_estimates_the_change(self):
        rng = random.Random(6)
        change = change_apart(noisy(rng, 50, 0.01), noisy(rng, 45, 0.01, 10))
        self.assertAlmostEqual(change.ratio, 0.9, delta=0.01)
        self.assertLess(change.high, 0.92)
        self.assertLess(change.p, 1e-4)


class Holm(unittest.TestCase):
    def test_multiplies_each_p_value_by_those_not_smaller(self):
        for found, expected in zip(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02]):
            self.assertAlmostEqual(found, expected)

    def test_stays_at_1(self):
        self.assertEqual(holm([0.7, 0.9]), [1.0, 1.0])


class Rounds(unittest.TestCase):
    def test_suffice_for_the_least_p_to_be_significant_among_all(self):
        self.assertEqual(rounds_needed(1, least_p_in_turns), 6)
        self.assertEqual(rounds_needed(12, least_p_in_turns), 9)  # 12 * 2 / 2^9 = 0.047
        self.assertEqual(rounds_needed(30, lambda n: least_p_apart(n, n)), 7)  # 30 * 2 / 1716 = 0.035; 6: 0.065


class Verdict(unittest.TestCase):
    """Of 12 figures in 20 rounds, as perf/regress has them."""

    def verdicts(self, seed, factor, spread):
        rng = random.Random(seed)
        changes = [change_in_turns(noisy(rng, 100, spread), noisy(rng, 100 * f, spread)) for f in [factor] + [1.0] * 11]
        return [verdict(change, p, 0.03) for change, p in zip(changes, holm([c.p for c in changes]))]

    def test_finds_a_step_that_moved_and_no_other(self):
        for seed in range(10):
            self.assertEqual(self.verdicts(seed, 1.05, 0.01), ["worse"] + ["same"] * 11)
            self.assertEqual(self.verdicts(seed, 0.95, 0.01), ["better"] + ["same"] * 11)

    def test_finds_nothing_in_noise(self):
        moved = [v for seed in range(100) for v in self.verdicts(seed, 1.0, 0.03) if v in ("worse", "better")]
        self.assertLessEqual(len(moved), 2)

    def test_finds_nothing_in_a_change_smaller_than_asked_for(self):
        self.assertEqual(self.verdicts(1, 1.01, 0.001), ["same"] * 12)

    def test_wants_both_a_change_and_its_significance(self):
        self.assertEqual(verdict(Change(1.05, 0.99, 1.10, 0.2), 0.2, 0.03), "unclear")
        self.assertEqual(verdict(Change(1.05, 1.01, 1.10, 0.01), 0.06, 0.03), "unclear")
        self.assertEqual(verdict(Change(1.05, 1.01, 1.10, 0.01), 0.04, 0.03), "worse")
        self.assertEqual(verdict(Change(1.02, 1.01, 1.025, 0.001), 0.01, 0.03), "same")
        self.assertEqual(verdict(Change(1 / 1.05, 0.9, 0.99, 0.001), 0.01, 0.03), "better")

    def test_does_not_call_the_same_what_noise_hides(self):
        self.assertIn("unclear", self.verdicts(1, 1.0, 0.15))


if __name__ == "__main__":
    unittest.main()
