"""Measures what people use from Python: durable queues, and the provider's own client. Run by scripts/run-benchmarks.sh.

Arguments: a directory to throw away, the pollux binary (for its sandbox), quick or full. Prints one JSON object a line.
"""

import json
import resource
import socket
import subprocess
import sys
import threading
import time
import urllib.request

PLACE, POLLUX, MODE = sys.argv[1:4]
QUICK = MODE == "quick"
BODY = json.dumps(
    {"endpoint": "kling/videos", "request": {"action": "text2video", "prompt": "A paper boat crosses a puddle, seen from above"}}
)


def tell(name, value, unit, note):
    print(json.dumps({"name": name, "value": value, "unit": unit, "note": note}), flush=True)


def rate(enqueue):
    """Calls a second, one caller, over some thousand calls."""
    count = 1_000 if QUICK else 10_000
    began = time.perf_counter()
    for _ in range(count):
        enqueue()
    return count / (time.perf_counter() - began)


def litequeue_rate():
    import litequeue

    queue = litequeue.LiteQueue(PLACE + "/litequeue.sqlite")
    # Its own setting is NORMAL, under which the last entries are gone after a power failure.
    queue.conn.execute("PRAGMA synchronous = FULL")
    tell(
        "litequeue on SQLite, put, in process", rate(lambda: queue.put(BODY)), "/s",
        "with synchronous=FULL, which is not its default; no server, one writer at a time",
    )


def huey_rate():
    import huey

    app = huey.SqliteHuey("bench", filename=PLACE + "/huey.sqlite", fsync=True)

    @app.task()
    def generate(body):
        pass

    tell(
        "huey on SQLite, enqueue, in process", rate(lambda: generate(BODY)), "/s",
        "with fsync=True, which is not its default; a task that dies half-way is lost or run again, as one sets it",
    )


def official_client():
    """A thread per task that waits as its documents show; what a poll costs, and how late the end is noticed."""
    from acedatacloud import AceDataCloud

    tasks = 100 if QUICK else 1_000
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sandbox = subprocess.Popen(
        [POLLUX, "sandbox", "--port", str(port), "--seed", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        base = f"http://127.0.0.1:{port}"
        for _ in range(200):
            try:
                urllib.request.urlopen(base + "/", timeout=1).read()
                break
            except OSError:
                time.sleep(0.05)
        late = []
        with AceDataCloud(api_token="sandbox", base_url=base) as client:
            ids = []
            for number in range(tasks):
                handle = client.luma.generate(prompt=f"A cat in space [seconds={10 + number % 10}]")
                ids.append((handle["task_id"] if isinstance(handle, dict) else handle.id))

            def track(task_id):
                record = client.tasks.wait(task_id, service="luma", max_wait=120)
                if record.get("finished_at"):
                    late.append(time.time() - record["finished_at"])

            before = resource.getrusage(resource.RUSAGE_SELF)
            threads = [threading.Thread(target=track, args=(task_id,)) for task_id in ids]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            after = resource.getrusage(resource.RUSAGE_SELF)
        statistics = json.load(urllib.request.urlopen(base + "/sandbox/stats", timeout=5))
    finally:
        sandbox.terminate()
        sandbox.wait()
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    polls = sum(value for key, value in flatten(statistics) if key in ("/retrieve/total", "/retrieve_batch/total"))
    note = f"one thread each; {len(late)} of {tasks} noticed, no memory of them after a crash"
    tell(f"acedatacloud tracking {tasks} tasks, processor time", spent, " s", note)
    if polls:
        tell("acedatacloud, processor time per poll", spent / polls * 1e6, " µs", f"{polls} polls")
    if late:
        tell("acedatacloud, lateness, mean", sum(late) / len(late), " s", "after the provider's finished_at")


def flatten(value, path=""):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flatten(inner, f"{path}/{key}")
    elif isinstance(value, (int, float)):
        yield path, value


for measure in (litequeue_rate, huey_rate, official_client):
    try:
        measure()
    except Exception as error:  # What a library does here is no reason to lose the other figures.
        tell(measure.__name__.replace("_", " "), None, None, f"{type(error).__name__}: {error}")
