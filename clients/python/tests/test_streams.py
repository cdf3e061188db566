"""The stream of events, and what waits over it, against a server of the test's choice."""

from __future__ import annotations

import json
import socket
import threading
import unittest
from typing import Any, List

from pollux_client import Client, InvalidRequest, PolluxError, StreamReset, Submission, UnreadableReply, WaitTimeout

from support import FakeServer, Handler, http, problem, sends, task

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


def event(number: int, name: str = "t", **members: Any) -> bytes:
    document = {"id": f"e-{number}", "sequence": number, "task_id": name, "kind": "observed", "to": "succeeded"}
    return f"id: e-{number}\ndata: {json.dumps({**document, **members})}\n\n".encode()


def control(name: str, newest: str, **members: Any) -> bytes:
    document = json.dumps({"control": name, "newest": newest, **members})
    return f"event: {name}\ndata: {document}\n\nid: {newest}\n\n".encode()


def client(server: FakeServer, **options: Any) -> Client:
    return Client(server.path, **{"timeout": 5.0, "patience": 5.0, **options})


def targets(server: FakeServer) -> List[str]:
    return [request.split()[1].decode() for request in server.requests]


class StreamTests(unittest.TestCase):
    def test_a_broken_stream_resumes_after_the_last_event_without_gap_or_repeat(self) -> None:
        first = HEAD + b"retry: 2000\n\n" + control("caught_up", "e-1") + event(2) + event(3)
        handlers = [
            sends(first, event(4)[:30]),
            sends(),
            problem(503, "not_ready"),
            sends(HEAD),
            sends(HEAD + event(4)),
        ]
        with FakeServer(*handlers) as server:
            stream = client(server).stream(
                state=iter(["succeeded", "failed"]), labels={"batch": "7"}, include="results"
            )
            found = [next(stream).sequence for _ in range(3)]
            self.assertEqual((found, stream.last_id), ([2, 3, 4], "e-4"))
            query = "state=succeeded%2Cfailed&label=batch%3A7&include=results"
            after = f"/v1/events?after=e-3&{query}"
            self.assertEqual(targets(server), [f"/v1/events?{query}", after, after, after, after])
            stream.close()

    def test_no_tasks_are_not_all_tasks(self) -> None:
        with FakeServer(problem(400, "invalid_parameter")) as server:
            with self.assertRaises(InvalidRequest):
                next(client(server).stream(tasks=[]))
            self.assertEqual(targets(server), ["/v1/events?task="])

    def test_a_position_without_an_event_counts(self) -> None:
        with FakeServer(sends(HEAD + b":\nid: e-900\n\n"), sends(HEAD + event(901))) as server:
            self.assertEqual(next(client(server).stream("e-1")).sequence, 901)
            self.assertEqual(targets(server)[1], "/v1/events?after=e-900")

    def test_a_stream_may_come_byte_by_byte_and_with_what_is_unknown(self) -> None:
        text = HEAD + control("a_new_control", "e-1") + b"new: field\n" + event(2, new=[1])
        with FakeServer(sends(*(text[at : at + 1] for at in range(len(text))))) as server:
            found = next(client(server).stream("0"))
        self.assertEqual((found.sequence, found.raw["new"]), (2, [1]))

    def test_a_reset_is_raised_and_the_stream_goes_on(self) -> None:
        reset = control("reset", "f-50", reason="unknown_epoch", oldest="f-1")
        with FakeServer(sends(HEAD + reset + event(51)), sends(HEAD + event(52))) as server:
            stream = client(server).stream("e-9")
            with self.assertRaises(StreamReset) as caught:
                next(stream)
            self.assertEqual((caught.exception.code, stream.last_id), ("unknown_epoch", "f-50"))
            self.assertEqual([next(stream).sequence, next(stream).sequence], [51, 52])

    def test_without_following_the_stream_ends_with_the_newest_event(self) -> None:
        def stay(connection: socket.socket, request: bytes) -> None:
            connection.sendall(HEAD + event(1) + event(2) + control("caught_up", "e-2"))
            connection.recv(1)

        with FakeServer(stay) as server:
            stream = client(server).stream("0", follow=False)
            self.assertEqual([found.sequence for found in stream], [1, 2])
            self.assertEqual(stream.last_id, "e-2")

    def test_a_stream_that_says_nothing_readable_is_an_error(self) -> None:
        for text in (b"data: {\n\n", b"data: []\n\n", b"data: {}\n\n"):
            with self.subTest(text), FakeServer(sends(HEAD + text)) as server:
                with self.assertRaises(UnreadableReply):
                    next(client(server).stream())

    def test_a_stream_gives_up_after_its_patience(self) -> None:
        with FakeServer(sends(HEAD + event(1)), sends()) as server:
            stream = client(server, patience=0.5).stream("0")
            next(stream)
            with self.assertRaises(PolluxError):
                next(stream)


