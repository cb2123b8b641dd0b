"""The way to a Dask scheduler: one that runs somewhere, or one with workers that is started here to try it."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import dask
from distributed import Client, LocalCluster
from distributed.scheduler import Scheduler
from distributed.security import Security

from dla.core.errors import UserError

CONNECTS_WITHIN = 10.0  # seconds, also after the connection was lost
HERE = "local:"


@dataclass(frozen=True)
class Connection:
    """A client of a scheduler, and the scheduler itself with its workers if they were started for this run."""

    client: Client
    cluster: LocalCluster | None = None

    def close(self) -> None:
        """Leave the scheduler; end the workers that were started for this run."""
        with suppress(OSError, TimeoutError):
            self.client.close()
        if self.cluster is not None:
            self.cluster.close()


def connect(address: str) -> Connection:
    """Reach the scheduler at `tcp://HOST:PORT` or `tls://HOST:PORT`, or start one with N workers for `local:N`.

    It then runs no task twice: a task whose worker is lost fails, and none is moved to another worker. TLS takes the
    certificates of Dask's own configuration (distributed.comm.tls).

    Raises
    ------
    UserError
        If the address is none of these, or no scheduler of a matching version answers there.
    """
    connection = _start(address) if address.startswith(HERE) else _reach(address)
    try:
        connection.client.run_on_scheduler(_never_twice())
    except ImportError as error:
        connection.close()
        raise UserError(
            f"the Dask scheduler at {address} runs in another environment ({error}): start it, as its workers, where "
            "what is installed here is installed"
        ) from error
    return connection


def _start(address: str) -> Connection:
    """Workers of one thread on loopback, behind certificates of their own: other users of the machine stay out."""
    count = address.removeprefix(HERE)
    if not count.isdecimal() or int(count) < 1:
        raise UserError(f"--cluster {address}: {HERE}N starts N workers on this machine; N is a whole number from 1")
    idle = {
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
        "distributed.worker.profile.enabled": False,  # it samples what threads do 100 times a second
    }
    with dask.config.set(idle):
        cluster = _loopback(int(count))
    return Connection(Client(cluster, set_as_default=False), cluster)


def _loopback(count: int) -> LocalCluster:
    return LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        host="127.0.0.1",
        memory_limit=0,  # stages are other processes; Dask would count the worker's own
        dashboard_address=None,
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0", "dashboard": False},  # any port that is free
        security=True,
        silence_logs=logging.CRITICAL,
    )


def _reach(address: str) -> Connection:
    if not address.startswith(("tcp://", "tls://")):
        raise UserError(f"--cluster {address}: give tcp://HOST:8786 or tls://HOST:8786, or {HERE}N for N workers here")
    if address.startswith("tls://") and Security().get_connection_args("client").get("ssl_context") is None:
        raise UserError(
            f"--cluster {address}: Dask knows no certificates for it; name them by the variables "
            "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, ..._TLS__CLIENT__CERT and ..._TLS__CLIENT__KEY"
        )
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what goes wrong is said by this package
    try:
        with dask.config.set({"distributed.client.scheduler-info-interval": "1h"}):  # it is asked for when needed
            return Connection(Client(address, set_as_default=False, timeout=CONNECTS_WITHIN))
    except (OSError, TimeoutError, ValueError, RuntimeError) as error:
        raise UserError(
            f"no Dask scheduler answers at {address} ({error}): start one with `dask scheduler`, and see to it that "
            "this machine reaches its port"
        ) from error


def _never_twice() -> Callable[..., Any]:
    """What is to run in the scheduler, as a function that is sent whole: it may not have what Dask unpickles there."""

    async def settle(dask_scheduler: Scheduler) -> None:
        importlib.import_module("dla.run.cluster.worker")
        dask_scheduler.allowed_failures = 0
        if (stealing := dask_scheduler.extensions.get("stealing")) is not None:
            await stealing.stop()

    return settle
