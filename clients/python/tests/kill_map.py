"""Kills the daemon with `kill -9` again and again, and the program once, while a program maps over N submissions.

Some of the provider's replies are lost. In the end each task must have succeeded, been yielded in order and been billed
once. Takes N and, to repeat a run as far as a machine allows, a seed.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List

from pollux_client import Client, Submission

from support import Daemon, Sandbox

ENDPOINTS = ("suno/audios", "flux/images", "midjourney/imagine", "veo/videos")
FAULTS = "lost-reply=0.04,reset-reply=0.04,502-after=0.04,429-retry-after=0.02:1s,poll-500=0.02,poll-reset=0.02"


def submissions(number: int) -> List[Submission]:
    names = (ENDPOINTS[place % len(ENDPOINTS)] for place in range(number))
    return [
        Submission(name, {"prompt": f"mapped {place} [seconds={5 + place % 7 * 10}]"}, labels={"map": "1"})
        for place, name in enumerate(names)
    ]


def program(socket: str, number: int) -> None:
    """What a person's script does. It may be killed and started again."""
    client = Client(socket, patience=120)
    for task in client.map(submissions(number), concurrency=min(100, max(8, number // 4)), key="album-7", timeout=1200):
        print(json.dumps([task.id, task.state, task.remote_id, (task.request or {})["prompt"]]), flush=True)


def start_program(daemon: Daemon, number: int, out: Path) -> subprocess.Popen[bytes]:
    with open(out, "wb") as file:
        return subprocess.Popen([sys.executable, __file__, "--program", daemon.socket, str(number)], stdout=file)


def wait_for_lines(out: Path, number: int, running: subprocess.Popen[bytes]) -> None:
    """Waits for progress, since a lost reply takes several queries within one life of the daemon; 10 s at most."""
    deadline = time.monotonic() + 10
    while out.read_bytes().count(b"\n") < number and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)


def main(number: int, seed: int) -> None:
    began = time.monotonic()
    chance = random.Random(seed)
    sandbox = Sandbox("--seed", str(seed % 1000 + 1), "--faults", FAULTS)
    daemon = Daemon(
        sandbox,
        POLLUX_ARTEFACTS_CAPTURE="off",
        POLLUX_POLLING_MAX_REQUESTS_PER_SECOND="1000",
        POLLUX_SUBMISSION_ON_UNCERTAIN="resubmit_if_absent",
        POLLUX_TEST_ABSENT_SPAN_SECONDS="3",
        POLLUX_TEST_STEADY_SPAN_SECONDS="1",
    )
    out = daemon.place / "out"
    running = start_program(daemon, number, out)
    try:
        kills, planned, is_killed = 0, max(6, number // 20), False
        while running.poll() is None:
            wait_for_lines(out, number * kills // planned, running)
            if running.poll() is not None:
                break
            if kills >= planned // 6 and not is_killed:
                is_killed = True
                running.kill()
                running.wait()
                running = start_program(daemon, number, out)
            elif kills < planned:
                time.sleep(chance.uniform(0.0, 1.5))
                daemon.stop() if chance.random() < 0.2 else daemon.kill()
                kills += 1
                time.sleep(chance.uniform(0.0, 0.5))
                daemon.start()
        if not is_killed:
            raise SystemExit(f"The program ended before it was killed: more tasks are needed (seed {seed}).")
        check(number, seed, running.returncode, out, sandbox.ledger(), Client(daemon.socket))
        print(
            f"{number} tasks through map, {kills} kills and stops of the daemon, {int(is_killed)} kill of the program: "
            f"each billed once, all succeeded, in order, none missing (seed {seed}, {time.monotonic() - began:.0f} s)"
        )
    finally:
        running.kill()
        running.wait()
        sandbox.close()
        daemon.close()


def check(number: int, seed: int, code: int, out: Path, ledger: Dict[str, Any], client: Client) -> None:
    tasks = [json.loads(line) for line in out.read_text().splitlines()]
    prompts = [submission.request["prompt"] for submission in submissions(number)]
    stored = {task.id for task in client.list(labels={"map": "1"}, page_size=500)}
    facts = {
        "the program ends well": code == 0,
        "every task is yielded, in order": [task[3] for task in tasks] == prompts,
        "every task succeeded": {task[1] for task in tasks} == {"succeeded"},
        "the daemon has these tasks and no others": stored == {task[0] for task in tasks} and len(stored) == number,
        "every task is billed once": ledger["billed"] == number and ledger["max_billed_per_request"] == 1,
        "what was billed is what the tasks have": sorted(task[2] for task in tasks)
        == sorted(entry["task_id"] for entry in ledger["entries"]),
    }
    wrong = [fact for fact, holds in facts.items() if not holds]
    if wrong:
        shown = {name: ledger[name] for name in ("billed", "max_billed_per_request", "double_billed")}
        raise SystemExit(f"Not so: {'; '.join(wrong)} (seed {seed}, {len(tasks)} lines, {shown})")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--program"]:
        program(sys.argv[2], int(sys.argv[3]))
    else:
        seed = int(sys.argv[2]) if len(sys.argv) > 2 else int.from_bytes(os.urandom(2), "big")
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 60, seed)
