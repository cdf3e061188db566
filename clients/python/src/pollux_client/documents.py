"""The documents of the daemon (docs/api.md). Attributes are read from the JSON in `raw`, unknown members included."""

from __future__ import annotations

import datetime
import typing
from typing import TYPE_CHECKING, Any, Callable, ClassVar, Dict, Mapping, Optional, Union

from .errors import TaskFailed


class Document:
    """A JSON object of the daemon.

    A member is an attribute, or `document.raw["name"]` as it came. A member that an older daemon does not have is None.
    """

    raw: Mapping[str, Any]
    _readers: ClassVar[Dict[str, Callable[[Any], Any]]]

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw

    if not TYPE_CHECKING:  # Type checkers shall report unknown names.

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_") or name == "raw":
                raise AttributeError(name)
            readers = _readers(type(self))
            if name not in self.raw and name not in readers:
                raise AttributeError(f"The {type(self).__name__} has no member {name!r}.")
            value = self.raw.get(name)
            return value if value is None or name not in readers else readers[name](value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Document) and type(self) is type(other) and self.raw == other.raw

    def __repr__(self) -> str:
        shown = (name for name in ("id", "endpoint", "kind", "code", "state") if self.raw.get(name) is not None)
        return f"{type(self).__name__}({', '.join(f'{name}={self.raw[name]!r}' for name in shown)})"


class Eta(Document):
    """When the end of a task is expected."""

    p50: datetime.datetime
    p90: datetime.datetime


class TaskError(Document):
    """Why a task failed."""

    code: str
    message: str
    http_status: Optional[int]
    hint: Optional[str]


class Amount(Document):
    """An amount of a currency, or of a provider's credits."""

    micros: int
    unit: str
    amount: str


class Reason(Document):
    """Why a task does not proceed now."""

    code: str
    message: str
    budget: Optional[str]
    missing: Optional[Amount]


class TaskCallback(Document):
    """Who receives the callbacks about a task, and what came."""

    receiver: str
    deliveries: int
    latest_at: Optional[datetime.datetime]


class Removed(Document):
    """Which details of a task were removed."""

    at: datetime.datetime
    request: bool
    response: bool
    events: bool


class Artefact(Document):
    """The file behind the URL of a result (docs/artefacts.md)."""

    state: str
    sha256: Optional[str]
    size_bytes: Optional[int]
    media_type: Optional[str]
    path: Optional[str]
    playlist: bool
    delivered_at: Optional[datetime.datetime]
    error: Optional[str]
    attempts: int
    expires_at: Optional[datetime.datetime]


class ResultDocument(Document):
    """One result of a task."""

    kind: str
    pointer: str
    value: Union[str, float, None]
    media_type: Optional[str]
    size_bytes: Optional[int]
    artefact: Optional[Artefact]


class TaskDocument(Document):
    """One generation that a program asked for. `Task` and `AsyncTask` add the results."""

    id: str
    endpoint: str
    state: str
    partial: bool
    remote_id: Optional[str]
    account: Optional[str]
    trace_id: Optional[str]
    labels: Dict[str, str]
    priority: int
    request: Optional[Dict[str, Any]]
    response: Any
    error: Optional[TaskError]
    progress: Optional[float]
    eta: Optional[Eta]
    slower_than_usual_since: Optional[datetime.datetime]
    created_at: datetime.datetime
    submitted_at: Optional[datetime.datetime]
    started_at: Optional[datetime.datetime]
    finished_at: Optional[datetime.datetime]
    ended_at: Optional[datetime.datetime]
    not_before: Optional[datetime.datetime]
    deadline: Optional[datetime.datetime]
    next_poll_at: Optional[datetime.datetime]
    attempts: int
    polls: int
    on_uncertain: str
    resolution: Optional[str]
    outcome_source: Optional[str]
    callback: Optional[TaskCallback]
    waiting_for: Optional[Reason]
    capture: bool
    note: Optional[str]
    retry_of: Optional[str]
    notify: Optional[str]
    pinned: bool
    removed: Optional[Removed]

    @property
    def has_ended(self) -> bool:
        return self.raw.get("ended_at") is not None

    @property
    def succeeded(self) -> bool:
        return self.state == "succeeded"

    def check(self) -> None:
        """Raises TaskFailed if the task has ended without success."""
        if self.has_ended and not self.succeeded:
            reason = self.error
            text = f"Task {self.id} has {'been ' if self.state == 'cancelled' else ''}{self.state}"
            raise TaskFailed(
                f"{text}: {reason.message}" if reason else f"{text}.", reason.code if reason else self.state
            )


class Event(Document):
    """One line of a task's log."""

    sequence: int
    task_id: str
    at: datetime.datetime
    kind: str
    # `from` is a word of Python: `state_before`, or `raw["from"]`.
    to: Optional[str]
    detail: Any

    @property
    def state_before(self) -> Optional[str]:
        return self.raw.get("from")


class StreamEvent(Event):
    """An event of the stream, with its task as it was then or later."""

    id: str
    task: TaskDocument


def _readers(kind: type) -> Dict[str, Callable[[Any], Any]]:
    """How the members of a kind of document are read: from the annotations, which are what type checkers see."""
    found = kind.__dict__.get("_readers")
    if found is None:
        hints = typing.get_type_hints(kind)
        found = {name: _reader(hint) for name, hint in hints.items() if name not in Document.__annotations__}
        setattr(kind, "_readers", found)
    readers: Dict[str, Callable[[Any], Any]] = found
    return readers


def _reader(hint: Any) -> Callable[[Any], Any]:
    if typing.get_origin(hint) is Union:
        hint = typing.get_args(hint)[0]
    if hint is datetime.datetime:
        return read_time
    if isinstance(hint, type) and issubclass(hint, Document):
        return hint
    return lambda value: value


def read_time(text: str) -> datetime.datetime:
    """Parses RFC 3339 as the daemon writes it."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
