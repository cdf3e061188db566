"""Saving the files of results from a server that breaks off, lies or has lost the file."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import socket
import threading
import unittest
from pathlib import Path
from typing import Any, Dict, List, Optional

from pollux_client import AsyncClient, Client, FileUnavailable, PolluxError, WaitTimeout

from support import FakeServer, directory, http, open_sockets, task

DATA = os.urandom(3_000_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


class Archive(FakeServer):
    """Serves a task with one file. Each request for the file gets at most `most` bytes before the connection breaks."""

    def __init__(self, data: bytes = DATA, most: Optional[int] = None, has_ranges: bool = True) -> None:
        self.states: List[str] = ["saved"]
        self.data = data
        self.most = most
        self.ranges: List[str] = []
        self.fetches = 0
        self.missing = 0

        def handle(connection: socket.socket, request: bytes) -> None:
            method, target = (word.decode() for word in request.split()[:2])
            if not target.startswith("/v1/artefacts/"):
                self.fetches += method == "POST"
                return connection.sendall(http(self.task()))
            if self.missing > 0:
                self.missing -= 1
                return connection.sendall(http({"code": "artefact_not_found", "detail": "d"}, 404))
            found = re.search(rb"range: bytes=(\d+)-\r\n", request)
            first = int(found[1]) if found and has_ranges else 0
            self.ranges.append(found[1].decode() if found else "")
            reply = http(self.data[first:])
            if first >= len(self.data):
                reply = http({"code": "range_not_satisfiable", "detail": "d"}, 416)
            elif first:
                reply = http(
                    self.data[first:], 206, Content_Range=f"bytes {first}-{len(self.data) - 1}/{len(self.data)}"
                )
            connection.sendall(reply if self.most is None else reply[: self.most])

        super().__init__(handle)

    def task(self) -> Dict[str, Any]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        saved: Dict[str, Any] = {"sha256": SHA256, "size_bytes": len(DATA), "path": "2026/song-1.mp3"}
        if state != "saved":
            saved = {}
        artefact: Optional[Dict[str, Any]] = None if state == "none" else {"state": state, "error": "Why.", **saved}
        return task("succeeded", results=[{"kind": "url", "pointer": "/a", "value": "u", "artefact": artefact}])


class SaveTests(unittest.TestCase):
    def setUp(self) -> None:
        self.place = directory()
        self.addCleanup(shutil.rmtree, self.place)

    def save(self, server: FakeServer, **options: Any) -> str:
        used = Client(server.path, timeout=5, patience=3)
        return str(used.get("019a").results[0].save(self.place / "songs", **options))

    def left(self) -> List[str]:
        return sorted(path.name for path in (self.place / "songs").iterdir())

    def test_a_file_is_saved_under_the_name_of_the_daemon_or_the_given_one(self) -> None:
        with Archive() as server:
            self.assertEqual(self.save(server), str(self.place / "songs/song-1.mp3"))
            self.assertEqual(self.save(server, name="ä b.mp3"), str(self.place / "songs/ä b.mp3"))
            for name in ("", "..", "a/b"):
                with self.assertRaises(ValueError):
                    self.save(server, name=name)
        self.assertEqual((self.place / "songs/song-1.mp3").read_bytes(), DATA)
        self.assertEqual(self.left(), ["song-1.mp3", "ä b.mp3"])

    def test_a_copy_that_breaks_off_goes_on_where_it_ended(self) -> None:
        with Archive(most=700_000) as server:
            self.save(server)
            self.assertEqual(len(server.ranges), 5)
            self.assertEqual(server.ranges[0], "")
            self.assertTrue(all(int(server.ranges[at]) >= at * 690_000 for at in range(1, 5)))
            self.assertIn(b'if-range: "%b"' % SHA256.encode(), server.requests[-1])
        self.assertEqual((self.place / "songs/song-1.mp3").read_bytes(), DATA)

    def test_a_later_call_goes_on_too(self) -> None:
        with Archive() as server:
            server.data, server.most = DATA, 1_000_000
            used = Client(server.path, timeout=5, patience=0)
            with self.assertRaises(PolluxError):
                used.get("019a").results[0].save(self.place / "songs")
            self.assertEqual(self.left(), [f".pollux-{SHA256[:32]}.part"])
            server.most = None
            self.save(server)
            self.assertGreater(int(server.ranges[-1]), 900_000)
        self.assertEqual((self.place / "songs/song-1.mp3").read_bytes(), DATA)
        self.assertEqual(self.left(), ["song-1.mp3"])

    def test_a_server_without_ranges_sends_it_all_again(self) -> None:
        with Archive(most=2_000_000, has_ranges=False) as server:
            threading.Timer(0.7, lambda: setattr(server, "most", None)).start()
            self.save(server)
        self.assertEqual((self.place / "songs/song-1.mp3").read_bytes(), DATA)

    def test_a_file_that_is_there_is_not_copied_again(self) -> None:
        with Archive() as server:
            self.save(server)
            self.save(server)
            self.assertEqual(server.ranges, [""])
            (self.place / "songs/song-1.mp3").write_bytes(b"damaged")
            self.save(server)
        self.assertEqual((self.place / "songs/song-1.mp3").read_bytes(), DATA)

    def test_a_damaged_or_too_long_beginning_is_replaced(self) -> None:
        for junk in (b"junk" * 1000, DATA + b"more", b"x" * len(DATA)):
            with self.subTest(len(junk)), Archive() as server:
                (self.place / "songs").mkdir(exist_ok=True)
                (self.place / f"songs/.pollux-{SHA256[:32]}.part").write_bytes(junk)
                saved = Path(self.save(server, name=f"{len(junk)}.mp3"))
                self.assertEqual(saved.read_bytes(), DATA)

    def test_a_file_with_another_digest_never_gets_its_name(self) -> None:
        with Archive(data=b"x" * len(DATA)) as server:
            with self.assertRaises(FileUnavailable) as caught:
                self.save(server)
        self.assertEqual(caught.exception.code, "digest_mismatch")
        self.assertFalse((self.place / "songs/song-1.mp3").exists())

    def test_a_file_that_the_daemon_does_not_have_is_fetched_first(self) -> None:
        for states in (["removed", "removed", "fetching", "waiting"], ["none", "none", "waiting"], ["fetching"]):
            with self.subTest(states), Archive() as server:
                server.states = [*states, "saved"]
                self.save(server, name=states[0])
                self.assertEqual(server.fetches, states[0] != "fetching")

    def test_a_file_that_goes_meanwhile_is_fetched_again(self) -> None:
        with Archive() as server:
            server.missing = 1
            self.save(server)
        self.assertEqual(self.left(), ["song-1.mp3"])

    def test_a_file_that_is_gone_is_an_error_with_its_reason(self) -> None:
        with Archive() as server:
            server.states = ["gone"]
            with self.assertRaises(FileUnavailable) as caught:
                self.save(server)
            self.assertEqual((caught.exception.code, server.fetches), ("file_gone", 1))
            self.assertIn("Why.", str(caught.exception))

    def test_saving_ends_at_its_timeout(self) -> None:
        with Archive() as server:
            server.states = ["fetching"]
            with self.assertRaises(WaitTimeout):
                self.save(server, timeout=0.4)
        with Archive(most=100) as server:
            with self.assertRaises(WaitTimeout):
                self.save(server, timeout=0.4)

    def test_two_copies_at_once_are_both_whole(self) -> None:
        with Archive(most=500_000) as server:
            results = Client(server.path).get("019a").results
            threads = [threading.Thread(target=results[0].save, args=(self.place / "songs",)) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual((self.place / "songs/song-1.mp3").read_bytes(), DATA)
        self.assertEqual(self.left(), ["song-1.mp3"])

    def test_a_cancelled_copy_leaves_no_connection_and_goes_on_later(self) -> None:
        async def cancel(server: Archive) -> None:
            found = await AsyncClient(server.path).get("019a")
            saving = asyncio.ensure_future(found.results[0].save(self.place / "songs"))
            while not (self.place / "songs").exists():
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.05)
            saving.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await saving
            server.most = None
            await found.results[0].save(self.place / "songs")

        sockets = open_sockets()
        with Archive(most=20_000) as server:
            asyncio.run(cancel(server))
        self.assertEqual((self.place / "songs/song-1.mp3").read_bytes(), DATA)
        self.assertEqual((self.left(), open_sockets()), (["song-1.mp3"], sockets))


if __name__ == "__main__":
    unittest.main()
