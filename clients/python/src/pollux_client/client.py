"""The two clients. Each method says what it does; the other files do it."""

from __future__ import annotations

from typing import Any, AsyncGenerator, Generator, Iterable, List, Mapping, Optional

from .core import Core, Names, TaskRef
from .documents import Event
from .location import PathText
from .many import as_completed, map_tasks
from .streams import AsyncEventStream, EventStream, event_reader
from .submission import Submission, Time, When
from .tasks import AsyncTask, Task
from .transport import AsyncIO, BlockingIO, iterate, run


class Client:
    """A client of the daemon for programs without asyncio. Threads may share it, and so may forked processes.

    `socket` is its path; without it, it is found as the command line finds it. `timeout` limits each request, in
    seconds. `patience` is how long a call is repeated while the daemon is away: at most so long after the first
    failure in a row. A daemon that was never there is waited for at most 5 seconds.
    """

    def __init__(self, socket: Optional[PathText] = None, *, timeout: float = 60.0, patience: float = 60.0) -> None:
        self._core: Core[Task] = Core(BlockingIO(), Task, socket, timeout, patience)

    @property
    def socket_path(self) -> str:
        return self._core.socket_path

    def submit(
        self,
        endpoint: str,
        request: Mapping[str, Any],
        *,
        key: Optional[str] = None,
        labels: Optional[Mapping[str, str]] = None,
        priority: Optional[int] = None,
        not_before: Optional[When] = None,
        deadline: Optional[When] = None,
        on_uncertain: Optional[str] = None,
        capture: Optional[bool] = None,
        note: Optional[str] = None,
        notify: Optional[str] = None,
    ) -> Task:
        """Submits a task and returns it, once it is on the daemon's disk.

        It is sent with an idempotency key, a random one unless `key` is given, so a repeat after a lost reply or a
        restart of the daemon pays nothing twice. An error has that key. A key of your own also covers a restart of
        your program.
        """
        options = (key, labels, priority, not_before, deadline, on_uncertain, capture, note, notify)
        return run(self._core.submit_task(Submission(endpoint, request, *options)))

    def get(self, task: TaskRef) -> Task:
        """Reads a task."""
        return run(self._core.get_task(task))

    def wait(self, task: TaskRef, *, timeout: Optional[float] = None) -> Task:
        """Waits until the task has ended, and returns it, whatever its outcome; `check` raises if it failed.

        Raises WaitTimeout after the timeout. The task goes on.
        """
        return run(self._core.wait_for_task(task, timeout))

    def cancel(self, task: TaskRef) -> Task:
        """Stops tracking a task. Most providers have no cancel, so the bill may still come."""
        return run(self._core.cancel_task(task))

    def list(
        self,
        *,
        state: Names = None,
        endpoint: Names = None,
        labels: Optional[Mapping[str, str]] = None,
        created_after: Optional[Time] = None,
        created_before: Optional[Time] = None,
        retried: Optional[bool] = None,
        page_size: int = 50,
    ) -> Generator[Task, None, None]:
        """Tasks, newest first. Pages are read as you iterate."""
        filters = (state, endpoint, labels, created_after, created_before, retried, page_size)
        return iterate(self._core.list_tasks(*filters))

    def events(self, task: TaskRef) -> List[Event]:
        """The log of a task, oldest first."""
        return run(self._core.events_of(task))

    def map(
        self,
        submissions: Iterable[Submission],
        *,
        concurrency: int = 16,
        key: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> Generator[Task, None, None]:
        """Submits tasks, at most `concurrency` open ones at a time, and yields them in order when they have ended.

        Submission n, counted from 1, gets the key `KEY/n` unless it has its own. With a `key` that you keep, the same
        call may be made again after a crash of your program: it yields the same tasks. Nothing is submitted before
        the first one is asked for, and the tasks go on if you stop.
        """
        return iterate(map_tasks(self._core, submissions, concurrency, key, timeout))

    def as_completed(self, tasks: Iterable[TaskRef], *, timeout: Optional[float] = None) -> Generator[Task, None, None]:
        """Yields each of the tasks when it has ended."""
        return iterate(as_completed(self._core, tasks, timeout))

    def stream(
        self,
        after: Optional[str] = None,
        *,
        tasks: Optional[Iterable[TaskRef]] = None,
        endpoint: Names = None,
        state: Names = None,
        labels: Optional[Mapping[str, str]] = None,
        include: Names = None,
        follow: bool = True,
    ) -> EventStream:
        """The events of all tasks, or of the selected ones, as they happen.

        Begins after the event with that id, with `"0"` at the oldest one, else now. `include` names the members of
        each task that are sent too: `request`, `response`, `results`. Without `follow` it ends with the newest event.
        """
        return EventStream(event_reader(self._core, after, tasks, endpoint, state, labels, include), follow)

    def call(self, method: str, path: str, document: Any = None) -> Any:
        """Calls any route of docs/api.md and returns its JSON. Only GET is repeated after a lost reply."""
        return run(self._core.call_route(method, path, document))


class AsyncClient:
    """A client of the daemon for programs with asyncio. Its methods and parameters are those of `Client`.

    A cancelled call closes its connection. What the daemon has stored goes on.
    """

    def __init__(self, socket: Optional[PathText] = None, *, timeout: float = 60.0, patience: float = 60.0) -> None:
        self._core: Core[AsyncTask] = Core(AsyncIO(), AsyncTask, socket, timeout, patience)

    @property
    def socket_path(self) -> str:
        return self._core.socket_path

    async def submit(
        self,
        endpoint: str,
        request: Mapping[str, Any],
        *,
        key: Optional[str] = None,
        labels: Optional[Mapping[str, str]] = None,
        priority: Optional[int] = None,
        not_before: Optional[When] = None,
        deadline: Optional[When] = None,
        on_uncertain: Optional[str] = None,
        capture: Optional[bool] = None,
        note: Optional[str] = None,
        notify: Optional[str] = None,
    ) -> AsyncTask:
        """As `Client.submit`. If this is cancelled, the task may have been stored: give a `key` to submit it again."""
        options = (key, labels, priority, not_before, deadline, on_uncertain, capture, note, notify)
        return await self._core.submit_task(Submission(endpoint, request, *options))

    async def get(self, task: TaskRef) -> AsyncTask:
        """As `Client.get`."""
        return await self._core.get_task(task)

    async def wait(self, task: TaskRef, *, timeout: Optional[float] = None) -> AsyncTask:
        """As `Client.wait`."""
        return await self._core.wait_for_task(task, timeout)

    async def cancel(self, task: TaskRef) -> AsyncTask:
        """As `Client.cancel`."""
        return await self._core.cancel_task(task)

    def list(
        self,
        *,
        state: Names = None,
        endpoint: Names = None,
        labels: Optional[Mapping[str, str]] = None,
        created_after: Optional[Time] = None,
        created_before: Optional[Time] = None,
        retried: Optional[bool] = None,
        page_size: int = 50,
    ) -> AsyncGenerator[AsyncTask, None]:
        """As `Client.list`."""
        filters = (state, endpoint, labels, created_after, created_before, retried, page_size)
        return self._core.list_tasks(*filters)

    async def events(self, task: TaskRef) -> List[Event]:
        """As `Client.events`."""
        return await self._core.events_of(task)

    def map(
        self,
        submissions: Iterable[Submission],
        *,
        concurrency: int = 16,
        key: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> AsyncGenerator[AsyncTask, None]:
        """As `Client.map`."""
        return map_tasks(self._core, submissions, concurrency, key, timeout)

    def as_completed(
        self, tasks: Iterable[TaskRef], *, timeout: Optional[float] = None
    ) -> AsyncGenerator[AsyncTask, None]:
        """As `Client.as_completed`."""
        return as_completed(self._core, tasks, timeout)

    def stream(
        self,
        after: Optional[str] = None,
        *,
        tasks: Optional[Iterable[TaskRef]] = None,
        endpoint: Names = None,
        state: Names = None,
        labels: Optional[Mapping[str, str]] = None,
        include: Names = None,
        follow: bool = True,
    ) -> AsyncEventStream:
        """As `Client.stream`."""
        return AsyncEventStream(event_reader(self._core, after, tasks, endpoint, state, labels, include), follow)

    async def call(self, method: str, path: str, document: Any = None) -> Any:
        """As `Client.call`."""
        return await self._core.call_route(method, path, document)
