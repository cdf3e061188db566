"""What a program asks for."""

from __future__ import annotations

import datetime
import json
import math
import uuid
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Union

#: A time with a zone, or its text.
Time = Union[str, datetime.datetime]
#: A time with a zone, a span from when the task is stored, or the text of either (docs/api.md).
When = Union[str, datetime.datetime, datetime.timedelta]


@dataclass(frozen=True)
class Submission:
    """A task to submit. `docs/api.md` explains the fields."""

    endpoint: str
    request: Mapping[str, Any]
    #: Makes the submission repeatable, also by another process; see `new_key`.
    key: Optional[str] = None
    labels: Optional[Mapping[str, str]] = None
    priority: Optional[int] = None
    not_before: Optional[When] = None
    deadline: Optional[When] = None
    on_uncertain: Optional[str] = None
    capture: Optional[bool] = None
    note: Optional[str] = None
    notify: Optional[str] = None

    def body(self, key: str) -> bytes:
        """The JSON of the request. Repeats send the same bytes."""
        document: Dict[str, Any] = {
            "endpoint": self.endpoint,
            "request": self.request,
            "idempotency_key": key,
            "labels": None if self.labels is None else dict(self.labels),
            "priority": self.priority,
            "not_before": time_text(self.not_before),
            "deadline": time_text(self.deadline),
            "on_uncertain": self.on_uncertain,
            "capture": self.capture,
            "note": self.note,
            "notify": self.notify,
        }
        return encode_json({name: value for name, value in document.items() if value is not None})


def new_key() -> str:
    """A random idempotency key."""
    return f"py-{uuid.uuid4().hex}"


def encode_json(document: Any) -> bytes:
    """JSON as bytes. Raises ValueError for NaN and infinities, which JSON does not have."""
    return json.dumps(document, allow_nan=False, separators=(",", ":"), default=_plain).encode("ascii")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"A request cannot contain a {type(value).__name__}: it is not JSON.")


def time_text(value: Optional[When]) -> Optional[str]:
    if isinstance(value, datetime.timedelta):
        return f"+{math.ceil(value.total_seconds())}"
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            raise ValueError("A time needs a zone: datetime.now(timezone.utc), for example.")
        return value.isoformat(timespec="milliseconds")
    return value
