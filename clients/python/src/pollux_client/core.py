"""The calls of both clients, and when they are repeated."""

from __future__ import annotations

import errno
import json
import logging
import math
import random
import re
import time
from typing import Any, AsyncGenerator, Callable, Generic, Iterable, List, Mapping, Optional, Tuple, TypeVar, Union
from urllib.parse import quote, urlencode

from .documents import Event, TaskDocument
from .errors import Conflict, NoDaemon, PolluxError, ReplyLost, UnreadableReply, WaitTimeout, problem
from .http import Reply, encode
from .location import PathText, find_socket
from .submission import Submission, Time, encode_json, new_key, time_text
from .transport import IO, open_socket

TaskT = TypeVar("TaskT", bound=TaskDocument)
#: A task, its id, or a unique beginning of its id.
TaskRef = Union[str, TaskDocument]
#: One name, or several.
Names = Union[str, Iterable[str], None]

_logger = logging.getLogger("pollux_client")
LARGEST_BODY = 256 << 20
_LONGEST_WAIT = 60.0
#: The least time between two requests for one thing.
LEAST_GAP = 1.0
#: A daemon that was never there may be starting, or be missing.
_PATIENCE_AT_FIRST = 5.0
#: How long a reply may come after the end of the caller's time.
_GRACE = 5.0
_NOBODY_LISTENS = (errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED, errno.EACCES, errno.ENOTSOCK, errno.EPROTOTYPE)


class Core(Generic[TaskT]):
    """What both clients do. It holds no connection: each request has one of its own."""

    def __init__(
        self,
        io: IO,
        make_task: Callable[[Mapping[str, Any], Core[TaskT]], TaskT],
        socket: Optional[PathText],
        timeout: float,
        patience: float,
    ) -> None:
        if not 0 < timeout < math.inf or not patience >= 0:
            raise ValueError("The timeout must be positive and finite, and the patience not negative.")
        self.io = io
        self._make_task = make_task
        self.timeout = timeout
        self.patience = patience
        self.socket_path = find_socket(socket)
        #: Whether a daemon has accepted a connection of this client.
        self.was_there = False

    # Requests

    async def open(self, method: str, target: str, body: Optional[bytes], timeout: float, **headers: str) -> Reply:
        """Sends a request and reads the head of its reply. The caller closes the reply."""
        reply = await self._connect(time.monotonic() + timeout)
        self.was_there = True
        try:
            await reply.exchange(encode(method, target, body, **headers))
            if not 200 <= reply.status < 300:
                raise problem_of(reply, await reply.body(LARGEST_BODY))
            return reply
        except BaseException:
            reply.close()
            raise

    async def _connect(self, deadline: float) -> Reply:
        pause = 0.005
        while True:
            try:
                sock = open_socket(self.socket_path)
            except BlockingIOError as error:  # It accepts no further connection at the moment.
                if time.monotonic() + pause > deadline:
                    raise self._no_daemon("it does not accept the connection") from error
                await self.io.sleep(pause)
                pause = min(2 * pause, 0.2)
            except (OSError, ValueError) as error:
                number = getattr(error, "errno", None)
                if number is not None and number not in _NOBODY_LISTENS:
                    raise
                text = getattr(error, "strerror", None) or str(error)
                raise self._no_daemon(text[:1].lower() + text[1:]) from error
            else:
                return Reply(self.io.connection(sock, deadline))

    def _no_daemon(self, reason: str) -> NoDaemon:
        return NoDaemon(f"No daemon answers on {self.socket_path}: {reason}. Start it with `pollux serve`.")

    async def json(
        self,
        method: str,
        target: str,
        body: Optional[bytes] = None,
        *,
        wait: float = 0.0,
        deadline: float = math.inf,
        repeats: bool = True,
    ) -> Any:
        """Sends a request, repeatedly while the daemon is away, and returns the document."""
        patience = Patience(self, deadline, repeats)
        while True:
            left = max(0.0, deadline - time.monotonic())
            timeout = min(self.timeout + wait, left + _GRACE)
            try:
                reply = await self.open(
                    method, target, body, timeout, accept="application/json, application/problem+json"
                )
                try:
                    return parse(await reply.body(LARGEST_BODY), reply.status)
                finally:
                    reply.close()
            except PolluxError as error:
                await patience.wait_after(error)

    async def task(self, method: str, target: str, body: Optional[bytes] = None, **options: Any) -> TaskT:
        raw = await self.json(method, target, body, **options)
        return self.make_task(raw)

    def make_task(self, raw: Any) -> TaskT:
        if not isinstance(raw, dict) or not isinstance(raw.get("id"), str) or not isinstance(raw.get("state"), str):
            raise UnreadableReply("The reply is not a task.")
        return self._make_task(raw, self)

    # Calls

    async def submit_task(self, submission: Submission, usual_key: Optional[str] = None) -> TaskT:
        key = next(key for key in (submission.key, usual_key, new_key()) if key is not None)
        body = submission.body(key)
        try:
            return await self.task("POST", "/v1/tasks", body)
        except PolluxError as error:
            error.idempotency_key = key
            raise
        except BaseException:  # Ctrl-C, or a cancelled task of asyncio: only this line names a random key.
            _logger.warning("A submission was interrupted and may have been stored. Its key is %s.", key)
            raise

    async def get_task(self, task: TaskRef) -> TaskT:
        return await self.task("GET", path_of(task))

    async def wait_for_task(self, task: TaskRef, timeout: Optional[float]) -> TaskT:
        deadline = deadline_after(timeout)
        while True:
            asked = time.monotonic()
            # Rounded up, so that the last second is not spent in requests that do not wait.
            seconds = math.ceil(min(_LONGEST_WAIT, max(0.0, deadline - asked)))
            target = f"{path_of(task)}?wait_seconds={seconds}"
            try:
                found = await self.task("GET", target, wait=seconds, deadline=deadline)
            except PolluxError as error:
                if error.is_temporary and time.monotonic() >= deadline:
                    raise WaitTimeout(f"The daemon is away, and the time is over. {error}") from error
                raise
            now = time.monotonic()
            if found.has_ended:
                return found
            if now >= deadline:
                raise WaitTimeout(f"Task {found.id} is still {found.state}. It goes on.")
            # A daemon that stops replies at once.
            await self.io.sleep(max(0.0, min(asked + LEAST_GAP, deadline) - now))

    async def cancel_task(self, task: TaskRef) -> TaskT:
        try:
            return await self.task("POST", f"{path_of(task)}/cancel")
        except Conflict as error:
            # A try whose reply was lost may have cancelled it.
            if error.code != "already_ended" or not error.outcome_unknown:
                raise
            found = await self.get_task(task)
            if found.state != "cancelled":
                raise
            return found

    async def events_of(self, task: TaskRef) -> List[Event]:
        events: List[Event] = []
        limit = 1000
        while True:
            after = f"&after={events[-1].sequence}" if events else ""
            page = member(await self.json("GET", f"{path_of(task)}/events?limit={limit}{after}"), "events")
            events += [Event(raw) for raw in page]
            if len(page) < limit:
                return events

    async def list_tasks(
        self,
        state: Names,
        endpoint: Names,
        labels: Optional[Mapping[str, str]],
        created_after: Optional[Time],
        created_before: Optional[Time],
        retried: Optional[bool],
        page_size: int,
    ) -> AsyncGenerator[TaskT, None]:
        filters = query(
            state=joined(state),
            endpoint=joined(endpoint),
            label=labels,
            created_after=time_text(created_after),
            created_before=time_text(created_before),
            retried=retried,
            limit=page_size,
        )
        cursor: Optional[str] = None
        while True:
            page = await self.json("GET", f"/v1/tasks{filters}" + (f"&cursor={quote(cursor)}" if cursor else ""))
            for raw in member(page, "tasks"):
                yield self.make_task(raw)
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    async def call_route(self, method: str, path: str, document: Any) -> Any:
        if not re.fullmatch(r"/[!-~]*", path):
            raise ValueError("A path begins with a slash and has only printable ASCII characters.")
        body = None if document is None else encode_json(document)
        return await self.json(method, path, body, repeats=method == "GET")


