"""The types against `/openapi.json`, and the sources against Python 3.9."""

from __future__ import annotations

import ast
import asyncio
import datetime
import inspect
import json
import os
import subprocess
import sys
import typing
import unittest
from typing import Any, Dict, List, Optional, Union

import pollux_client
from pollux_client import AsyncClient, Client, Submission, documents

from support import ROOT

CONTRACT = json.loads((ROOT / "Sources/LocalAPI/openapi.json").read_text())
SCHEMAS: Dict[str, Any] = CONTRACT["components"]["schemas"]
SOURCES = sorted((ROOT / "clients/python/src/pollux_client").glob("*.py"))

DOCUMENTS = {
    "Task": documents.TaskDocument,
    "TaskError": documents.TaskError,
    "Eta": documents.Eta,
    "Reason": documents.Reason,
    "Amount": documents.Amount,
    "TaskCallback": documents.TaskCallback,
    "Removed": documents.Removed,
    "Result": documents.ResultDocument,
    "Artefact": documents.Artefact,
    "Event": documents.Event,
    "StreamEvent": documents.StreamEvent,
}
#: Members that are no plain attributes, and types that the schema says in words.
PROPERTIES = {("Task", "results"), ("Event", "from"), ("StreamEvent", "from")}
TYPES = {
    ("Task", "labels"): Dict[str, str],
    ("StreamEvent", "task"): documents.TaskDocument,
    ("Result", "value"): Union[str, float, None],
}
SIMPLE = {"string": str, "integer": int, "number": float, "boolean": bool, "object": Dict[str, Any]}


def expected(schema: Dict[str, Any]) -> Any:
    """The Python type of a schema."""
    if "$ref" in schema:
        *_, name = path = schema["$ref"].split("/")
        if len(path) == 4:
            return DOCUMENTS[name]
        return expected(SCHEMAS[path[3]]["properties"][name])
    if "oneOf" in schema:
        first, null = schema["oneOf"]
        assert null == {"type": "null"}
        return Optional[expected(first)]
    if "type" not in schema:
        return Any
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    kind: Any = datetime.datetime if schema.get("format") == "date-time" else SIMPLE[names[0]]
    return Optional[kind] if "null" in names else kind


class TypeTests(unittest.TestCase):
    def test_the_documents_have_the_members_and_types_of_the_contract(self) -> None:
        for name, kind in DOCUMENTS.items():
            hints = typing.get_type_hints(kind)
            hints = {member: hint for member, hint in hints.items() if member not in ("raw", "_readers")}
            members = {member for member in SCHEMAS[name]["properties"] if (name, member) not in PROPERTIES}
            self.assertEqual(set(hints), members, f"Add or remove the members of {name} in documents.py.")
            for member, hint in hints.items():
                with self.subTest(f"{name}.{member}"):
                    wanted = TYPES.get((name, member)) or expected(SCHEMAS[name]["properties"][member])
                    self.assertEqual(hint, wanted)

    def test_a_submission_has_the_fields_of_the_contract(self) -> None:
        fields = {"idempotency_key" if name == "key" else name for name in Submission.__dataclass_fields__}
        # Every submission of the client has a key, which decides before `join`.
        self.assertEqual(fields | {"join"}, set(SCHEMAS["SubmitRequest"]["properties"]))
        names = list(Submission.__dataclass_fields__)
        methods: List[Any] = [Client.submit, AsyncClient.submit]
        for method in methods:
            self.assertEqual(list(inspect.signature(method).parameters), ["self", *names])

    def test_both_clients_have_the_same_methods(self) -> None:
        def public(kind: type) -> Dict[str, List[str]]:
            members = inspect.getmembers(kind, inspect.isfunction)
            return {name: list(inspect.signature(member).parameters) for name, member in members if name[0] != "_"}

        self.assertEqual(public(Client), public(AsyncClient))
        self.assertEqual(public(pollux_client.Result), public(pollux_client.AsyncResult))

    def test_every_route_that_is_called_is_in_the_contract(self) -> None:
        methods = {f"{method.upper()} {path}" for path, item in CONTRACT["paths"].items() for method in item}
        used = {
            "POST /v1/tasks", "GET /v1/tasks", "GET /v1/tasks/{id}", "POST /v1/tasks/{id}/cancel",
            "GET /v1/tasks/{id}/events", "POST /v1/tasks/{id}/results/fetch", "GET /v1/events",
            "GET /v1/artefacts/{sha256}",
        }  # fmt: skip
        self.assertLessEqual(used, methods)

    def test_the_examples_of_the_contract_can_be_read(self) -> None:
        for example in SCHEMAS["Task"]["examples"]:
            task = documents.TaskDocument(example)
            for name in typing.get_type_hints(documents.TaskDocument):
                if name not in ("raw", "_readers"):
                    getattr(task, name)
            self.assertEqual(task.created_at.tzinfo, datetime.timezone.utc)
            assert task.eta
            self.assertGreater(task.eta.p90, task.eta.p50)


class PythonTests(unittest.TestCase):
    def test_the_sources_are_python_3_9_with_its_own_modules_only(self) -> None:
        newer = {
            "typing": {"ParamSpec", "Concatenate", "TypeAlias", "TypeGuard", "Self", "Never", "LiteralString",
                       "Required", "NotRequired", "Unpack", "TypeVarTuple", "assert_never", "override", "assert_type"},
            "asyncio": {"timeout", "TaskGroup", "Runner", "Barrier"},
            "enum": {"StrEnum"}, "datetime": {"UTC"}, "itertools": {"pairwise", "batched"},
        }  # fmt: skip
        for path in SOURCES:
            tree = ast.parse(path.read_text(), feature_version=(3, 9))
            lines = path.read_text()
            self.assertTrue(
                "from __future__ import annotations" in lines or "import" not in lines or "__init__" in path.name
            )
            for node in ast.walk(tree):
                with self.subTest(path.name, line=getattr(node, "lineno", 0)):
                    if isinstance(node, ast.ImportFrom) and node.level == 0:
                        self.assertFalse({name.name for name in node.names} & newer.get(node.module or "", set()))
                        self.assertIn((node.module or "").split(".")[0], STANDARD)
                    if isinstance(node, ast.Import):
                        self.assertLessEqual({name.name.split(".")[0] for name in node.names}, STANDARD)
                    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                        self.assertNotIn(node.attr, newer.get(node.value.id, set()))

    def test_importing_it_starts_and_opens_nothing(self) -> None:
        code = (
            "import pollux_client, threading; assert threading.active_count() == 1; print(len(pollux_client.__all__))"
        )
        environment = {**os.environ, "POLLUX_CONFIG": "/no/such/file"}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_what_is_exported_exists(self) -> None:
        for name in pollux_client.__all__:
            self.assertTrue(hasattr(pollux_client, name), name)

    def test_a_suspending_coroutine_is_refused_by_the_blocking_client(self) -> None:
        with self.assertRaises(RuntimeError):
            pollux_client.transport.run(asyncio.sleep(0))


#: The modules of Python 3.9 that the sources use.
STANDARD = {
    "__future__", "asyncio", "collections", "dataclasses", "datetime", "errno", "fcntl", "hashlib", "json", "logging",
    "math", "os", "pathlib", "pwd", "random", "re", "socket", "stat", "sys", "time", "types", "typing", "urllib",
    "uuid",
}  # fmt: skip

if __name__ == "__main__":
    unittest.main()
