# SPDX-License-Identifier: Apache-2.0
"""Run the points of a sweep, in processes of this machine or on a Dask cluster.

A process that dies, for instance because memory is short, costs its own point a second try, and no
other point anything. Processes end with the command, even if it is killed: each watches a pipe
whose other end only the command holds, on every system.
"""

import logging
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection, wait
from typing import Any

from hw import manners
from hw.progress import Progress
from hw.spec.errors import SpecError
from sim.closure import code_digest
from synth.points import Point, failed, measure_point

#: A point and the command for its provenance.
Call = tuple[Point, str]
#: Index of a call, and the record of its point as plain data.
Result = tuple[int, dict[str, Any]]
#: How often a point is tried if its process dies.
TRIES = 2
#: Seconds that a scheduler has to answer.
ANSWER_S = 10


def in_processes(calls: Sequence[Call], jobs: int | None) -> Iterator[Result]:
    """Results in the order of completion, from ``jobs`` processes; None means one per core."""
    most = min(jobs or os.cpu_count() or 1, len(calls))
    waiting = deque((index, 1) for index in range(len(calls)))
    running: dict[Connection, tuple[Process, int, int]] = {}
    alive, held = Pipe(duplex=False)
    try:
        while waiting or running:
            while waiting and len(running) < most:
                index, tries = waiting.popleft()
                receiver, sender = Pipe(duplex=False)
                process = Process(
                    target=_work, args=(alive, held, sender, *calls[index]), daemon=True
                )
                process.start()
                sender.close()
                running[receiver] = (process, index, tries)
            ready = set(wait(list(running)))
            for receiver in [receiver for receiver in running if receiver in ready]:
                process, index, tries = running[receiver]
                record = _received(receiver)
                process.join()
                del running[receiver]
                if record is not None:
                    yield index, record
                elif tries < TRIES:
                    waiting.append((index, tries + 1))
                else:
                    yield index, failed(*calls[index], f"{_end(process)} {TRIES} times")
    finally:
        for process, *_ in running.values():
            process.terminate()
        alive.close()
        held.close()


def _work(
    alive: Connection, held: Connection, sender: Connection, point: Point, command: str
) -> None:
    """Measure a point in a process of its own."""
    held.close()
    threading.Thread(target=_end_after, args=(alive,), daemon=True).start()
    sender.send(measure_point(point, command))
    sender.close()


def _end_after(alive: Connection) -> None:
    """End this process and its tools as soon as the command has ended."""
    try:
        alive.recv_bytes()
    except (EOFError, OSError):
        manners.end_children()
        os._exit(1)


def _received(receiver: Connection) -> dict[str, Any] | None:
    """What a process sends; None if it died."""
    with receiver:
        try:
            record: dict[str, Any] = receiver.recv()
            return record
        except (EOFError, OSError):
            return None


def _end(process: Process) -> str:
    """How a process ended, as the beginning of a sentence."""
    code = process.exitcode or 0
    if code < 0:
        return f"Its process was ended by {signal.Signals(-code).name}"
    return f"Its process ended with status {code}"


def on_cluster(calls: Sequence[Call], scheduler: str) -> Iterator[Result]:
    """Results in the order of completion, from the workers of a Dask scheduler.

    Dask gives the point of a worker that is lost to another.

    Raises
    ------
    SpecError
        If Dask is not installed or does not answer.
    """
    try:
        import distributed  # An optional dependency, slow to import.
    except ImportError as error:
        raise SpecError(
            "--scheduler needs Dask, which is not installed: run `pip install '.[cluster]'`"
        ) from error
    code = code_digest(measure_point)
    with _no_log():
        try:
            client = distributed.Client(scheduler, timeout=ANSWER_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise SpecError(f"No Dask scheduler answers at {scheduler!r}") from error
        with client:
            if not client.scheduler_info()["workers"]:
                Progress().note(f"{scheduler} has no worker yet: waiting for the first")
            futures = {
                client.submit(measure_there, *call, code, pure=False): index
                for index, call in enumerate(calls)
            }
            for future in distributed.as_completed(list(futures), loop=client.loop):
                yield futures[future], _result(future, *calls[futures[future]])


def measure_there(point: Point, command: str, code: str) -> dict[str, Any]:
    """Measure a point on a worker, whose code must have the digest ``code``."""
    if code_digest(measure_point) != code:
        return failed(point, command, "A worker has another version of this code: install the same")
    return measure_point(point, command)


def _result(future: Any, point: Point, command: str) -> dict[str, Any]:
    """Result of a point, or a failure record if no worker gave one."""
    try:
        record: dict[str, Any] = future.result()
        return record
    except CancelledError:
        return failed(point, command, "The connection to the scheduler was lost")
    except Exception as error:  # That of the worker, or that no worker survives the point.
        reason = " ".join(str(error).split())
        return failed(point, command, f"{type(error).__name__}: {reason}")


@contextmanager
def _no_log() -> Iterator[None]:
    """Drop what Dask logs; its errors are in the results."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
