"""Finds the daemon's socket with the rules of the command line (docs/settings.md)."""

from __future__ import annotations

import json
import os
import pwd
import re
import stat
from typing import Dict, Mapping, Optional, Union

from .errors import SettingsError
from .transport import open_socket

PathText = Union[str, bytes, "os.PathLike[str]"]


def find_socket(socket: Optional[PathText] = None, environment: Optional[Mapping[str, str]] = None) -> str:
    """The path of the socket: the given one, else `POLLUX_SOCKET`, else that of the settings, else the default.

    A daemon that was started with other settings has noted its socket in its state directory. That one is used if the
    expected one does not answer.
    """
    given = os.environ if environment is None else environment
    # Compose files and templates pass blank variables for unset ones.
    values = {name: value for name, value in given.items() if value.strip()}
    home = _directory(values, "HOME") or _home_of_user()
    named = os.fsdecode(socket) if socket is not None else values.get("POLLUX_SOCKET")
    if named is not None:
        return _absolute(named, home)
    settings = _settings(values, home)
    state_home = _directory(values, "XDG_STATE_HOME") or (home and home + "/.local/state")
    state = values.get("POLLUX_STATE_DIR") or settings.get("state_directory") or (state_home and state_home + "/pollux")
    state = state and _absolute(state, home)
    expected = settings.get("socket") or _runtime_socket(values) or (state and state + "/pollux.sock")
    if not expected:
        raise SettingsError("No home directory is known, so neither is the socket. Set POLLUX_SOCKET.")
    expected = _absolute(expected, home)
    noted = _noted_socket(state)
    if noted and noted != expected and not _answers(expected) and _answers(noted):
        return noted
    return expected


def _directory(values: Mapping[str, str], name: str) -> Optional[str]:
    """The XDG specification requires that relative paths are ignored."""
    value = values.get(name, "")
    return value if value.startswith("/") else None


def _home_of_user() -> Optional[str]:
    try:
        home = pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return None
    return home if home.startswith("/") else None


def _absolute(path: str, home: Optional[str]) -> str:
    if home and (path == "~" or path.startswith("~/")):
        path = home + path[1:]
    if not path.startswith("/"):
        path = os.getcwd() + "/" + path
    return path.rstrip("/") or "/"


def _runtime_socket(values: Mapping[str, str]) -> Optional[str]:
    """The variable may outlive its session, so the directory must exist and belong to this user."""
    directory = _directory(values, "XDG_RUNTIME_DIR")
    if directory is None:
        return None
    try:
        facts = os.stat(directory)
    except (OSError, ValueError):
        return None
    usable = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid()
    return directory + "/pollux/pollux.sock" if usable else None


def _noted_socket(state: Optional[str]) -> Optional[str]:
    """The second line of the lock file; the first is the pid."""
    if not state:
        return None
    try:
        with open(state + "/pollux.lock", encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read(8192).split("\n")
    except (OSError, ValueError):
        return None
    is_note = len(lines) > 1 and re.fullmatch(r"[0-9]+", lines[0]) and lines[1].startswith("/")
    return lines[1] if is_note else None


def _answers(path: str) -> bool:
    try:
        open_socket(path).close()
    except BlockingIOError:
        return True
    except (OSError, ValueError):
        return False
    return True


# The two entries of pollux.yaml that matter here. Python has no YAML, so each must stand on a line of its own.

_ENTRY = re.compile(r"""(?P<quote>["']?)(?P<name>socket|state_directory)(?P=quote)\s*:(?:\s+(?P<value>.*))?""")
_DOUBLE_QUOTED = re.compile(r'("(?:[^"\\]|\\.)*")\s*(?:#.*)?')
_SINGLE_QUOTED = re.compile(r"'((?:[^']|'')*)'\s*(?:#.*)?")


def _settings(values: Mapping[str, str], home: Optional[str]) -> Dict[str, str]:
    named = values.get("POLLUX_CONFIG")
    if named is not None:
        path = _absolute(named, home)
    else:
        config = _directory(values, "XDG_CONFIG_HOME") or (home and home + "/.config")
        path = (config or "") + "/pollux/pollux.yaml"
        if not config or not os.path.exists(path):
            return {}
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error.strerror}.") from error
    found: Dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            raise SettingsError(f"{path}, line {number}: write each setting on a line of its own, without braces.")
        entry = _ENTRY.fullmatch(line)
        if entry:
            value = _scalar(entry["value"] or "")
            if value is None:
                raise SettingsError(
                    f"{path}, line {number}: write the path of {entry['name']} on this line, plain or in quotes."
                )
            found[entry["name"]] = value
    return found


def _scalar(text: str) -> Optional[str]:
    text = text.strip()
    if text.startswith('"'):
        quoted = _DOUBLE_QUOTED.fullmatch(text)
        try:
            return str(json.loads(quoted[1])) if quoted else None
        except ValueError:
            return None
    if text.startswith("'"):
        quoted = _SINGLE_QUOTED.fullmatch(text)
        return quoted[1].replace("''", "'") if quoted else None
    plain = re.split(r"(?:^|\s)#", text)[0].rstrip()
    return plain if plain and plain[0] not in "&*!|>[]{}%@`" else None
