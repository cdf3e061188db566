"""Waits for many tasks over one stream of events."""

from __future__ import annotations

import collections
import time
from typing import Any, AsyncGenerator, Deque, Iterable, Optional, Set

from .core import LEAST_GAP, Core, TaskRef, TaskT, deadline_after
from .errors import PolluxError, StreamReset, WaitTimeout
from .events import EventReader, is_refusal
from .submission import Submission, new_key

_END_STATES = "succeeded,failed,cancelled,expired"


class Ends:
    """Says which tasks have ended. It asks for each of them where the daemon has no stream, or no room for another."""

    def __init__(self, core: Core[Any], deadline: float) -> None:
        self._core = core
        self._deadline = deadline
        self._reader: Optional[EventReader] = EventReader(core, is_optional=True, state=_END_STATES)

    def close(self) -> None:
        if self._reader:
            self._reader.close()

    async def begin(self) -> None:
        """Ends from now on are noticed."""
        try:
            if self._reader:
                await self._reader.begin()
        except PolluxError as error:
            self._do_without_stream(error)

    async def among(self, tasks: Set[str]) -> Set[str]:
        """Waits until some of the tasks have ended, and returns those."""
        while self._reader:
            try:
                event = await self._reader.step(self._deadline)
            except StreamReset:
                ended = await self._ended(tasks)
                if ended:
                    return ended
            except WaitTimeout:
                raise WaitTimeout(f"{len(tasks)} tasks have not ended. They go on.") from None
            except PolluxError as error:
                self._do_without_stream(error)
            else:
                if event and event.task_id in tasks:
                    return {event.task_id}
        while True:
            ended = await self._ended(tasks)
            if ended:
                return ended
            if time.monotonic() >= self._deadline:
                raise WaitTimeout(f"{len(tasks)} tasks have not ended. They go on.")
            await self._core.io.sleep(max(LEAST_GAP, len(tasks) / 100))

    def _do_without_stream(self, error: PolluxError) -> None:
        if not is_refusal(error):
            raise error
        self.close()
        self._reader = None

    async def _ended(self, tasks: Set[str]) -> Set[str]:
        return {task for task in sorted(tasks) if (await self._core.get_task(task)).has_ended}


async def map_tasks(
    core: Core[TaskT], submissions: Iterable[Submission], concurrency: int, key: Optional[str], timeout: Optional[float]
) -> AsyncGenerator[TaskT, None]:
    """Submits while it is iterated, at most so many open tasks at a time, and yields the ended tasks in order."""
    if concurrency < 1:
        raise ValueError("The concurrency must be at least 1.")
    if key == "":
        raise ValueError("The key must not be empty.")
    prefix = key or new_key()
    ends = Ends(core, deadline_after(timeout))
    numbered = enumerate(submissions, 1)
    waiting: Deque[str] = collections.deque()  # Not yielded, in order.
    open_tasks: Set[str] = set()
    refusal: Optional[Exception] = None
    is_more = True
    try:
        await ends.begin()
        while True:
            while is_more and len(open_tasks) < concurrency:
                try:
                    number, submission = next(numbered)
                except StopIteration:
                    is_more = False
                    break
                try:
                    task = await core.submit_task(submission, f"{prefix}/{number}")
                except Exception as error:
                    refusal, is_more = error, False  # Raised in its turn: the tasks before it are wanted.
                    break
                waiting.append(task.id)
                if not task.has_ended:
                    open_tasks.add(task.id)
            if not waiting:
                break
            if waiting[0] not in open_tasks:
                task = await core.get_task(waiting[0])
                if task.has_ended:
                    waiting.popleft()
                    yield task
                    continue
                open_tasks.add(task.id)  # Reopened.
            open_tasks -= await ends.among(open_tasks)
        if refusal:
            raise refusal
    finally:
        ends.close()


async def as_completed(
    core: Core[TaskT], tasks: Iterable[TaskRef], timeout: Optional[float]
) -> AsyncGenerator[TaskT, None]:
    """Yields each task once it has ended, in the order of their ends."""
    ends = Ends(core, deadline_after(timeout))
    open_tasks: Set[str] = set()
    seen: Set[str] = set()
    try:
        await ends.begin()
        for reference in tasks:
            task = await core.get_task(reference)
            if task.id in seen:
                continue
            seen.add(task.id)
            if task.has_ended:
                yield task
            else:
                open_tasks.add(task.id)
        while open_tasks:
            for name in await ends.among(open_tasks):
                task = await core.get_task(name)
                if task.has_ended:
                    open_tasks.discard(name)
                    yield task
    finally:
        ends.close()
