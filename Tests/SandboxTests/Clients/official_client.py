"""The provider's official Python client (`acedatacloud` on PyPI) against the sandbox.

One task each of the services that the client knows; Midjourney is no longer among them. Run by
scripts/check-sandbox-clients.sh; the first argument is the base URL.
"""

import sys
import time

from acedatacloud import AceDataCloud

# The client waits 3 s between polls unless told otherwise; a fast sandbox needs no such patience.
POLL_SECONDS = 0.3
MAX_WAIT_SECONDS = 60


def submissions(client):
    """Every service with the call that submits one task to it asynchronously."""
    return {
        "suno": lambda: client.suno.generate(prompt="A song about a cat", action="generate"),
        "luma": lambda: client.luma.generate(prompt="A cat in space"),
        "flux": lambda: client.flux.generate(prompt="A cat in oil", action="generate", size="1024x1024"),
        "veo": lambda: client.veo.generate(action="text2video", prompt="A cat in the rain", async_=True),
        "kling": lambda: client.kling.generate(
            action="text2video", model="kling-v2-6", prompt="A cat on a roof", async_=True
        ),
        "sora": lambda: client.video.generate(provider="sora", prompt="A cat at sea", async_=True),
    }


def task_id_of(submitted):
    """Some calls return a handle, others the provider's reply itself."""
    return submitted["task_id"] if isinstance(submitted, dict) else submitted.id


def finished_record(client, service, task_id):
    """The record once the client calls it done and the provider has stamped it.

    The client takes a first song of two for the end; asking on until `finished_at` is what its users must do.
    """
    client.tasks.wait(task_id, service=service, poll_interval=POLL_SECONDS, max_wait=MAX_WAIT_SECONDS)
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while time.monotonic() < deadline:
        record = client.tasks.get(task_id, service=service)
        if record.get("finished_at"):
            return record
        time.sleep(POLL_SECONDS)
    raise SystemExit(f"{service}: task {task_id} did not finish within {MAX_WAIT_SECONDS} s")


def main():
    with AceDataCloud(api_token="sandbox", base_url=sys.argv[1].rstrip("/")) as client:
        for service, submit in submissions(client).items():
            task_id = task_id_of(submit())
            record = finished_record(client, service, task_id)
            assert record["id"] == task_id, record
            assert record["response"]["success"] is True, record
            assert record["response"]["task_id"] == task_id, record
            print(f"ok  {service} finished after {record['elapsed']} s")


if __name__ == "__main__":
    main()
