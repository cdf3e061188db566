"""Tasks and results that know their client."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, Mapping, Optional

from .core import Core
from .documents import ResultDocument, TaskDocument
from .files import Directory, save_result
from .transport import run


class Result(ResultDocument):
    """One result of a task."""

    def __init__(self, raw: Mapping[str, Any], core: Core[Task], task: str, place: int) -> None:
        super().__init__(raw)
        self._source = (core, task, place)

    def save(self, directory: Directory = ".", *, name: Optional[str] = None, timeout: Optional[float] = 600.0) -> Path:
        """Copies the file into the directory, once the daemon has it, and returns its path.

        The copy appears under its name when it is whole and has the right digest. Saving again continues a copy that
        broke off, and does nothing if the copy is there.
        """
        core, task, place = self._source
        return run(save_result(core, task, place, directory, name, timeout))


class AsyncResult(ResultDocument):
    """One result of a task."""

    def __init__(self, raw: Mapping[str, Any], core: Core[AsyncTask], task: str, place: int) -> None:
        super().__init__(raw)
        self._source = (core, task, place)

    async def save(
        self, directory: Directory = ".", *, name: Optional[str] = None, timeout: Optional[float] = 600.0
    ) -> Path:
        """As `Result.save`."""
        core, task, place = self._source
        return await save_result(core, task, place, directory, name, timeout)


class Task(TaskDocument):
    """A task as it was when it was read. `client.get` reads it again."""

    def __init__(self, raw: Mapping[str, Any], core: Core[Task]) -> None:
        super().__init__(raw)
        self._core = core

    @property
    def results(self) -> List[Result]:
        return [Result(raw, self._core, self.id, place) for place, raw in enumerate(self.raw.get("results") or [])]


class AsyncTask(TaskDocument):
    """A task as it was when it was read. `client.get` reads it again."""

    def __init__(self, raw: Mapping[str, Any], core: Core[AsyncTask]) -> None:
        super().__init__(raw)
        self._core = core

    @property
    def results(self) -> List[AsyncResult]:
        return [AsyncResult(raw, self._core, self.id, place) for place, raw in enumerate(self.raw.get("results") or [])]
