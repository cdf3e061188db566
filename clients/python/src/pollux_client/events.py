"""Reads the stream of events (docs/events.md) and resumes it where it broke."""

from __future__ import annotations

import collections
import json
import math
import time
from typing import Any, Deque, List, Optional

from .core import LARGEST_BODY, Core, Patience, query
from .documents import StreamEvent
from .errors import NotFound, PolluxError, ReplyLost, StreamReset, UnreadableReply, WaitTimeout
from .http import Reply

#: The daemon counts as dead after this silence. It sends something every 15 s.
_LONGEST_SILENCE = 60.0


class EventReader:
    """A position in the log, and the connection that reads on from it."""

    def __init__(self, core: Core[Any], after: Optional[str] = None, is_optional: bool = False, **filters: Any) -> None:
        self._core = core
        #: Whether the caller can do without a stream, so that a refusal is raised at once.
        self._is_optional = is_optional
        self._filters = filters
        self._reply: Optional[Reply] = None
        self._parser = MessageParser()
        self._messages: Deque[Message] = collections.deque()
        self._patience = Patience(core)
        #: The position: the id of the latest event that was returned, or beyond it.
        self.last_id = after
        self.has_caught_up = False

    def close(self) -> None:
        reply, self._reply = self._reply, None
        self._messages.clear()
        if reply:
            reply.close()

    async def next(self, follows: bool = True) -> Optional[StreamEvent]:
        """The next event; None once all stored events have come, unless it follows."""
        while True:
            event = await self.step()
            if event is not None:
                return event
            if self.has_caught_up and not follows and not self._messages:
                return None

    async def begin(self) -> None:
        """Fixes the position, so that every later event will come, over any number of connections."""
        while self.last_id is None:
            await self.step()

    async def step(self, deadline: float = math.inf) -> Optional[StreamEvent]:
        """Reads one message. Returns an event, or None for a message of another kind."""
        try:
            while not self._messages:
                try:
                    await self._receive(deadline)
                except PolluxError as error:
                    self.close()
                    if time.monotonic() >= deadline:
                        raise WaitTimeout("No event came in time.") from error
                    if self._is_optional and is_refusal(error):
                        raise
                    await self._patience.wait_after(error)
            return self._take(self._messages.popleft())
        except BaseException as error:
            if not isinstance(error, StreamReset):
                self.close()  # Also if a caller's task is cancelled: half a message may have been read.
            raise

    async def _receive(self, deadline: float) -> None:
        core = self._core
        if self._reply is None:
            self._parser = MessageParser()
            self.has_caught_up = False
            target = "/v1/events" + query(after=self.last_id, **self._filters)
            timeout = min(core.timeout, deadline - time.monotonic())
            self._reply = await core.open(
                "GET", target, None, timeout, accept="text/event-stream, application/problem+json"
            )
        self._reply.connection.deadline = min(time.monotonic() + _LONGEST_SILENCE, deadline)
        data = await self._reply.read()
        if not data:
            raise ReplyLost("The daemon has ended the stream.")
        self._messages.extend(self._parser.feed(data))
        self._patience.renew()

    def _take(self, message: Message) -> Optional[StreamEvent]:
        event = None
        if message.data:
            try:
                raw = json.loads(message.data)
            except (ValueError, RecursionError) as error:
                raise UnreadableReply(f"An event is not JSON: {error}.") from error
            control = raw.get("control") if isinstance(raw, dict) else None
            if control is not None:
                self.last_id = raw.get("newest") or self.last_id
            if control == "reset":
                reason = str(raw.get("reason") or "")
                raise StreamReset(f"Events may be missing ({reason}). Read the tasks again, then go on.", reason)
            self.has_caught_up = self.has_caught_up or control == "caught_up"
            if control is None:  # A newer daemon may have other controls.
                if not isinstance(raw, dict) or not isinstance(raw.get("task_id"), str):
                    raise UnreadableReply("An event of the stream has no task.")
                event = StreamEvent(raw)
        self.last_id = message.id or self.last_id
        return event


def is_refusal(error: PolluxError) -> bool:
    """Whether the daemon has no stream, or no room for another one."""
    return isinstance(error, NotFound) or error.code == "too_many_streams"


class Message:
    """A server-sent event. Without data, its id is the position that the stream has reached."""

    def __init__(self) -> None:
        self.data = b""
        self.id: Optional[str] = None


class MessageParser:
    """Parses server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._message = Message()

    def feed(self, data: bytes) -> List[Message]:
        """The messages that these bytes complete."""
        searched = len(self._rest)
        self._rest += data
        if len(self._rest) > LARGEST_BODY:
            raise UnreadableReply("An event is too long.")
        end = self._rest.rfind(b"\n", searched)
        if end < 0:
            return []
        lines = bytes(self._rest[:end]).split(b"\n")
        del self._rest[: end + 1]
        messages = []
        for line in lines:
            name, _, value = line.rstrip(b"\r").partition(b":")
            value = value[1:] if value.startswith(b" ") else value
            if not name and not value:
                messages.append(self._message)
                self._message = Message()
            elif name == b"data":
                self._message.data += b"\n" + value if self._message.data else value
            elif name == b"id":
                self._message.id = value.decode("latin-1")
        return messages
