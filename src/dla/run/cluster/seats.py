"""Where on a cluster a stage is run: workers, with what each has given out of its threads and GPUs."""

from __future__ import annotations

from dataclasses import dataclass

from dla.run.slots import Grant, Slots
from dla.run.task import Needs


@dataclass
class Seat:
    """A worker, and what stages hold of it."""

    address: str
    host: str
    threads: int
    gpus: int
    slots: Slots
    stages: int = 0

    @classmethod
    def of(cls, address: str, host: str, threads: int, gpus: int, stages_per_gpu: int) -> Seat:
        """A worker of which nothing is given out."""
        return cls(
            address, host, threads, gpus, Slots(threads, [str(number) for number in range(gpus)], stages_per_gpu)
        )

    def take(self, needs: Needs) -> Grant:
        """Hold what a stage needs; there must be room for it."""
        self.stages += 1
        return self.slots.take(needs)

    def give(self, grant: Grant) -> None:
        """Take back what a stage held."""
        self.stages -= 1
        self.slots.give(grant)


class Seats:
    """The workers of a cluster, which come and go.

    A stage that wants more threads than any worker has takes the whole of one of those with the most. One that computes
    on a GPU goes to a worker that has some; once there has been such a worker it waits for one, before that it goes
    anywhere.
    """

    def __init__(self) -> None:
        self._seats: dict[str, Seat] = {}
        self._has_had_gpus = False

    def __len__(self) -> int:
        return len(self._seats)

    def __contains__(self, address: str) -> bool:
        return address in self._seats

    def addresses(self) -> list[str]:
        """Those of all workers."""
        return list(self._seats)

    def add(self, seat: Seat) -> None:
        """A worker has come."""
        self._seats[seat.address] = seat
        self._has_had_gpus = self._has_had_gpus or seat.gpus > 0

    def keep(self, addresses: set[str]) -> None:
        """All other workers have gone."""
        self._seats = {address: seat for address, seat in self._seats.items() if address in addresses}

    def choose(self, needs: Needs) -> Seat | None:
        """The worker that a stage with these needs would be given to now: of those with room the least busy."""
        on_gpu = needs.gpu and self._has_had_gpus
        able = [seat for seat in self._seats.values() if seat.gpus > 0 or not on_gpu]
        most = max((seat.threads for seat in able), default=0)
        free = [seat for seat in able if seat.threads >= min(needs.threads, most) and seat.slots.room(needs)]
        return min(free, key=lambda seat: (seat.gpus > 0 and not needs.gpu, seat.stages / seat.threads), default=None)
