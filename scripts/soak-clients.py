#!/usr/bin/env python3
"""Clients that are hard on the daemon's memory, for some minutes; says whether it stays flat. Run by run-client-soak.sh.

Long polls on connections that never close, more of them than are woken, bulk clients that send 200,000 lines before they
read, bodies that never end, and a log whose reader stops. Standard library only.
"""
import argparse
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

BIG = 1 << 20


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=330):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = connected(self.path, self.timeout)


def connected(path, timeout):
    """A connection, as soon as the kernel's queue of the socket has a place: hundreds come at once."""
    while True:
        one = socket.socket(socket.AF_UNIX)
        one.settimeout(timeout)
        try:
            one.connect(path)
            return one
        except BlockingIOError:
            one.close()
            time.sleep(0.05)


class Soak:
    def __init__(self, binary, minutes, lines, stalls_log):
        self.binary, self.minutes, self.lines = binary, minutes, lines
        self.place = tempfile.mkdtemp(prefix="pollux-soak.")
        self.socket = self.place + "/pollux.sock"
        self.end = threading.Event()
        self.counts, self.errors, self.lock = {}, [], threading.Lock()
        environment = {
            "PATH": os.environ["PATH"], "HOME": self.place, "POLLUX_STATE_DIR": self.place + "/state",
            "POLLUX_SOCKET": self.socket, "XHUOAPI_TOKEN": "a-token-of-the-soak", "NO_COLOR": "1",
            "POLLUX_ARTEFACTS_CAPTURE": "off",
        }
        sandbox = subprocess.Popen(
            [binary, "sandbox", "--port", "0", "--speed", "60"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.processes = [sandbox]
        # The first line of its output is its address.
        environment["XHUOAPI_BASE_URL"] = sandbox.stdout.readline().strip()
        # A pipe that nothing reads: it holds 64 KiB, which debug lines fill at once.
        environment["POLLUX_LOG_LEVEL"] = "debug" if stalls_log else "warning"
        output = subprocess.PIPE if stalls_log else subprocess.DEVNULL
        self.daemon = subprocess.Popen([binary, "serve"], env=environment, stdout=output, stderr=subprocess.STDOUT)
        self.processes.append(self.daemon)
        self.until_ready()

    def until_ready(self):
        deadline = time.time() + 30
        while time.time() < deadline:
            try:
                if self.ask("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("The daemon did not get ready.")

    def ask(self, method, path, body=None, headers=None, connection=None, timeout=330):
        own = connection or UnixConnection(self.socket, timeout)
        own.request(method, path, body, headers or {})
        reply = own.getresponse()
        data = reply.read()
        if not connection:
            own.close()
        return reply.status, data

    def submit(self, request, **more):
        document = {"endpoint": "flux/images", "request": request, **more}
        status, data = self.ask("POST", "/v1/tasks", json.dumps(document))
        assert status == 201, (status, data[:300])
        return json.loads(data)["id"]

    def count(self, what, more=1):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + more

    # The clients; each goes on until the end.

    def poll(self, task):
        """Asks for one task again and again on one connection."""
        connection = UnixConnection(self.socket)
        while not self.end.is_set():
            status, _ = self.ask("GET", f"/v1/tasks/{task}?wait_seconds=0.02", connection=connection)
            assert status == 200, status
            self.count("long polls")

    def wait_beside(self, task):
        """One of more waiters than the daemon wakes."""
        connection = UnixConnection(self.socket)
        while not self.end.is_set():
            asked = time.time()
            status, _ = self.ask("GET", f"/v1/tasks/{task}?wait_seconds=2", connection=connection)
            assert status == 200, status
            assert time.time() - asked > 1.5, "a waiter was answered at once"
            self.count("waits of many")

    def submit_many(self):
        """Sends all lines before it reads an answer; the same key each time, so that the database does not grow."""
        lines = b"".join(
            b'{"endpoint":"flux/images","request":{"prompt":"%d"},"not_before":"2199-01-01T00:00:00Z"}\n' % number
            for number in range(self.lines))
        while not self.end.is_set():
            connection = UnixConnection(self.socket)
            headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": "soak"}
            connection.request("POST", "/v1/tasks", lines, headers)
            reply = connection.getresponse()
            answers, rest = 0, b""
            while part := reply.read(1 << 20):
                rows = (rest + part).split(b"\n")
                rest = rows.pop()
                assert all(row.startswith(b'{"id":') for row in rows), rows[0][:200]
                answers += len(rows)
            assert reply.status == 200 and answers == self.lines, (reply.status, answers)
            connection.close()
            self.count("bulk requests")
            # And one that leaves without reading.
            connection = UnixConnection(self.socket)
            connection.request("POST", "/v1/tasks", lines[: 1 << 20], headers)
            connection.close()
            self.end.wait(5)

    def send_halves(self):
        """Bodies of almost 8 MiB that never end: those beyond 64 MiB are refused at once."""
        while not self.end.is_set():
            held, refused = [], 0
            for _ in range(40):
                one = connected(self.socket, 5)
                one.sendall(b"POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n")
                try:
                    one.sendall(b" " * 7_000_000)
                    one.settimeout(0.05)
                    refused += one.recv(100).startswith(b"HTTP/1.1 503")
                except OSError:
                    pass
                held.append(one)
            assert refused >= 30, f"only {refused} of 40 unfinished bodies were refused"
            for one in held:
                one.close()
            self.count("unfinished bodies", len(held))
            self.end.wait(20)

    def work(self):
        """A program as there are many: submits and waits."""
        number = 0
        while not self.end.is_set():
            task = self.submit({"prompt": f"work {number} [seconds=5]"})
            number += 1
            for _ in range(30):
                status, data = self.ask("GET", f"/v1/tasks/{task}?wait_seconds=2")
                if json.loads(data)["state"] == "succeeded":
                    break
            else:
                raise AssertionError(f"{task} did not end")
            self.count("tasks that succeeded")

    def guard(self, client, *arguments):
        try:
            client(*arguments)
        except Exception as error:
            if not self.end.is_set():
                with self.lock:
                    self.errors.append(f"{client.__name__}: {error!r}")

    def resident(self):
        with open(f"/proc/{self.daemon.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def run(self):
        later = "2199-01-01T00:00:00Z"
        small = self.submit({"prompt": "small"}, not_before=later)
        large = self.submit({"prompt": "large", "image": "x" * BIG}, not_before=later)
        clients = [(self.poll, small)] * 3 + [(self.poll, large)] + [(self.wait_beside, small)] * 420
        clients += [(self.submit_many,), (self.send_halves,), (self.work,), (self.work,)]
        threads = [threading.Thread(target=self.guard, args=client, daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        began, samples = time.time(), []
        while (passed := time.time() - began) < self.minutes * 60:
            if self.daemon.poll() is not None:
                self.errors.append(f"the daemon ended with {self.daemon.returncode}")
                break
            samples.append((passed, self.resident()))
            print(f"\r{passed:6.0f} s  {samples[-1][1]:6.0f} MB  {self.counts}", end="", file=sys.stderr, flush=True)
            time.sleep(1)
        print(file=sys.stderr)
        alive, _ = self.ask("GET", "/healthz", timeout=10) if self.daemon.poll() is None else (0, b"")
        if alive != 200:
            self.errors.append("the daemon does not answer")
        self.end.set()
        return samples

    def close(self):
        self.end.set()
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(25)
            except subprocess.TimeoutExpired:
                self.errors.append(f"{process.args[1]} did not stop within 25 s of SIGTERM")
                process.kill()
        shutil.rmtree(self.place, ignore_errors=True)


def verdict(samples, errors, counts):
    """Compares the last third with the middle one: the first warms caches and the allocator up.

    Bodies come in bursts, so what counts is the floor between them (the tenth part of the samples lies below it), which a
    leak raises, and the peak.
    """
    third = len(samples) // 3
    sizes = [size for _, size in samples]
    middle, last = sorted(sizes[third : 2 * third]), sorted(sizes[2 * third :])
    floors = [part[len(part) // 10] if part else 0 for part in (middle, last)]
    peaks = [part[-1] if part else 0 for part in (middle, last)]
    is_flat = floors[1] - floors[0] < max(10, 0.05 * floors[0]) and peaks[1] - peaks[0] < max(20, 0.1 * peaks[0])
    missing = [
        what for what in ("long polls", "waits of many", "bulk requests", "unfinished bodies", "tasks that succeeded")
        if not counts.get(what)
    ]
    print(f"Load: {counts}")
    print(f"Memory, middle third: {floors[0]:.0f} MB between bursts, {peaks[0]:.0f} MB at most.")
    print(f"Memory, last third:   {floors[1]:.0f} MB between bursts, {peaks[1]:.0f} MB at most.")
    for error in errors[:10]:
        print(f"Error: {error}")
    for what in missing:
        print(f"Error: there were no {what}")
    if is_flat and not errors and not missing:
        print("PASS: memory is flat.")
        return 0
    print("FAIL: " + ("memory grows." if not is_flat else "the load was not carried; see the errors."))
    return 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("minutes", type=float)
    parser.add_argument("--log-is-read", action="store_true", help="do not stop reading the log")
    parser.add_argument("--lines", type=int, default=200_000, help="how many a bulk request has")
    options = parser.parse_args()
    soak = Soak(options.binary, options.minutes, options.lines, not options.log_is_read)
    try:
        samples = soak.run()
    finally:
        soak.close()
    sys.exit(verdict(samples, soak.errors, soak.counts))


main()
