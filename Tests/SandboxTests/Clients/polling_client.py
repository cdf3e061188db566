"""A plain client: submit, then ask for the task until it has finished.

It does what the provider's page on asynchronous tasks tells clients to do, with nothing but `requests`:
`finished_at` means done. Run by scripts/check-sandbox-clients.sh; the first argument is the base URL.
"""

import sys
import time

import requests

POLL_SECONDS = 0.2
GIVE_UP_SECONDS = 60


def generate(base_url, service, operation, body):
    """Submits one task and returns its finished record."""
    session = requests.Session()
    session.headers["Authorization"] = "Bearer sandbox"
    accepted = session.post(f"{base_url}/{service}/{operation}", json={**body, "async": True}, timeout=30)
    accepted.raise_for_status()
    task_id = accepted.json()["task_id"]

    deadline = time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < deadline:
        answer = session.post(
            f"{base_url}/{service}/tasks", json={"action": "retrieve", "task_id": task_id}, timeout=30
        )
        answer.raise_for_status()
        record = answer.json()
        if record.get("finished_at"):
            return record
        time.sleep(POLL_SECONDS)
    raise SystemExit(f"{service}/{operation}: task {task_id} did not finish within {GIVE_UP_SECONDS} s")


def generate_inline(base_url):
    """The page's own first step sends no `async`: the reply then comes with the finished picture."""
    reply = requests.post(
        f"{base_url}/midjourney/imagine",
        headers={"Authorization": "Bearer sandbox"},
        json={"prompt": "A cat on a table, waited for [seconds=30]"},
        timeout=120,
    )
    reply.raise_for_status()
    return reply.json()


def main():
    base_url = sys.argv[1].rstrip("/")
    picture = "https://example.com/face.png"
    for service, operation, body in [
        ("midjourney", "imagine", {"prompt": "A cat on a table"}),
        ("midjourney", "edits", {"prompt": "A hat for the cat", "image_url": picture}),
        ("midjourney", "videos", {"prompt": "The cat walks", "image_url": picture}),
        ("suno", "audios", {"prompt": "A song about a cat"}),
        ("veo", "videos", {"action": "text2video", "prompt": "A cat in the rain"}),
        ("sora", "videos", {"prompt": "A cat at sea", "model": "sora-2"}),
        ("kling", "videos", {"action": "text2video", "prompt": "A cat on a roof"}),
        ("kling", "talking-photo", {"image_url": picture}),
        ("luma", "videos", {"action": "generate", "prompt": "A cat in space"}),
        ("flux", "images", {"action": "generate", "prompt": "A cat in oil"}),
    ]:
        record = generate(base_url, service, operation, body)
        response = record["response"]
        assert response["success"] is True, record
        assert "_url" in str(response), record
        assert record["request"] == {**body, "async": True}, record
        print(f"ok  {service}/{operation} finished after {record['elapsed']} s")

    failed = generate(base_url, "veo", "videos", {"prompt": "[fail:plain] A cat"})
    assert failed["response"]["success"] is False and failed["response"]["error"]["code"], failed
    print("ok  a failed task is told by its error")

    inline = generate_inline(base_url)
    assert inline["success"] is True and inline["image_url"], inline
    print("ok  a submit without async waits and brings the result")


if __name__ == "__main__":
    main()