class Patience:
    """Decides whether a call is repeated, and waits before that.

    The time runs from the first failure in a row. An error that is raised says whether any try may have been carried
    out, whatever happened to the last.
    """

    def __init__(self, core: Core[Any], deadline: float = math.inf, repeats: bool = True) -> None:
        self._core = core
        self._deadline = deadline
        self._repeats = repeats
        self.outcome_unknown = False
        self.renew()

    def renew(self) -> None:
        """The call has got on, so the next failure is a first one."""
        self._end: Optional[float] = None
        self._pause = 0.05

    async def wait_after(self, error: PolluxError) -> None:
        core = self._core
        self.outcome_unknown = error.outcome_unknown = error.outcome_unknown or self.outcome_unknown
        now = time.monotonic()
        if self._end is None:
            patience = core.patience if core.was_there else min(core.patience, _PATIENCE_AT_FIRST)
            self._end = min(now + patience, self._deadline)
        least = 0.0 if isinstance(error, (NoDaemon, ReplyLost)) else LEAST_GAP
        pause = max(self._pause * random.uniform(0.5, 1.0), error.retry_after, least)
        may_repeat = error.is_temporary and (self._repeats or not error.outcome_unknown)
        if not may_repeat or now + error.retry_after >= self._end:
            raise error
        self._pause = min(2 * self._pause, LEAST_GAP)
        await core.io.sleep(min(pause, self._end - now))


def path_of(task: TaskRef) -> str:
    name = task if isinstance(task, str) else task.id
    if not name:
        raise ValueError("The id of a task must not be empty.")
    return "/v1/tasks/" + quote(name, safe="")


def query(**values: Any) -> str:
    """A query with its question mark. Labels are repeated, None is left out."""
    items: List[Tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            items += [(name, f"{label}:{text}") for label, text in value.items()]
        elif isinstance(value, bool):
            items.append((name, "true" if value else "false"))
        elif value is not None:
            items.append((name, str(value)))
    return "?" + urlencode(items, quote_via=quote) if items else ""


def joined(names: Names) -> Optional[str]:
    """The value of a filter, which is sent with each page and each connection. An empty list selects nothing."""
    return names if names is None or isinstance(names, str) else ",".join(names)


def deadline_after(timeout: Optional[float]) -> float:
    return math.inf if timeout is None else time.monotonic() + timeout


def member(document: Any, name: str) -> List[Any]:
    value = document.get(name) if isinstance(document, dict) else None
    if not isinstance(value, list):
        raise UnreadableReply(f"The reply has no list {name!r}.")
    return value


def parse(body: bytes, status: int) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnreadableReply(f"The reply (status {status}) is not JSON: {error}.") from error


def problem_of(reply: Reply, body: bytes) -> PolluxError:
    document = parse(body, reply.status)
    if not isinstance(document, dict) or not isinstance(document.get("code"), str):
        raise UnreadableReply(f"The reply (status {reply.status}) is not a problem document.")
    seconds = reply.headers.get("retry-after", "")
    return problem(reply.status, document, float(seconds) if seconds.isdecimal() else 0.0)
