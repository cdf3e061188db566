"""The streams of events that a program iterates over."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Iterable, Mapping, Optional, Type

from .core import Core, Names, TaskRef, joined
from .documents import StreamEvent
from .events import EventReader
from .transport import run


def event_reader(
    core: Core[Any],
    after: Optional[str],
    tasks: Optional[Iterable[TaskRef]],
    endpoint: Names,
    state: Names,
    labels: Optional[Mapping[str, str]],
    include: Names,
) -> EventReader:
    ids = None if tasks is None else ",".join(task if isinstance(task, str) else task.id for task in tasks)
    return EventReader(
        core, after, task=ids, endpoint=joined(endpoint), state=joined(state), label=labels, include=joined(include)
    )


class _Stream:
    """Events without a gap and without repeats, over any number of connections.

    A stream that begins "now" begins when it is entered with `with`, else when its first event is asked for. Keep
    `last_id` to continue after a restart of your program. After a StreamReset, the iteration can go on.
    """

    def __init__(self, reader: EventReader, follow: bool) -> None:
        self._reader = reader
        self._follows = follow

    @property
    def last_id(self) -> Optional[str]:
        """The id of the latest event, or of a later place that the stream has reached."""
        return self._reader.last_id

    def close(self) -> None:
        self._reader.close()

    def __del__(self) -> None:
        self.close()


class EventStream(_Stream):
    __doc__ = _Stream.__doc__

    def __iter__(self) -> EventStream:
        return self

    def __next__(self) -> StreamEvent:
        event = run(self._reader.next(self._follows))
        if event is None:
            self.close()
            raise StopIteration
        return event

    def __enter__(self) -> EventStream:
        run(self._reader.begin())
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


class AsyncEventStream(_Stream):
    __doc__ = _Stream.__doc__

    def __aiter__(self) -> AsyncEventStream:
        return self

    async def __anext__(self) -> StreamEvent:
        event = await self._reader.next(self._follows)
        if event is None:
            self.close()
            raise StopAsyncIteration
        return event

    async def __aenter__(self) -> AsyncEventStream:
        await self._reader.begin()
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()
