"""How fast a search goes, and how long the rest may take."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from heapq import heapreplace
from itertools import pairwise
from statistics import NormalDist, fmean, stdev

import msgspec

MOST_INTERVALS = 50
"""Times between two finished trials that a pace is told from, the last ones."""
MOST_SPANS = 100
"""Trials whose spans the time left is told from: the last ones that ended, and as many of those in the slots."""
SPREAD, SPREAD_WEIGHT = 0.4, 2
"""Where few have ended: the standard deviation of a span's logarithm, which counts as this many trials."""
MOST_SPREAD = 1.0
"""The largest one: trials that fail at once lie far from the others, and a log-normal mean grows with its square."""
STEPS = 12
"""Steps of expectation and maximisation."""
LEAST, FAR = 1e-9, 5.0
"""Seconds that have a logarithm, and standard deviations above which a normal tail is that of an exponential."""
STANDARD = NormalDist()
WIDTH = 1.96
"""Standard deviations on either side, for an interval that holds about 95 %."""


class Pace(msgspec.Struct, frozen=True):
    """Trials an hour, and the seconds left with about 95 % between `low` and `high`; NaN where nothing tells them."""

    per_hour: float
    seconds_left: float
    low: float
    high: float


def pace(search_seconds: Sequence[float], num_left: int) -> Pace:
    """The pace of a search from the seconds of searching until each finished trial, with `num_left` more to come.

    What is left is `num_left` times the mean interval; its spread is that of a sum of as many, and the standard error
    of the mean.

    >>> pace([0.0, 10.0, 20.0, 30.0], 6)
    Pace(per_hour=360.0, seconds_left=60.0, low=60.0, high=60.0)
    """
    last = list(search_seconds)[-MOST_INTERVALS - 1 :]
    gaps = [later - earlier for earlier, later in pairwise(last)]
    if len(gaps) < 3 or sum(gaps) <= 0:
        return Pace(math.nan, math.nan, math.nan, math.nan)
    mean, spread = fmean(gaps), stdev(gaps)
    left = num_left * mean
    reach = WIDTH * spread * math.sqrt(num_left + num_left**2 / len(gaps))
    return Pace(3600 / mean, left, max(0.0, left - reach), left + reach)


class TimeLeft:
    """The time left of a run, from how long its slots were with each trial; told moments in seconds by one clock.

    A slot is with a trial from the end of its last one: what the strategy and the ledger take counts, the start of
    workers does not. Unlike times between ends this holds when all slots end their first trials at once. Trials in
    the slots count as spans that are at least so long, for the first to end are the quick ones. Where none that ended
    took longer, spans are taken as log-normal, fitted to both kinds (Dempster et al., Maximum likelihood from
    incomplete data via the EM algorithm, 1977).

    >>> left = TimeLeft()
    >>> for trial in (0, 1):
    ...     left.started(trial, 0.0)
    ...     left.taken(trial, 8.0)
    >>> left.finished(0, 18.0)
    >>> left.started(2, 18.0)
    >>> round(left.seconds(9, 20.0))
    58
    """

    def __init__(self) -> None:
        self._began: dict[int, float] = {}
        self._first: set[int] = set()
        self._free: deque[float] = deque()
        self._spans: deque[float] = deque(maxlen=MOST_SPANS)
        self._num_slots = 1

    def started(self, trial: int, moment: float) -> None:
        """A `trial` was put into a slot."""
        if self._free:
            self._began[trial] = self._free.popleft()
        else:
            self._began[trial] = moment
            self._first.add(trial)
        self._num_slots = max(self._num_slots, len(self._began))

    def taken(self, trial: int, moment: float) -> None:
        """A worker began a `trial`; where it is the first one of its slot the worker has started until now."""
        if trial in self._first:
            self._began[trial] = moment

    def finished(self, trial: int, moment: float, is_counted: bool = True) -> None:
        """A `trial` ended; the time of one that is not counted is that of the next one in its slot."""
        began = self._began.pop(trial, moment)
        self._first.discard(trial)
        self._free.append(moment if is_counted else began)
        if is_counted:
            self._spans.append(moment - began)

    def seconds(self, num_left: int, moment: float) -> float:
        """The seconds until `num_left` trials, those in the slots among them, have ended; NaN before the first end."""
        if not self._spans:
            return math.nan
        spent = [moment - began for began in self._began.values()]
        some = spent[:: 1 + len(spent) // MOST_SPANS]
        centre, spread = fitted_spans(self._spans, some)
        lasting = [each for each in some if each > math.exp(centre - spread)]  # others tell next to nothing
        mean = fmean([*self._spans, *(each + self._rest(each, centre, spread) for each in lasting)])
        rests = [self._rest(each, centre, spread) for each in spent]
        slots = sorted([*rests, *([0.0] * (self._num_slots - len(rests)))])
        rounds, rest = divmod(max(0, num_left - len(rests)), len(slots))
        slots = [each + rounds * mean for each in slots]
        for _ in range(rest):
            heapreplace(slots, slots[0] + mean)
        return max(slots)

    def _rest(self, spent: float, centre: float, spread: float) -> float:
        """What a trial takes on after it took `spent` seconds: as those that took longer, on average, if any did."""
        longer = [each - spent for each in self._spans if each > spent]
        return fmean(longer) if longer else rest_of_span(spent, centre, spread)


def fitted_spans(ended: Sequence[float], spent: Sequence[float]) -> tuple[float, float]:
    """The mean and standard deviation of the logarithm of spans, of which some `ended` and others last, `spent` so far.

    >>> fitted_spans([1.0, 1.0, 1.0], [])[0], fitted_spans([1.0, 1.0, 1.0], [2.0])[0] > 0.1
    (0.0, True)
    """
    known = [math.log(max(each, LEAST)) for each in ended]
    least = [math.log(each) for each in spent if each > LEAST]
    centre, spread, count = fmean(known), SPREAD, len(known) + len(least)
    for _ in range(STEPS):
        expected, variance = list(known), 0.0
        for each in least:
            above = (each - centre) / spread
            pull = beyond(above)
            expected.append(centre + spread * pull)
            variance += spread**2 * max(0.0, 1 + above * pull - pull**2)
        centre = fmean(expected)
        squares = sum((each - centre) ** 2 for each in expected) + variance
        spread = min(MOST_SPREAD, math.sqrt((squares + SPREAD_WEIGHT * SPREAD**2) / (count + SPREAD_WEIGHT)))
    return centre, spread


def beyond(above: float) -> float:
    """The mean of a standard normal variable that is `above` a value.

    >>> round(beyond(0.0), 4), round(beyond(8.0), 2)
    (0.7979, 8.12)
    """
    if above > FAR:
        return above + 1 / above
    return STANDARD.pdf(above) / (1 - STANDARD.cdf(above))


def rest_of_span(spent: float, centre: float, spread: float) -> float:
    """What a span lasts on, on average, after `spent` seconds, of `centre` and `spread` as `fitted_spans` tells them.

    >>> round(rest_of_span(0.0, 0.0, 0.0001), 6), rest_of_span(1.0, 0.0, 0.4) > 0.3
    (1.0, True)
    """
    mean = math.exp(centre + spread**2 / 2)
    if spent <= LEAST:
        return mean
    above = (math.log(spent) - centre) / spread
    if above > FAR:
        return spent * spread / above
    return max(0.0, mean * (1 - STANDARD.cdf(above - spread)) / (1 - STANDARD.cdf(above)) - spent)
