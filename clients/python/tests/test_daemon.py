"""Both clients against the real daemon and the sandbox, with lost replies and `kill -9`."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, ClassVar, Dict, List

from pollux_client import AsyncClient, Client, Conflict, InvalidRequest, NotFound, PolluxError, Submission

from support import Daemon, FakeServer, LosingProxy, Sandbox, hangs, open_sockets


class DaemonTests(unittest.TestCase):
    sandbox: ClassVar[Sandbox]
    daemon: ClassVar[Daemon]

    @classmethod
    def setUpClass(cls) -> None:
        cls.sandbox = Sandbox()
        cls.addClassCleanup(cls.sandbox.close)
        # A kill may come while a request is sent.
        cls.daemon = Daemon(
            cls.sandbox,
            POLLUX_SUBMISSION_ON_UNCERTAIN="resubmit_if_absent",
            POLLUX_TEST_ABSENT_SPAN_SECONDS="2",
            POLLUX_TEST_STEADY_SPAN_SECONDS="1",
        )
        cls.addClassCleanup(cls.daemon.close)

    def billed(self, prompt: str) -> int:
        entries = self.sandbox.ledger()["entries"]
        return sum(entry["request"].get("prompt") == prompt for entry in entries)

    def test_a_task_goes_from_its_submission_to_its_file(self) -> None:
        client = Client(self.daemon.socket)
        task = client.submit("flux/images", {"prompt": "a heron [seconds=30]"}, labels={"kind": "bird"}, note="ü")
        self.assertEqual((task.endpoint, task.labels, task.note), ("flux/images", {"kind": "bird"}, "ü"))
        self.assertIsNone(task.ended_at)
        done = client.wait(task, timeout=60)
        done.check()
        assert done.ended_at
        self.assertGreater(done.ended_at, done.created_at)
        self.assertEqual(client.get(task.id[:23]).id, task.id)
        kinds = [event.kind for event in client.events(task)]
        self.assertEqual((kinds[0], "observed" in kinds), ("created", True))
        path = done.results[0].save(self.daemon.place / "pictures")
        artefact = client.get(task).results[0].artefact
        assert artefact
        self.assertEqual(hashlib.sha256(path.read_bytes()).hexdigest(), artefact.sha256)
        self.assertEqual([found.id for found in client.list(labels={"kind": "bird"}, state="succeeded")], [task.id])

    def test_the_pages_of_a_list_are_read_one_after_the_other(self) -> None:
        client = Client(self.daemon.socket)
        ids = [client.submit("suno/audios", {"prompt": f"page {n}"}, labels={"page": "1"}).id for n in range(7)]
        found = [task.id for task in client.list(labels={"page": "1"}, page_size=3, endpoint=iter(["suno/audios"]))]
        self.assertEqual(found, ids[::-1])

    def test_the_errors_of_the_daemon_have_their_class_and_code(self) -> None:
        client = Client(self.daemon.socket)
        with self.assertRaises(NotFound) as lost:
            client.get("ffff")
        self.assertEqual(lost.exception.code, "task_not_found")
        with self.assertRaises(InvalidRequest) as wrong:
            client.submit("flux/imagess", {})
        self.assertEqual((wrong.exception.code, wrong.exception.nearest[0]), ("unknown_endpoint", "flux/images"))
        self.assertFalse(wrong.exception.outcome_unknown)
        client.submit("flux/images", {"prompt": "one"}, key="same")
        with self.assertRaises(Conflict) as other:
            client.submit("flux/images", {"prompt": "two"}, key="same")
        self.assertEqual(other.exception.code, "idempotency_key_reused")
        self.assertIn("version", client.call("GET", "/v1/status"))

    def test_submissions_with_three_lost_replies_each_are_billed_once(self) -> None:
        def submit(number: int) -> str:
            with LosingProxy(self.daemon, 3) as proxy:
                task = Client(proxy.path).submit("flux/images", {"prompt": f"lost {number}"})
                self.assertGreaterEqual(len(proxy.requests), 4)
            return task.id

        with ThreadPoolExecutor(12) as pool:
            tasks = list(pool.map(submit, range(12)))
        for task in Client(self.daemon.socket).as_completed(tasks, timeout=60):
            task.check()
        self.assertEqual([self.billed(f"lost {number}") for number in range(12)], [1] * 12)

    def test_a_cancel_whose_reply_is_lost_returns_the_cancelled_task(self) -> None:
        client = Client(self.daemon.socket)
        task = client.submit("flux/images", {"prompt": "later"}, not_before="+1h")
        with LosingProxy(self.daemon, 1) as proxy:
            self.assertEqual(Client(proxy.path).cancel(task).state, "cancelled")

    def test_every_call_survives_a_kill_and_a_start(self) -> None:
        """The calls are made while no daemon runs, or are waiting when it is killed, by both clients at once."""
        ended = Client(self.daemon.socket).submit("flux/images", {"prompt": "ended"})
        Client(self.daemon.socket).wait(ended, timeout=60)

        def mapped(name: str) -> List[Submission]:
            return [Submission("suno/audios", {"prompt": f"{name} map {n}"}) for n in range(3)]

        def calls(name: str, client: Client) -> Dict[str, Callable[[], Any]]:
            queued = [client.submit("flux/images", {"prompt": f"{name} {n}"}, not_before="+1h") for n in range(2)]
            slow = [client.submit("suno/audios", {"prompt": f"{name} slow {n} [seconds=400]"}) for n in range(2)]
            stream = client.stream(tasks=[slow[0]], state="succeeded").__enter__()
            return {
                "submit": lambda: client.submit("flux/images", {"prompt": f"{name} submit"}).id,
                "get": lambda: client.get(ended).id,
                "list": lambda: len([task.id for task in client.list()]),
                "events": lambda: len(client.events(ended)),
                "cancel": lambda: client.cancel(queued[0]).state == "cancelled",
                "call": lambda: client.call("GET", "/v1/status")["pid"],
                "save": lambda: client.get(ended).results[0].save(self.daemon.place / name),
                "wait": lambda: client.wait(slow[1], timeout=60).succeeded,
                "stream": lambda: next(stream).task_id == slow[0].id,
                "as_completed": lambda: len([task.id for task in client.as_completed(slow, timeout=60)]) == 2,
                "map": lambda: [
                    task.request and task.request["prompt"] for task in client.map(mapped(name), timeout=60)
                ]
                == [f"{name} map {n}" for n in range(3)],
            }

        async def in_asyncio(name: str, client: AsyncClient) -> Dict[str, Any]:
            queued = await client.submit("flux/images", {"prompt": f"{name} 0"}, not_before="+1h")
            slow = [await client.submit("suno/audios", {"prompt": f"{name} slow {n} [seconds=400]"}) for n in range(2)]
            stream = await client.stream(tasks=[slow[0]], state="succeeded").__aenter__()

            async def save() -> Path:
                return await (await client.get(ended)).results[0].save(self.daemon.place / name)

            async def cancel() -> bool:
                return (await client.cancel(queued)).state == "cancelled"

            async def in_order() -> List[Any]:
                return [task.request and task.request["prompt"] async for task in client.map(mapped(name), timeout=60)]

            async def completed() -> int:
                return len([task async for task in client.as_completed(slow, timeout=60)])

            async def listed() -> int:
                return len([task async for task in client.list()])

            waiting = [
                asyncio.ensure_future(one) for one in (completed(), client.wait(slow[1], timeout=60), in_order())
            ]
            await asyncio.sleep(0.3)
            both_are_ready.wait()
            await asyncio.sleep(0.5)  # It is killed now.
            calls = client.submit("flux/images", {"prompt": f"{name} submit"}), client.events(ended)
            found = await asyncio.gather(*calls, client.get(ended), listed(), cancel(), save(), *waiting)
            self.assertEqual((await stream.__anext__()).task_id, slow[0].id)
            return {"calls": len(found), "map": found[-1], "completed": found[-3]}

        both_are_ready = threading.Barrier(3, timeout=60)

        def in_threads(name: str) -> Dict[str, Any]:
            client = Client(self.daemon.socket)
            made = calls(name, client)
            with ThreadPoolExecutor(20) as pool:
                early = {one: pool.submit(made[one]) for one in ("wait", "stream", "as_completed", "map")}
                time.sleep(0.3)
                both_are_ready.wait()
                time.sleep(0.5)
                late = {one: pool.submit(function) for one, function in made.items() if one not in early}
                return {one: future.result() for one, future in {**early, **late}.items()}

        with ThreadPoolExecutor(2) as pool:
            threads = pool.submit(in_threads, "threads")
            loop = pool.submit(lambda: asyncio.run(in_asyncio("asyncio", AsyncClient(self.daemon.socket))))
            both_are_ready.wait()
            self.daemon.kill()
            time.sleep(1.5)
            self.daemon.start()
            found = threads.result()
            self.assertEqual(len(found), 11)
            self.assertTrue(all(found.values()), found)
            self.assertEqual(loop.result(), {"calls": 9, "map": [f"asyncio map {n}" for n in range(3)], "completed": 2})
        for name in ("threads", "asyncio"):
            for prompt in ("submit", "map 0", "map 1", "map 2"):
                self.assertEqual(self.billed(f"{name} {prompt}"), 1, f"{name} {prompt}")

    def test_many_calls_of_asyncio_at_once_all_succeed(self) -> None:
        async def many() -> List[str]:
            client = AsyncClient(self.daemon.socket)
            tasks = await asyncio.gather(
                *(client.submit("flux/images", {"prompt": f"many {n}"}, not_before="+1h") for n in range(700))
            )
            found = await asyncio.gather(*(client.get(task) for task in tasks))
            return [task.id for task in found]

        self.assertEqual(len(set(asyncio.run(many()))), 700)

    def test_a_stream_replays_the_log(self) -> None:
        client = Client(self.daemon.socket)
        task = client.submit("flux/images", {"prompt": "replay"}, labels={"replay": "1"}, not_before="+1h")
        client.cancel(task)
        stream = client.stream("0", labels={"replay": "1"}, include=["request"], follow=False)
        events = list(stream)
        self.assertEqual([(event.kind, event.state_before, event.to) for event in events],
                         [("created", None, "queued"), ("cancelled", "queued", "cancelled")])  # fmt: skip
        self.assertEqual(events[0].task.raw["request"], {"prompt": "replay"})
        self.assertEqual(list(client.stream(stream.last_id, labels={"replay": "1"}, follow=False)), [])


class CancellationTests(unittest.TestCase):
    def test_a_cancelled_call_leaves_no_connection(self) -> None:
        async def cancel_each() -> None:
            client = AsyncClient(server.path)
            submissions = [Submission("flux/images", {})]
            stream = client.stream()
            calls: List[Callable[[], Any]] = [
                lambda: client.wait("019a"),
                lambda: client.submit("flux/images", {}),
                lambda: client.submit("flux/images", {"image": "x" * (4 << 20)}),
                lambda: stream.__anext__(),
                lambda: client.map(submissions).__anext__(),
                lambda: client.as_completed(["019a"]).__anext__(),
                lambda: client.list().__anext__(),
            ]
            for call in calls:
                started = asyncio.ensure_future(call())
                await asyncio.sleep(0.05)
                started.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await started
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(call(), 0.05)
            self.assertEqual(open_sockets(), sockets + 3)  # The server's own, and those of the event loop.

        sockets = open_sockets()
        with FakeServer(hangs) as server:
            asyncio.run(cancel_each(), debug=True)
            self.assertEqual(open_sockets() - 1, sockets)  # The server's own.

    def test_a_call_of_asyncio_times_out(self) -> None:
        async def call() -> None:
            with self.assertRaises(PolluxError) as caught:
                await AsyncClient(server.path, timeout=0.3, patience=0).get("019a")
            self.assertEqual(caught.exception.code, "reply_lost")
            self.assertIn("in time", str(caught.exception))

        with FakeServer(hangs) as server:
            began = time.monotonic()
            asyncio.run(call())
            self.assertLess(time.monotonic() - began, 2)


if __name__ == "__main__":
    unittest.main()
