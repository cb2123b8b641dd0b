"""The queue of stages that may start, those first on which the longest chain of work hangs."""

from __future__ import annotations

import statistics
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Collection, Mapping

UNKNOWN = 1.0  # seconds of a stage, where nothing at all is remembered
SCARCE = 1.5  # what a second on a scarce device counts in the order; of 1 to 5 nearest to the bound (bench/schedule.py)


class Schedule:
    """Which stages may start now, those first on which the longest chain of work hangs.

    The chain of a stage is its own seconds and the longest chain among its dependents: the time that the rest of the
    run takes at least from its start. Longest chain first is the rule of highest levels (Hu, Operations Research 9,
    1961; Adam, Chandy and Dickson, CACM 17, 1974), here with durations of the last run.

    Parameters
    ----------
    after
        For each stage, in the order in which a serial run would take them, those that must have ended before it.
    seconds
        Remembered durations, of these and of other stages; may lack any.
    scarce
        Stages that share something scarcer than CPU threads, as GPUs are: their seconds count one and a half times in
        the order, or threads would go to equal chains without GPUs while these stand idle.

    Raises
    ------
    ValueError
        If a stage comes after one that is not before it in that order: then it is not an order of a serial run.
    """

    def __init__(
        self, after: Mapping[str, Collection[str]], seconds: Mapping[str, float], scarce: Collection[str] = ()
    ) -> None:
        self._serial = {name: number for number, name in enumerate(after)}
        self._dependents: dict[str, list[str]] = {name: [] for name in after}
        for name, earlier in after.items():
            for other in set(earlier):
                if self._serial.get(other, len(after)) >= self._serial[name]:
                    raise ValueError(f"{name} comes after {other}, which is not before it in the order of a serial run")
                self._dependents[other].append(name)
        self._waits_for = {name: len(set(earlier)) for name, earlier in after.items()}
        self.seconds = estimates(after, seconds)  # of each stage
        self.chain = self._chains(self.seconds)  # seconds from each stage's start to the end of what hangs on it
        weights = {name: self.seconds[name] * SCARCE for name in set(scarce) & set(after)}
        urgency = self._chains(self.seconds | weights) if weights else self.chain
        self._place = {name: place for place, name in enumerate(sorted(after, key=lambda name: -urgency[name]))}
        self._ready = [name for name in self._place if not self._waits_for[name]]
        self._places = [self._place[name] for name in self._ready]
        self.begun: set[str] = set()  # started, and not ended yet
        self._stopped: set[str] = set()  # they wait for what has failed, and so for ever
        self._work = sum(self.seconds.values())

    def _chains(self, seconds: Mapping[str, float]) -> dict[str, float]:
        chains: dict[str, float] = {}
        for name in reversed(self._serial):
            chains[name] = seconds[name] + max((chains[other] for other in self._dependents[name]), default=0.0)
        return chains

    @property
    def is_over(self) -> bool:
        """Whether no stage is ready or running; what is left then can never start."""
        return not self._ready and not self.begun

    def ready(self) -> list[str]:
        """The stages that may start, longest chain first; equal ones in the order of a serial run."""
        return self._ready.copy()

    def begin(self, name: str) -> None:
        """The stage, one of those ready, has been started."""
        self._leave(name)
        self.begun.add(name)

    def end(self, name: str) -> None:
        """The stage, one that has begun, has ended well: what waited for it alone is ready."""
        if name not in self.begun:
            raise ValueError(f"{name} ends, and has not begun")
        self.begun.remove(name)
        self._work -= self.seconds[name]
        for other in self._dependents[name]:
            self._waits_for[other] -= 1
            if not self._waits_for[other]:
                insort(self._places, self._place[other])
                self._ready.insert(bisect_left(self._places, self._place[other]), other)

    def drop(self, name: str) -> list[str]:
        """The stage, begun or ready, has failed: what depends on it, directly or not, will never start.

        Returns those stages in the order of a serial run, without such as another failure has stopped before.
        """
        if name in self.begun:
            self.begun.remove(name)
        else:
            self._leave(name)
        stopped: set[str] = set()
        reached = [name]
        while reached:
            following = set(self._dependents[reached.pop()]) - self._stopped
            self._stopped |= following
            stopped |= following
            reached += following
        self._work -= self.seconds[name] + sum(self.seconds[other] for other in stopped)
        return sorted(stopped, key=self._serial.__getitem__)

    def seconds_left(self, slots: int) -> float:
        """The seconds that the rest takes at least on so many slots: that of its longest chain or of all its work.

        Stages that run count whole, as if they had begun now.
        """
        longest = max((self.chain[name] for name in [*self.begun, *self._ready[:1]]), default=0.0)
        return max(longest, self._work / slots)

    def _leave(self, name: str) -> None:
        index = bisect_left(self._places, self._place[name])
        if self._ready[index : index + 1] != [name]:
            raise ValueError(f"{name} is not ready to begin")
        del self._places[index], self._ready[index]


def estimates(names: Collection[str], remembered: Mapping[str, float]) -> dict[str, float]:
    """The seconds of each stage: those remembered, else of its like, else of any stage, else one second.

    Its like are the stages of the same group (`pair@1` and `pair@2`), of whose durations the mean is taken; of those
    of all stages the median.
    """
    groups: defaultdict[str, list[float]] = defaultdict(list)
    for name, seconds in remembered.items():
        groups[_group(name)].append(seconds)
    otherwise = statistics.median(remembered.values()) if remembered else UNKNOWN
    means = {group: statistics.fmean(seconds) for group, seconds in groups.items()}
    return {name: remembered.get(name, means.get(_group(name), otherwise)) for name in names}


def _group(name: str) -> str:
    """The name of a stage without what `foreach` or `matrix` put behind it: `sub/dvc.yaml:train` of ...:train@x."""
    path, colon, stage = name.rpartition(":")
    return path + colon + (stage.rpartition("@")[0] or stage)
