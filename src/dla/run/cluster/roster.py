"""The workers of a Dask scheduler as they come and go, and which of them can be given stages."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from distributed import Client, Future

from dla.core.errors import UserError
from dla.run.cluster import worker
from dla.run.cluster.parcel import Look, Session
from dla.run.cluster.seats import Seat, Seats

BEAT = 0.5  # seconds between two looks
PATIENCE = 3.0  # seconds without a worker after which the user is told


class Roster:
    """Asks each new worker whether it has the project's folder, before it is given anything.

    Parameters
    ----------
    client, address : of the scheduler
    session : what workers are told of this run
    answered : called, in another thread, with the future of a worker's answer
    note : takes a sentence for the user
    """

    def __init__(
        self,
        client: Client,
        address: str,
        session: Session,
        answered: Callable[[Future[Look]], None],
        note: Callable[[str], None],
    ) -> None:
        self.seats = Seats()
        self._client = client
        self._address = address
        self._session = session
        self._answered = answered
        self._note = note
        self._looks: dict[str, Future[Look]] = {}  # of workers that have not said yet what they see
        self._set_aside: dict[str, str] = {}  # what is wrong with workers that are given nothing
        self._next_look = 0.0
        self._lonely_since = time.monotonic()
        self._has_said_so = False

    def hurry(self) -> None:
        """There is news of a worker: do not put off the next look."""
        self._next_look = 0.0

    def look_around(self) -> bool:
        """See which workers there are, at most every BEAT. Whether one can be given stages that could not before.

        Raises
        ------
        UserError
            If the scheduler is gone.
        """
        if time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + BEAT
        there = self._workers()
        self.seats.keep(set(there))
        for known in (self._looks, self._set_aside):
            for address in known.keys() - there.keys():
                del known[address]
        for address in there.keys() - self._looks.keys() - self._set_aside.keys():
            if address not in self.seats:
                self._ask(address)
        answers = [address for address, look in self._looks.items() if look.done()]
        come = [self._hear(address, there[address]) for address in answers]
        return any(come)

    def check(self) -> None:
        """Without a worker to give stages to: a note after a while.

        Raises
        ------
        UserError
            If there are workers, and none of them can be given any.
        """
        if len(self.seats):
            self._lonely_since, self._has_said_so = time.monotonic(), False
        elif self._set_aside and not self._looks:
            raise UserError(next(iter(self._set_aside.values())))
        elif time.monotonic() - self._lonely_since > PATIENCE and not self._has_said_so:
            self._note(f"no worker at {self._address}: waiting for one (`dask worker {self._address}`)")
            self._has_said_so = True

    def _workers(self) -> dict[str, Any]:
        """What the scheduler says of its workers that are not about to leave, by address."""
        try:
            workers = self._client.scheduler_info()["workers"].items()
        except (KeyError, OSError, TimeoutError, RuntimeError) as error:  # KeyError: as a client says that is closed
            raise UserError(
                f"the Dask scheduler at {self._address} is gone: start it and run again; what has ended is kept"
            ) from error
        return {address: info for address, info in workers if info["status"] in ("running", "paused")}

    def _ask(self, address: str) -> None:
        self._looks[address] = self._client.submit(
            worker.look, self._session, key=f"look-{uuid.uuid4().hex}", workers=[address], retries=0, pure=False
        )
        self._looks[address].add_done_callback(self._answered)

    def _hear(self, address: str, info: dict[str, Any]) -> bool:
        """Take up a worker that has said what it sees; whether it can be given stages."""
        future = self._looks.pop(address)
        if future.status == "error":
            problem = f"cannot run stages ({future.exception()}): install there what is installed here, then start it"
        elif future.status != "finished":  # the worker has just gone
            return False
        elif not (look := future.result()).sees_folder:
            problem = (
                f"on {look.host} does not see {Path(str(self._session.shared)).parent}: mount the project's folder "
                "there at the same path, or share files by a DVC remote (--remote NAME)"
            )
        else:
            gpus = int(info["resources"].get("GPU", 0))
            self.seats.add(Seat.of(address, look.host, info["nthreads"], gpus, self._session.stages_per_gpu))
            return True
        self._set_aside[address] = f"worker {address} {problem}"
        self._note(self._set_aside[address])
        return False
