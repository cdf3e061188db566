"""Teaches Schemathesis the one media type of the socket that it does not know: lines of JSON. Backups are written only
into the working directory, which is thrown away.

A bad line fails alone, inside an answer with status 200, so broken bodies of that type are not expected to be refused.
"""

import os

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    if isinstance(value, bytes):
        return value
    return str(value).encode("utf-8", "surrogatepass")


@schemathesis.hook
def filter_case(context, case):
    if case.media_type == "application/x-ndjson" and case.meta.generation.mode.is_negative:
        return False
    return not is_long_wait((case.query or {}).get("wait_seconds"))


@schemathesis.hook
def map_case(context, case):
    """Any existing directory fits the schema of a backup, also those of the machine."""
    if case.path == "/v1/backup" and isinstance(case.body, dict):
        directory = case.body.get("directory")
        if isinstance(directory, str) and directory.startswith("/"):
            case.body["directory"] = os.getcwd() + directory.replace("..", "")
    return case


def is_long_wait(value) -> bool:
    """Whether the daemon would do as asked and answer much later."""
    try:
        return 1 < float(value) <= 300
    except (TypeError, ValueError):
        return False
