"""The two ways to do I/O: blocking the thread, and on an event loop of asyncio.

Both have the same coroutines, so that everything above is written once. Those of `BlockingIO` never suspend: `run`
finishes such a coroutine in one step.
"""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any, AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Protocol, TypeVar, cast

T = TypeVar("T")

_PART = 1 << 18


class Connection(Protocol):
    """An open connection. Past the deadline (of `time.monotonic`), its coroutines raise TimeoutError."""

    deadline: float

    async def send(self, data: bytes) -> None: ...

    async def receive(self) -> bytes:
        """The bytes that have come; empty at the end."""
        ...

    def close(self) -> None: ...


class IO(Protocol):
    def connection(self, sock: socket.socket, deadline: float) -> Connection: ...

    async def sleep(self, seconds: float) -> None: ...

    async def work(self, function: Callable[[], T]) -> T:
        """Calls a function that reads or writes much."""
        ...


def open_socket(path: str) -> socket.socket:
    """Connects at once. Raises BlockingIOError if the daemon accepts no further connection at the moment."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


def run(awaitable: Awaitable[T]) -> T:
    """Runs a coroutine that only uses `BlockingIO`."""
    coroutine = cast("Coroutine[Any, Any, T]", awaitable)
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise RuntimeError("A coroutine of BlockingIO has suspended.")


def iterate(items: AsyncGenerator[T, None]) -> Generator[T, None, None]:
    """Iterates over what only uses `BlockingIO`."""
    try:
        while True:
            try:
                item = run(items.__anext__())
            except StopAsyncIteration:
                return
            yield item
    finally:
        run(items.aclose())


class BlockingConnection:
    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self.deadline = deadline

    async def send(self, data: bytes) -> None:
        self._limit()
        try:
            self._sock.sendall(data)
        except socket.timeout as error:
            raise TimeoutError from error

    async def receive(self) -> bytes:
        self._limit()
        try:
            return self._sock.recv(_PART)
        except socket.timeout as error:
            raise TimeoutError from error

    def close(self) -> None:
        self._sock.close()

    def _limit(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)


class BlockingIO:
    def connection(self, sock: socket.socket, deadline: float) -> Connection:
        return BlockingConnection(sock, deadline)

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    async def work(self, function: Callable[[], T]) -> T:
        return function()


class AsyncConnection:
    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._has_expired = False
        self.deadline = deadline

    async def send(self, data: bytes) -> None:
        await self._within(asyncio.get_running_loop().sock_sendall(self._sock, data))

    async def receive(self) -> bytes:
        return await self._within(asyncio.get_running_loop().sock_recv(self._sock, _PART))

    def close(self) -> None:
        self._sock.close()

    async def _within(self, operation: Awaitable[T]) -> T:
        """A timer ends the connection. `asyncio.wait_for` would cost a task, and may lose a cancellation."""
        timer = asyncio.get_running_loop().call_later(max(0.0, self.deadline - time.monotonic()), self._expire)
        try:
            result = await operation
        except OSError:
            if not self._has_expired:
                raise
        finally:
            timer.cancel()
        if self._has_expired:
            raise TimeoutError
        return result

    def _expire(self) -> None:
        self._has_expired = True
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # The other side has ended it.


class AsyncIO:
    def connection(self, sock: socket.socket, deadline: float) -> Connection:
        return AsyncConnection(sock, deadline)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def work(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(None, function)
