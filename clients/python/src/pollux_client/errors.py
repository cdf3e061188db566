"""The exceptions of this package. Every one has a stable `code`."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Type


class PolluxError(Exception):
    """The base of all errors of this package."""

    #: A stable word: the daemon's own code, or one of this package for what happens before a reply.
    code = "error"
    #: Whether this call, or an earlier try of it, may have been carried out although this was raised.
    outcome_unknown = False
    #: The key of the submission that failed. Submitting again with it never pays twice.
    idempotency_key: Optional[str] = None
    #: How many seconds the daemon asks to wait before the next try.
    retry_after = 0.0
    #: Whether the same call may work a little later.
    is_temporary = False

    def __init__(self, message: str = "", code: str = "") -> None:
        super().__init__(message, code)
        self.message = message
        if code:
            self.code = code

    def __str__(self) -> str:
        return self.message


class SettingsError(PolluxError):
    """The socket cannot be determined from the environment and the settings file."""

    code = "bad_setting"


class NoDaemon(PolluxError):
    """No daemon accepts the connection, so this try has sent nothing."""

    code = "no_daemon"
    is_temporary = True


class ReplyLost(PolluxError):
    """The connection broke after the request was sent. It may have been carried out."""

    code = "reply_lost"
    outcome_unknown = True
    is_temporary = True


class UnreadableReply(PolluxError):
    """The reply cannot be read: perhaps another program listens on the socket."""

    code = "unreadable_reply"
    outcome_unknown = True


class WaitTimeout(PolluxError, TimeoutError):
    """The time of the caller is over. The task goes on in the daemon."""

    code = "wait_timeout"


class TaskFailed(PolluxError):
    """A task ended without success. The code is that of the task's error, or its state."""

    code = "failed"


class StreamReset(PolluxError):
    """Events may be missing between the last one and the next. The code is the reason.

    Read the tasks again, then continue with the same stream.
    """

    code = "reset"


class FileUnavailable(PolluxError):
    """The file of a result cannot be had."""

    code = "file_unavailable"


class Problem(PolluxError):
    """The daemon rejected the request (RFC 9457). Unknown members are in `raw`."""

    def __init__(self, message: str = "", code: str = "") -> None:
        super().__init__(message, code)
        self.raw: Mapping[str, Any] = {}
        self.status = 0

    @property
    def title(self) -> str:
        return str(self.raw.get("title", ""))

    @property
    def fields(self) -> List[str]:
        """The fields at fault, dotted."""
        return list(self.raw.get("fields") or [])

    @property
    def nearest(self) -> List[str]:
        """What was probably meant, the nearest first."""
        return list(self.raw.get("nearest") or [])

    @property
    def existing_id(self) -> Optional[str]:
        """The task that conflicts."""
        return self.raw.get("existing_id")

    @property
    def candidates(self) -> List[str]:
        """Some of the ids that begin like the given one."""
        return list(self.raw.get("candidates") or [])


class InvalidRequest(Problem):
    """Status 4xx: the request is wrong. Nothing was done."""


class NotFound(Problem):
    """Status 404: there is no such task, endpoint, file or route."""


class Conflict(Problem):
    """Status 409: the task or the key does not allow this now."""


class ServerError(Problem):
    """Status 5xx: the daemon or its disk failed."""


class Unavailable(ServerError):
    """Status 503: the daemon is starting, stopping or busy."""

    is_temporary = True


def problem(status: int, raw: Mapping[str, Any], retry_after: float) -> Problem:
    """The exception for a reply that is no success. Unknown codes get the class of their status."""
    families: Mapping[int, Type[Problem]] = {404: NotFound, 409: Conflict, 503: Unavailable}
    family = families.get(status, InvalidRequest if status < 500 else ServerError)
    code = str(raw["code"])
    error = family(str(raw.get("detail") or raw.get("title") or code), code)
    error.raw, error.status, error.retry_after = raw, status, retry_after
    error.outcome_unknown = code in ("storage_unknown", "internal_error")
    return error
