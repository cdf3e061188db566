"""One HTTP/1.1 request and its reply over a connection of their own."""

from __future__ import annotations

import sys
from typing import Dict, List, Optional

from .errors import ReplyLost, UnreadableReply
from .transport import Connection
from .version import __version__

_LONGEST_LINE = 1 << 16
_MOST_HEADERS = 200
_AGENT = f"pollux-client/{__version__} Python/{sys.version_info[0]}.{sys.version_info[1]}"


def encode(method: str, target: str, body: Optional[bytes] = None, **headers: str) -> bytes:
    """The bytes of a request. Underscores in the names of headers stand for hyphens."""
    lines = [f"{method} {target} HTTP/1.1", "host: pollux", "connection: close", f"user-agent: {_AGENT}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append("content-type: application/json")
    if method != "GET":
        lines.append(f"content-length: {len(body or b'')}")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + (body or b"")


class Reply:
    """A reply that is read step by step. A broken connection raises ReplyLost."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.status = 0
        self.headers: Dict[str, str] = {}
        self._buffer = bytearray()
        self._is_chunked = False
        #: The rest of the body or of a chunk; None if the body lasts until the end of the connection.
        self._left: Optional[int] = None
        self._is_over = False

    def close(self) -> None:
        self.connection.close()

    async def exchange(self, request: bytes) -> None:
        """Sends the request and reads the head of the reply."""
        try:
            await self.connection.send(request)
        except TimeoutError as error:
            raise ReplyLost("The daemon did not take the request in time.") from error
        except OSError:
            pass  # A daemon that refuses a large body replies and closes. Without a reply, reading fails too.
        self.status = 100
        while 100 <= self.status < 200:
            await self._read_head()
        if self.status in (204, 304):
            self._is_over = True
        elif "transfer-encoding" in self.headers:
            if self.headers["transfer-encoding"].lower() != "chunked":
                raise UnreadableReply("The reply has an unknown transfer coding.")
            self._is_chunked, self._left = True, 0
        elif "content-length" in self.headers:
            self._left = _number(self.headers["content-length"], 10)
            self._is_over = self._left == 0

    async def body(self, limit: int) -> bytes:
        """The whole body."""
        parts: List[bytes] = []
        size = 0
        while True:
            part = await self.read()
            if not part:
                return b"".join(parts)
            parts.append(part)
            size += len(part)
            if size > limit:
                raise UnreadableReply(f"The reply has more than {limit} bytes.")

    async def read(self) -> bytes:
        """The next bytes of the body as they come; empty at its end."""
        if self._is_over:
            return b""
        if self._is_chunked and self._left == 0:
            await self._begin_chunk()
            if self._is_over:
                return b""
        if not self._buffer and not await self._receive():
            if self._left is None:
                self._is_over = True
                return b""
            raise ReplyLost("The connection ended within the reply.")
        count = len(self._buffer) if self._left is None else min(self._left, len(self._buffer))
        part = bytes(self._buffer[:count])
        del self._buffer[:count]
        if self._left is not None:
            self._left -= count
            self._is_over = self._left == 0 and not self._is_chunked
        return part

    async def _begin_chunk(self) -> None:
        line = await self._line()
        if not line:  # The line end of the chunk before.
            line = await self._line()
        self._left = _number(line.split(";")[0].strip(), 16)
        if self._left == 0:
            while await self._line():
                pass  # Trailers.
            self._is_over = True

    async def _read_head(self) -> None:
        parts = (await self._line()).split(" ", 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/1."):
            raise UnreadableReply("The reply is not HTTP/1.1.")
        self.status = _number(parts[1], 10)
        self.headers = {}
        for _ in range(_MOST_HEADERS):
            line = await self._line()
            if not line:
                return
            name, colon, value = line.partition(":")
            if not colon:
                raise UnreadableReply("The reply has an unreadable header.")
            self.headers[name.strip().lower()] = value.strip()
        raise UnreadableReply("The reply has too many headers.")

    async def _line(self) -> str:
        searched = 0
        while True:
            end = self._buffer.find(b"\n", searched)
            if end >= 0:
                line = self._buffer[:end].decode("latin-1").rstrip("\r")
                del self._buffer[: end + 1]
                return line
            searched = len(self._buffer)
            if searched > _LONGEST_LINE:
                raise UnreadableReply("The reply has a line that is too long.")
            if not await self._receive():
                raise ReplyLost("The connection was closed before the reply was whole.")

    async def _receive(self) -> bool:
        try:
            data = await self.connection.receive()
        except TimeoutError as error:
            raise ReplyLost("The daemon did not reply in time.") from error
        except OSError as error:
            raise ReplyLost(f"The connection broke before the reply was whole: {error.strerror or error}.") from error
        self._buffer += data
        return bool(data)


def _number(text: str, base: int) -> int:
    digits = "0123456789abcdef"[:base]
    if not text or len(text) > 16 or any(digit not in digits for digit in text.lower()):
        raise UnreadableReply("The reply has an unreadable number in its head.")
    return int(text, base)
