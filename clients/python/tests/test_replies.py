"""The client against replies that are lost, late, broken or of another version."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import socket
import threading
import time
import unittest
from typing import Any, Callable, Dict, List
from unittest import mock

from pollux_client import (
    Client, Conflict, InvalidRequest, NoDaemon, NotFound, PolluxError, ReplyLost, ServerError, Submission, TaskFailed,
    Unavailable, UnreadableReply, WaitTimeout,
)  # fmt: skip

from support import FakeServer, directory, hangs, http, open_sockets, problem, sends, task


def client(server: FakeServer, **options: Any) -> Client:
    return Client(server.path, **{"timeout": 5.0, "patience": 5.0, **options})


class LostReplyTests(unittest.TestCase):
    def test_a_submission_whose_reply_is_lost_is_sent_again_with_the_same_key(self) -> None:
        whole = http(task(), 201)
        losses = [sends(), sends(whole[:9]), sends(whole[:40]), sends(whole[:-1])]
        with FakeServer(*losses, sends(whole)) as server:
            self.assertEqual(client(server).submit("suno/audios", {"prompt": "rain"}).state, "queued")
            bodies = server.bodies()
        self.assertEqual(len(bodies), 5)
        self.assertTrue(bodies[0]["idempotency_key"])
        self.assertTrue(all(body == bodies[0] for body in bodies))

    def test_an_empty_key_is_sent_and_not_replaced(self) -> None:
        with FakeServer(problem(422, "invalid_field")) as server:
            with self.assertRaises(InvalidRequest):
                client(server).submit("suno/audios", {}, key="")
            self.assertEqual(server.bodies()[0]["idempotency_key"], "")

    def test_a_daemon_that_goes_away_does_not_end_a_program_with_sigpipe(self) -> None:
        class Deaf(FakeServer):
            def _serve(self, connection: socket.socket, handler: Any) -> None:
                connection.close()

        before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        try:
            with Deaf(hangs) as server, self.assertRaises(ReplyLost):
                client(server, patience=0.3).submit("suno/audios", {"image": "x" * (4 << 20)})
        finally:
            signal.signal(signal.SIGPIPE, before)

    def test_two_submissions_have_different_keys(self) -> None:
        with FakeServer(sends(http(task(), 201))) as server:
            for _ in range(2):
                client(server).submit("suno/audios", {})
            keys = {body["idempotency_key"] for body in server.bodies()}
        self.assertEqual(len(keys), 2)

    def test_repeats_are_bounded_and_the_error_has_the_key(self) -> None:
        began = time.monotonic()
        with FakeServer(sends()) as server:
            with self.assertRaises(ReplyLost) as caught:
                client(server, patience=1.0).submit("suno/audios", {})
            self.assertLess(time.monotonic() - began, 3)
            self.assertGreater(len(server.requests), 2)
            self.assertEqual(caught.exception.idempotency_key, server.bodies()[0]["idempotency_key"])
        self.assertTrue(caught.exception.outcome_unknown)

    def test_a_daemon_that_goes_away_after_a_lost_reply_leaves_the_outcome_unknown(self) -> None:
        def goes(connection: socket.socket, request: bytes) -> None:
            server.__exit__()

        server = FakeServer(goes)
        with self.assertRaises(PolluxError) as caught:
            client(server, patience=0.5).submit("suno/audios", {}, key="order-1")
        self.assertTrue(caught.exception.outcome_unknown)
        self.assertEqual(caught.exception.idempotency_key, "order-1")

    def test_a_rejection_after_a_lost_reply_leaves_the_outcome_unknown(self) -> None:
        with FakeServer(sends(), problem(422, "unknown_endpoint")) as server:
            with self.assertRaises(InvalidRequest) as caught:
                client(server).submit("suno/audios", {})
        self.assertTrue(caught.exception.outcome_unknown)

    def test_an_unknown_commit_is_repeated(self) -> None:
        with FakeServer(problem(503, "storage_unknown"), sends(http(task(), 200))) as server:
            client(server).submit("suno/audios", {})
            self.assertEqual(server.bodies()[0], server.bodies()[1])

    def test_a_post_of_another_route_is_not_repeated_after_a_lost_reply(self) -> None:
        with FakeServer(sends()) as server:
            with self.assertRaises(ReplyLost):
                client(server).call("POST", "/v1/prune", {"dry_run": True})
            self.assertEqual(len(server.requests), 1)

    def test_a_daemon_that_does_not_reply_times_out(self) -> None:
        began = time.monotonic()
        with FakeServer(hangs) as server:
            with self.assertRaises(ReplyLost):
                client(server, timeout=0.3, patience=0.0).get("019a")
        self.assertLess(time.monotonic() - began, 2)

    def test_a_daemon_that_replies_byte_by_byte_times_out(self) -> None:
        began = time.monotonic()
        with FakeServer(sends(*[b"x"] * 100, pause=0.05)) as server:
            with self.assertRaises(ReplyLost):
                client(server, timeout=0.4, patience=0.0).get("019a")
        self.assertLess(time.monotonic() - began, 2)

    def test_a_cancel_that_was_carried_out_returns_the_cancelled_task(self) -> None:
        ended = problem(409, "already_ended")
        with FakeServer(sends(), ended, sends(http(task("cancelled")))) as server:
            self.assertEqual(client(server).cancel("019a").state, "cancelled")
        with FakeServer(ended, sends(http(task("cancelled")))) as server:
            with self.assertRaises(Conflict):
                client(server).cancel("019a")
        with FakeServer(sends(), ended, sends(http(task("succeeded")))) as server:
            with self.assertRaises(Conflict):
                client(server).cancel("019a")

    def test_a_missing_daemon_is_an_error_soon_that_says_what_to_do(self) -> None:
        began = time.monotonic()
        with self.assertRaises(NoDaemon) as caught:
            Client("/tmp/there-is-no-such.sock").submit("suno/audios", {})
        self.assertLess(time.monotonic() - began, 7)
        self.assertEqual(caught.exception.code, "no_daemon")
        self.assertFalse(caught.exception.outcome_unknown)
        self.assertIn("pollux serve", str(caught.exception))

    def test_a_daemon_that_was_there_is_waited_for_longer(self) -> None:
        place = directory()
        self.addCleanup(shutil.rmtree, place)
        path = str(place / "again.sock")
        with mock.patch("pollux_client.core._PATIENCE_AT_FIRST", 0.1):
            with FakeServer(sends(http(task())), path=path) as server:
                used = client(server)
                used.get("019a")
            os.unlink(path)
            later: List[FakeServer] = []
            timer = threading.Timer(0.6, lambda: later.append(FakeServer(sends(http(task())), path=path)))
            timer.start()
            self.assertEqual(used.get("019a").state, "queued")
            timer.join()
            later[0].__exit__()
            with self.assertRaises(NoDaemon):
                Client(path).get("019a")


class ReplyTests(unittest.TestCase):
    def test_a_reply_may_come_in_chunks_and_byte_by_byte(self) -> None:
        body = json.dumps(task(note="ü" * 9)).encode()
        chunks = b"".join(b"%x;x=1\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:8], body[8:]))
        reply = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n" + chunks
        reply += b"0\r\ntrailer: x\r\n\r\n"
        for handler in (sends(reply), sends(*(reply[at : at + 1] for at in range(len(reply))))):
            with FakeServer(handler) as server:
                self.assertEqual(client(server).get("019a").note, "ü" * 9)

    def test_a_reply_without_a_length_ends_with_the_connection(self) -> None:
        with FakeServer(sends(b"HTTP/1.0 200 OK\n\n" + json.dumps(task()).encode())) as server:
            self.assertEqual(client(server).get("019a").state, "queued")

    def test_what_is_not_a_reply_of_the_daemon_is_unreadable(self) -> None:
        replies = [
            b"SSH-2.0-OpenSSH_9.2\r\n",
            http(b"<html>"),
            http([]),
            http({"id": 1, "state": "queued"}),
            http(b"<html>Bad gateway", 502),
            http({"error": "x"}, 500),
            http(b"[" * 100_000),
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 300,
            b"HTTP/1.1 200 OK\r\nx: " + b"a" * 200_000,
        ]
        for reply in replies:
            with self.subTest(reply[:60]), FakeServer(sends(reply)) as server:
                with self.assertRaises(UnreadableReply) as caught:
                    client(server).submit("suno/audios", {}, key="order-1")
                self.assertTrue(caught.exception.outcome_unknown)
                self.assertEqual(caught.exception.idempotency_key, "order-1")

    def test_errors_have_the_class_of_their_status_and_any_code(self) -> None:
        kinds = {
            400: InvalidRequest, 404: NotFound, 409: Conflict, 413: InvalidRequest, 422: InvalidRequest,
            500: ServerError, 503: Unavailable, 507: ServerError,
        }  # fmt: skip
        for status, kind in kinds.items():
            document = {"status": status, "code": "a_new_code", "detail": "Words.", "fields": ["a"], "new": 1}
            with self.subTest(status), FakeServer(sends(http(document, status))) as server:
                with self.assertRaises(kind) as caught:
                    client(server, patience=0).get("019a")
                error = caught.exception
                self.assertEqual((error.code, str(error), error.status), ("a_new_code", "Words.", status))
                self.assertEqual((error.fields, error.raw["new"]), (["a"], 1))
                copy = pickle.loads(pickle.dumps(error))
                self.assertEqual((copy.code, str(copy), copy.raw), (error.code, str(error), error.raw))

    def test_a_busy_daemon_is_asked_again_when_it_says(self) -> None:
        with FakeServer(problem(503, "busy", retry_after="1"), sends(http(task(), 201))) as server:
            began = time.monotonic()
            client(server).submit("suno/audios", {})
            self.assertGreaterEqual(time.monotonic() - began, 1)

    def test_a_large_body_that_is_refused_early_shows_the_refusal(self) -> None:
        def refuse(connection: socket.socket, request: bytes) -> None:
            connection.sendall(http({"status": 413, "code": "body_too_large", "detail": "Too large."}, 413))
            connection.shutdown(socket.SHUT_RD)

        class Early(FakeServer):
            def _serve(self, connection: socket.socket, handler: Any) -> None:
                with connection:
                    connection.recv(100)
                    handler(connection, b"")

        with Early(refuse) as server:
            with self.assertRaises(InvalidRequest) as caught:
                client(server).submit("suno/audios", {"image": "x" * (9 << 20)})
        self.assertEqual(caught.exception.code, "body_too_large")

    def test_a_large_reply_is_read(self) -> None:
        with FakeServer(sends(http(task("succeeded", response="x" * (40 << 20))))) as server:
            self.assertEqual(len(client(server).get("019a").response), 40 << 20)

    def test_what_cannot_be_json_is_not_sent(self) -> None:
        with FakeServer(hangs) as server:
            requests: List[Dict[str, Any]] = [{"x": float("nan")}, {"x": object()}]
            for request in requests:
                with self.assertRaises((ValueError, TypeError)):
                    client(server).submit("suno/audios", request)
            calls: List[Callable[[], Any]] = [
                lambda: client(server).cancel(""),
                lambda: next(client(server).map([Submission("suno/audios", {})], key="")),
                lambda: client(server, timeout=0),
                lambda: client(server, patience=-1),
            ]
            for call in calls:
                with self.assertRaises(ValueError):
                    call()
            with self.assertRaises(ValueError):
                client(server).call("GET", "/v1/status\r\nx: y")
            self.assertEqual(server.requests, [])


class TaskTests(unittest.TestCase):
    def test_unknown_members_are_kept_and_missing_ones_are_none(self) -> None:
        newer = task("paused", price={"amount": "0.05"}, error={"code": "x", "message": "m", "cause": 7})
        with FakeServer(sends(http(newer))) as server:
            found = client(server).get("019a")
        self.assertEqual(found.raw["price"], {"amount": "0.05"})
        self.assertEqual(getattr(found, "price"), {"amount": "0.05"})
        assert found.error
        self.assertEqual((found.error.code, found.error.raw["cause"], found.error.hint), ("x", 7, None))
        self.assertEqual((found.state, found.eta, found.results), ("paused", None, []))
        self.assertFalse(hasattr(found, "no_such_member"))
        self.assertEqual(pickle.loads(pickle.dumps(found.error)), found.error)

    def test_check_raises_what_ended_without_success(self) -> None:
        failed = task("failed", error={"code": "moderated", "message": "Not allowed."})
        with FakeServer(sends(http(failed)), sends(http(task("expired"))), sends(http(task("succeeded")))) as server:
            for code in ("moderated", "expired"):
                with self.assertRaises(TaskFailed) as caught:
                    client(server).get("019a").check()
                self.assertEqual(caught.exception.code, code)
            client(server).get("019a").check()

    def test_wait_ends_at_its_timeout_with_the_task_going_on(self) -> None:
        with FakeServer(sends(http(task("running")))) as server:
            began = time.monotonic()
            with self.assertRaises(TimeoutError) as caught:
                client(server).wait("019a", timeout=1.2)
            self.assertIsInstance(caught.exception, WaitTimeout)
            self.assertLess(time.monotonic() - began, 2)
            # A daemon that replies at once is not asked all the time.
            self.assertLess(len(server.requests), 5)

    def test_wait_ends_at_its_timeout_while_the_daemon_is_away(self) -> None:
        with FakeServer(sends(http(task("running"))), sends()) as server:
            began = time.monotonic()
            with self.assertRaises(WaitTimeout):
                client(server, patience=60).wait("019a", timeout=1.5)
            self.assertLess(time.monotonic() - began, 4)

    def test_every_field_of_a_submission_is_sent(self) -> None:
        with FakeServer(sends(http(task(), 201))) as server:
            client(server).submit(
                "suno/audios", {"n": 1}, key="k", labels={"a": "b"}, priority=3, not_before="+1h", deadline="+2h",
                on_uncertain="fail", capture=False, note="n", notify="hook",
            )  # fmt: skip
            self.assertEqual(
                server.bodies()[0],
                {
                    "endpoint": "suno/audios", "request": {"n": 1}, "idempotency_key": "k", "labels": {"a": "b"},
                    "priority": 3, "not_before": "+1h", "deadline": "+2h", "on_uncertain": "fail", "capture": False,
                    "note": "n", "notify": "hook",
                },
            )  # fmt: skip


class ProcessTests(unittest.TestCase):
    def test_an_interrupted_call_leaves_no_connection_and_the_client_works_on(self) -> None:
        def interrupt(number: int, frame: object) -> None:
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            with FakeServer(hangs, hangs, hangs, sends(http(task()))) as server:
                used = client(server)
                submission = Submission("suno/audios", {})
                calls: List[Callable[[], Any]] = [
                    lambda: used.wait("019a"),
                    lambda: next(used.stream()),
                    lambda: next(used.map([submission])),
                ]
                sockets = open_sockets()
                for call in calls:
                    signal.setitimer(signal.ITIMER_REAL, 0.2)
                    with self.assertRaises(KeyboardInterrupt):
                        call()
                self.assertEqual(open_sockets(), sockets)
                self.assertEqual(used.get("019a").state, "queued")
        finally:
            signal.signal(signal.SIGALRM, before)

    def test_an_interrupted_submission_says_its_key(self) -> None:
        def interrupt(number: int, frame: object) -> None:
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            with FakeServer(hangs) as server, self.assertLogs("pollux_client") as logged:
                signal.setitimer(signal.ITIMER_REAL, 0.2)
                with self.assertRaises(KeyboardInterrupt):
                    client(server).submit("suno/audios", {})
                self.assertIn(server.bodies()[0]["idempotency_key"], logged.output[0])
        finally:
            signal.signal(signal.SIGALRM, before)

    def test_a_signal_handler_that_returns_does_not_disturb_a_call(self) -> None:
        before = signal.signal(signal.SIGALRM, lambda number, frame: None)
        try:
            reply = http(task())
            with FakeServer(sends(*(reply[at : at + 9] for at in range(0, len(reply), 9)), pause=0.03)) as server:
                signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
                self.assertEqual(client(server).get("019a").state, "queued")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def test_a_forked_process_uses_the_same_client(self) -> None:
        with FakeServer(sends(http(task(), 201))) as server:
            used = client(server)
            used.get("019a")
            children = []
            for _ in range(3):
                pid = os.fork()
                if pid == 0:
                    try:
                        used.submit("suno/audios", {})
                        os._exit(0)
                    finally:
                        os._exit(1)
                children.append(pid)
            used.submit("suno/audios", {})
            self.assertEqual([os.waitpid(pid, 0)[1] for pid in children], [0, 0, 0])
            keys = {json.loads(request.partition(b"\r\n\r\n")[2])["idempotency_key"] for request in server.requests[1:]}
            self.assertEqual(len(keys), 4)

    def test_the_path_of_the_socket_may_have_any_bytes(self) -> None:
        with FakeServer(sends(http(task()))) as base:
            for name in (b"with space", b"per%20cent", "ümlaut".encode(), b"\xff\xfe", b"quote'\"", b"new\nline"):
                path = os.path.join(os.fsencode(str(base.place)), name)
                with self.subTest(name), FakeServer(sends(http(task())), path=os.fsdecode(path)):
                    self.assertEqual(Client(path).get("019a").state, "queued")
        for bad in ("/tmp/" + "x" * 200, "/tmp", "/etc/passwd", "/tmp/a\0b"):
            with self.subTest(bad), self.assertRaises(NoDaemon):
                Client(bad, patience=0).get("019a")


if __name__ == "__main__":
    unittest.main()
