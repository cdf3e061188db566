"""Saves the files of results: whole or not at all, digest checked, resumed where a copy broke off."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
import uuid
from pathlib import Path
from typing import Any, Optional, Union

from .core import LEAST_GAP, Core, Patience, deadline_after, member, path_of
from .documents import Artefact, ResultDocument
from .errors import FileUnavailable, InvalidRequest, NotFound, PolluxError, ReplyLost, WaitTimeout

Directory = Union[str, "os.PathLike[str]"]


async def save_result(
    core: Core[Any], task: str, place: int, directory: Directory, name: Optional[str], timeout: Optional[float]
) -> Path:
    """Waits until the daemon has the file of a result, and copies it. Returns the path of the copy."""
    deadline = deadline_after(timeout)
    if name is not None and (name in ("", ".", "..") or "/" in name):
        raise ValueError(f"{name!r} is not the name of a file.")
    try:
        while True:
            artefact = await _wait_for_file(core, task, place, deadline)
            sha256 = artefact.sha256 or ""
            target = Path(directory) / (name or os.path.basename(artefact.path or "") or sha256)
            if await core.io.work(lambda: _digest_of(target) == sha256):
                return target
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                await _copy(core, artefact, target, deadline)
                return target
            except NotFound:
                pass  # Removed for room in the meantime: it is fetched again.
    except PolluxError as error:
        if time.monotonic() < deadline or isinstance(error, (WaitTimeout, FileUnavailable)):
            raise
        raise WaitTimeout("The file was not saved in time. Saving it again continues the copy.") from error


async def _wait_for_file(core: Core[Any], task: str, place: int, deadline: float) -> Artefact:
    has_asked = False
    pause = 0.1
    while True:
        document = await core.get_task(task)
        results = member(document.raw, "results")
        if place >= len(results):
            raise FileUnavailable(f"Task {task} has no such result any more.", "file_removed")
        result = ResultDocument(results[place])
        artefact: Optional[Artefact] = result.artefact
        state = artefact.state if artefact else "none"
        if artefact and state == "saved":
            return artefact
        if state not in ("waiting", "fetching"):
            if result.kind != "url" and artefact is None:
                raise FileUnavailable(f"This result is no file, but a {result.kind}: see its value.", "no_file")
            if has_asked:
                reason = artefact.error if artefact else None
                raise FileUnavailable(
                    f"The file of a result is {state}: {reason or 'no reason is known'}", f"file_{state}"
                )
            has_asked = True
            await core.task("POST", f"{path_of(task)}/results/fetch", deadline=deadline)
            continue
        if time.monotonic() + pause > deadline:
            raise WaitTimeout("The daemon has not fetched the file yet. It goes on.")
        await core.io.sleep(pause)
        pause = min(2 * pause, LEAST_GAP)


async def _copy(core: Core[Any], artefact: Artefact, target: Path, deadline: float) -> None:
    part = PartFile(target.parent, artefact.sha256 or "")
    try:
        await core.io.work(part.read_what_is_there)
        for _ in range(2):  # What was there may be damaged, so a second try begins with nothing.
            await _fill(core, part, artefact, deadline)
            if part.is_right:
                await core.io.work(lambda: part.finish(target))
                return
            part.restart()
        raise FileUnavailable("The bytes that came do not have the digest of the file.", "digest_mismatch")
    finally:
        part.close()


async def _fill(core: Core[Any], part: PartFile, artefact: Artefact, deadline: float) -> None:
    patience = Patience(core, deadline)
    size = artefact.size_bytes or 0
    while part.size < size:
        try:
            before = part.size
            await _read_on(core, part, deadline)
            if part.size == before:
                raise ReplyLost("No byte of the file came.")
            patience.renew()
        except PolluxError as error:
            if isinstance(error, InvalidRequest) and error.status == 416:
                part.restart()
            elif isinstance(error, NotFound):
                raise
            else:
                if part.size > before:
                    patience.renew()
                await patience.wait_after(error)


async def _read_on(core: Core[Any], part: PartFile, deadline: float) -> None:
    """Reads the file, or what is missing, until the reply ends."""
    headers = {"range": f"bytes={part.size}-", "if_range": f'"{part.sha256}"'} if part.size else {}
    reply = await core.open("GET", f"/v1/artefacts/{part.sha256}", None, core.timeout, **headers)
    try:
        begins_here = reply.headers.get("content-range", "").startswith(f"bytes {part.size}-")
        if part.size and not (reply.status == 206 and begins_here):
            part.restart()
        while True:
            reply.connection.deadline = min(time.monotonic() + core.timeout, deadline)
            data = await reply.read()
            if not data:
                return
            part.write(data)
    finally:
        reply.close()


class PartFile:
    """The beginning of a file, under a hidden name that follows from its digest, so that a later call continues it.

    While another call or process writes that file, this one has a name of its own and does not outlive the call.
    """

    def __init__(self, directory: Path, sha256: str) -> None:
        self.sha256 = sha256
        self.size = 0
        self._digest = hashlib.sha256()
        self._path = directory / f".pollux-{sha256[:32]}.part"
        self._is_private = False
        self._file = os.fdopen(self._open(), "r+b", buffering=0)
        if not self._is_claimed():
            self._file.close()
            self._path = directory / f".pollux-{uuid.uuid4().hex}.part"
            self._is_private = True
            self._file = os.fdopen(self._open(), "r+b", buffering=0)

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)

    def _is_claimed(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another process may have finished and renamed it before the lock was taken.
            return os.path.samestat(os.fstat(self._file.fileno()), os.stat(self._path))
        except OSError:
            return False

    @property
    def is_right(self) -> bool:
        return self._digest.hexdigest() == self.sha256

    def read_what_is_there(self) -> None:
        data = self._file.read(1 << 20)
        while data:
            self._digest.update(data)
            self.size += len(data)
            data = self._file.read(1 << 20)

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._digest.update(data)
        self.size += len(data)

    def restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.size = 0

    def finish(self, target: Path) -> None:
        """Gives the file its name, once it is on disk."""
        os.fsync(self._file.fileno())
        os.replace(self._path, target)
        directory = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def close(self) -> None:
        self._file.close()
        if self._is_private:
            try:
                os.unlink(self._path)
            except FileNotFoundError:
                pass


def _digest_of(path: Path) -> Optional[str]:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for data in iter(lambda: file.read(1 << 20), b""):
                digest.update(data)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return digest.hexdigest()
