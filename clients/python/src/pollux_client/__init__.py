"""The client of Pollux, the daemon that submits each generation task once and keeps its result.

from pollux_client import Client

client = Client()
task = client.submit("suno/audios", {"prompt": "rain on a tin roof"})
for result in client.wait(task).results:
    print(result.save("songs"))
"""

from .client import AsyncClient, Client
from .documents import (
    Amount,
    Artefact,
    Eta,
    Event,
    Reason,
    Removed,
    StreamEvent,
    TaskCallback,
    TaskDocument,
    TaskError,
)
from .errors import (
    Conflict,
    FileUnavailable,
    InvalidRequest,
    NoDaemon,
    NotFound,
    PolluxError,
    Problem,
    ReplyLost,
    ServerError,
    SettingsError,
    StreamReset,
    TaskFailed,
    Unavailable,
    UnreadableReply,
    WaitTimeout,
)
from .location import find_socket
from .streams import AsyncEventStream, EventStream
from .submission import Submission, new_key
from .tasks import AsyncResult, AsyncTask, Result, Task
from .version import __version__

__all__ = [
    "Amount",
    "Artefact",
    "AsyncClient",
    "AsyncEventStream",
    "AsyncResult",
    "AsyncTask",
    "Client",
    "Conflict",
    "Eta",
    "Event",
    "EventStream",
    "FileUnavailable",
    "InvalidRequest",
    "NoDaemon",
    "NotFound",
    "PolluxError",
    "Problem",
    "Reason",
    "Removed",
    "ReplyLost",
    "Result",
    "ServerError",
    "SettingsError",
    "StreamEvent",
    "StreamReset",
    "Submission",
    "Task",
    "TaskCallback",
    "TaskDocument",
    "TaskError",
    "TaskFailed",
    "Unavailable",
    "UnreadableReply",
    "WaitTimeout",
    "__version__",
    "find_socket",
    "new_key",
]