class Provider(FakeServer):
    """Stores submissions, which end after as many looks as their prompt says. It has a stream or not."""

    def __init__(self, stream: Handler) -> None:
        self.tasks: List[Any] = []
        self.most_open = 0
        self._lock = threading.Lock()

        def handle(connection: socket.socket, request: bytes) -> None:
            method, target = request.split()[:2]
            if target.startswith(b"/v1/events"):
                return stream(connection, request)
            with self._lock:
                connection.sendall(http(self.reply(method, target.decode(), request)))

        super().__init__(handle)

    def reply(self, method: bytes, target: str, request: bytes) -> Any:
        if method == b"POST":
            document = json.loads(request.partition(b"\r\n\r\n")[2])
            self.tasks.append({"key": document["idempotency_key"], "looks": document["request"]["looks"]})
            self.most_open = max(self.most_open, sum(one["looks"] >= 0 for one in self.tasks))
            return task("queued", id=f"t{len(self.tasks)}")
        found = self.tasks[int(target.split("/")[3][1:]) - 1]
        found["looks"] -= 1
        state = "succeeded" if found["looks"] < 0 else "running"
        return task(state, id=target.split("/")[3], note=found["key"])


class MapTests(unittest.TestCase):
    def test_without_a_stream_each_task_is_asked_for(self) -> None:
        for code, status in (("no_such_route", 404), ("too_many_streams", 503)):
            with self.subTest(code), Provider(problem(status, code)) as server:
                used = client(server)
                submissions = [Submission("suno/audios", {"looks": looks}) for looks in (2, 1, 2, 0, 1)]
                found = list(used.map(submissions, concurrency=2, key="batch"))
                self.assertEqual([one.id for one in found], ["t1", "t2", "t3", "t4", "t5"])
                self.assertEqual([one.note for one in found], [f"batch/{number}" for number in range(1, 6)])
                self.assertLessEqual(server.most_open, 2)
                completed = {one.id for one in used.as_completed(["t1", "t3", "t1"])}
                self.assertEqual(completed, {"t1", "t3"})
                # Each has asked for a stream once.
                self.assertEqual(sum(target.startswith("/v1/events") for target in targets(server)), 2)

    def test_a_refusal_is_raised_in_its_turn_and_ends_the_submitting(self) -> None:
        with Provider(problem(404, "no_such_route")) as server:
            wrong: Any = {"looks": 0, "wrong": float("nan")}
            submissions = [Submission("suno/audios", {"looks": 0}), Submission("suno/audios", wrong)]
            server.handlers.insert(0, sends(http({"code": "unknown_endpoint", "detail": "d"}, 422)))
            with self.assertRaises(PolluxError):
                list(client(server).map(submissions[:1]))
            found = client(server).map(submissions)
            self.assertEqual(next(found).id, "t1")
            with self.assertRaises(ValueError):
                next(found)
            self.assertEqual(len(server.tasks), 1)

    def test_a_map_ends_at_its_timeout(self) -> None:
        def silent(connection: socket.socket, request: bytes) -> None:
            connection.sendall(HEAD + control("caught_up", "e-1"))
            connection.recv(1)

        for stream in (silent, problem(404, "no_such_route")):
            with Provider(stream) as server:
                with self.assertRaises(WaitTimeout):
                    list(client(server).map([Submission("suno/audios", {"looks": 999})], timeout=1.2))

    def test_a_reset_makes_it_ask_for_the_open_tasks(self) -> None:
        def reset(connection: socket.socket, request: bytes) -> None:
            connection.sendall(HEAD + control("caught_up", "e-1"))
            connection.sendall(control("reset", "f-9", reason="restored"))
            connection.recv(1)

        with Provider(reset) as server:
            submissions = [Submission("suno/audios", {"looks": 0})] * 3
            self.assertEqual(len(list(client(server).map(submissions))), 3)

    def test_nothing_is_submitted_before_the_first_task_is_asked_for(self) -> None:
        with Provider(problem(404, "no_such_route")) as server:
            client(server).map([Submission("suno/audios", {"looks": 0})])
            with self.assertRaises(ValueError):
                next(client(server).map([], concurrency=0))
            self.assertEqual(server.requests, [])


if __name__ == "__main__":
    unittest.main()
