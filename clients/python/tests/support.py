"""What the tests share: the sandbox, a daemon that can be killed, and a server with replies of the test's choice."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, TypeVar

ROOT = Path(__file__).resolve().parents[3]
POLLUX = os.environ.get("POLLUX_BIN", str(ROOT / ".build/debug/pollux"))


def directory() -> Path:
    """A short path: that of a socket may have 107 bytes."""
    return Path(tempfile.mkdtemp(prefix="pollux-py-", dir="/tmp"))


class Sandbox:
    """The simulated provider."""

    def __init__(self, *options: str) -> None:
        command = [POLLUX, "sandbox", "--port", "0", "--speed", "60", "--seed", "1", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout
        self.url = self.process.stdout.readline().strip()

    def ledger(self) -> Dict[str, Any]:
        with urllib.request.urlopen(self.url.replace("/v1", "") + "/sandbox/ledger", timeout=30) as reply:
            document: Dict[str, Any] = json.load(reply)
        return document

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


class Daemon:
    """A daemon with a state directory of its own."""

    def __init__(self, sandbox: Sandbox, **settings: str) -> None:
        self.place = directory()
        self.socket = str(self.place / "pollux.sock")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("POLLUX_", "XHUOAPI_"))},
            "POLLUX_STATE_DIR": str(self.place / "state"),
            "POLLUX_SOCKET": self.socket,
            "POLLUX_POLLING_MIN_GAP_SECONDS": "0.2",
            "POLLUX_POLLING_MAX_GAP_SECONDS": "2",
            "POLLUX_POLLING_MAX_REQUESTS_PER_SECOND": "100",
            "POLLUX_SUBMISSION_MAX_IN_FLIGHT": "500",
            "POLLUX_SUBMISSION_MAX_PER_SECOND": "500",
            "XHUOAPI_BASE_URL": sandbox.url,
            "XHUOAPI_TOKEN": "sandbox",
            **settings,
        }
        (self.place / "pollux.yaml").touch()
        self.environment["POLLUX_CONFIG"] = str(self.place / "pollux.yaml")
        self.process: Optional[subprocess.Popen[bytes]] = None
        self.start()

    @property
    def log(self) -> Path:
        return self.place / "log"

    def start(self) -> None:
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([POLLUX, "serve"], env=self.environment, stderr=log, stdout=log)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.connect(self.socket)
                    return
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"The daemon did not start: {self.log.read_text()[-2000:]}")

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Stops it with SIGTERM."""
        assert self.process
        self.process.terminate()
        self.process.wait()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.place)


Handler = Callable[[socket.socket, bytes], None]
ServerT = TypeVar("ServerT", bound="FakeServer")


class FakeServer:
    """Gives each connection to the next handler; the last one serves all others. Keeps the requests."""

    def __init__(self, *handlers: Handler, path: Optional[str] = None) -> None:
        self.place = directory()
        self.path = path or str(self.place / "fake.sock")
        self.handlers = list(handlers)
        self.requests: List[bytes] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self: ServerT) -> ServerT:
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        shutil.rmtree(self.place)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            handler = self.handlers.pop(0) if len(self.handlers) > 1 else self.handlers[0]
            threading.Thread(target=self._serve, args=(connection, handler), daemon=True).start()

    def _serve(self, connection: socket.socket, handler: Handler) -> None:
        with connection:
            try:
                request = read_request(connection)
                self.requests.append(request)
                handler(connection, request)
            except OSError:
                pass  # The client has gone.

    def bodies(self) -> List[Any]:
        return [json.loads(request.partition(b"\r\n\r\n")[2]) for request in self.requests]


def read_request(connection: socket.socket) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        part = connection.recv(65536)
        if not part:
            raise ConnectionError
        request += part
    head, _, body = request.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < sum(lengths):
        part = connection.recv(65536)
        if not part:
            raise ConnectionError
        body += part
    return head + b"\r\n\r\n" + body


def http(document: Any, status: int = 200, **headers: str) -> bytes:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status} Words", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def sends(*parts: bytes, pause: float = 0.0) -> Handler:
    """A handler that sends these bytes and closes."""

    def handle(connection: socket.socket, request: bytes) -> None:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)

    return handle


def problem(status: int, code: str, **headers: str) -> Handler:
    return sends(
        http({"status": status, "code": code, "title": "T", "detail": f"Detail of {code}."}, status, **headers)
    )


def hangs(connection: socket.socket, request: bytes) -> None:
    """Never replies."""
    connection.recv(1)


def task(state: str = "queued", **members: Any) -> Dict[str, Any]:
    ended = "2026-11-23T14:06:20.000Z" if state in ("succeeded", "failed", "cancelled", "expired") else None
    return {"id": "019ab0c2-7d3e-7a41-9c55-2f6d0b8e4a17", "state": state, "ended_at": ended, **members}


class LosingProxy(FakeServer):
    """Passes requests on to the daemon, but loses the replies to some: those were carried out."""

    def __init__(self, daemon: Daemon, losses: int) -> None:
        def handle(connection: socket.socket, request: bytes) -> None:
            with socket.socket(socket.AF_UNIX) as upstream:
                upstream.connect(daemon.socket)
                upstream.sendall(request)
                reply = upstream.recv(65536)
                self.losses -= 1
                while self.losses < 0 and reply:
                    connection.sendall(reply)
                    reply = upstream.recv(65536)

        self.losses = losses
        super().__init__(handle)


def open_sockets() -> int:
    """How many sockets this process has, once the number has not changed for a while."""
    number, since = -1, time.monotonic()
    while time.monotonic() - since < 0.3:
        links = []
        for name in os.listdir("/proc/self/fd"):
            try:
                links.append(os.readlink(f"/proc/self/fd/{name}"))
            except FileNotFoundError:
                pass
        found = sum(link.startswith("socket:") for link in links)
        if found != number:
            number, since = found, time.monotonic()
        time.sleep(0.01)
    return number
