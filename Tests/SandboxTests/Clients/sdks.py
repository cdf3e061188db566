"""The official Python clients of the providers, each with one submit and one way to its result.

Used by other_clients.py against the sandbox and by scripts/gateway-clients.py. Nothing of a client is changed: its own
retries and waits count. Only its address, its key and its read time-out are set, as a program would.
"""

import os
import time
import warnings

warnings.filterwarnings("ignore")  # OpenAI's client warns of the end of the Videos API, Google's of its preview.

IMAGE = "https://example.com/face.png"


class Ended(Exception):
    """The task did not succeed."""


def until_ended(get, status, ended, seconds):
    """Asks until the task has ended; what it returned last."""
    deadline = time.monotonic() + seconds
    while True:
        record = get()
        if status(record) in ended:
            return record
        if time.monotonic() > deadline:
            raise TimeoutError(f"still {status(record)} after {seconds} s")
        time.sleep(0.3)


class AceDataCloud:
    package, provider, path, operation = "acedatacloud", "xhuoapi", "/v1", "veo/videos"

    def __init__(self, address, key, timeout):
        from acedatacloud import AceDataCloud as Client

        self.client = Client(api_token=key, base_url=address + self.path, timeout=timeout)

    def submit(self, prompt):
        reply = self.client.veo.generate(action="text2video", prompt=prompt, async_=True)
        return reply["task_id"] if isinstance(reply, dict) else reply.id

    def result(self, id, seconds):
        record = until_ended(
            lambda: self.client.tasks.get(id, service="veo"), lambda record: bool(record.get("finished_at")), [True],
            seconds)
        if record["response"].get("success") is not True:
            raise Ended(str(record["response"]))
        return record["response"]["data"][0]["video_url"]


class OpenAI:
    package, provider, path, operation = "openai", "openai", "/v1", "videos"

    def __init__(self, address, key, timeout):
        from openai import OpenAI as Client

        self.client = Client(api_key=key, base_url=address + self.path, timeout=timeout)

    def submit(self, prompt):
        return self.client.videos.create(model="sora-2", prompt=prompt, seconds="4").id

    def result(self, id, seconds):
        video = until_ended(
            lambda: self.client.videos.retrieve(id), lambda video: video.status, ["completed", "failed"], seconds)
        if video.status != "completed":
            raise Ended(video.error)
        return video.id


class RunwayML:
    package, provider, path, operation = "runwayml", "runway", "", "image_to_video"

    def __init__(self, address, key, timeout):
        from runwayml import RunwayML as Client

        self.client = Client(api_key=key, base_url=address + self.path, timeout=timeout)

    def submit(self, prompt):
        return self.client.image_to_video.create(
            model="gen4_turbo", prompt_image=IMAGE, prompt_text=prompt, ratio="1280:720", duration=5
        ).id

    def result(self, id, seconds):
        task = until_ended(
            lambda: self.client.tasks.retrieve(id), lambda task: task.status, ["SUCCEEDED", "FAILED", "CANCELLED"],
            seconds)
        if task.status != "SUCCEEDED":
            raise Ended(task.status)
        return task.output[0]


class Replicate:
    package, provider, path, operation = "replicate", "replicate", "", "predictions"

    def __init__(self, address, key, timeout):
        import httpx
        from replicate import Client

        self.client = Client(api_token=key, base_url=address + self.path, timeout=httpx.Timeout(timeout))

    def submit(self, prompt):
        return self.client.predictions.create(version="5c7d5dc6dd8bf75c1acaa8565735e798", input={"prompt": prompt}).id

    def result(self, id, seconds):
        prediction = until_ended(
            lambda: self.client.predictions.get(id), lambda prediction: prediction.status,
            ["succeeded", "failed", "canceled"], seconds)
        if prediction.status != "succeeded":
            raise Ended(prediction.error)
        return prediction.output[0]


class Fal:
    """Its address is fixed to https; FAL_QUEUE_RUN_HOST has host and path."""

    package, provider, path, operation = "fal-client", "fal", "", "fal-ai/flux/dev"

    def __init__(self, address, key, timeout):
        os.environ["FAL_QUEUE_RUN_HOST"] = address.partition("://")[2] + self.path
        from fal_client import SyncClient

        self.client = SyncClient(key=key, default_timeout=timeout)

    def submit(self, prompt):
        return self.client.submit(self.operation, arguments={"prompt": prompt}).request_id

    def result(self, id, seconds):
        deadline = time.monotonic() + seconds
        handle = self.client.get_handle(self.operation, id)
        for _ in handle.iter_events(interval=0.3):
            if time.monotonic() > deadline:
                raise TimeoutError(f"still running after {seconds} s")
        return handle.get()["images"][0]["url"]


class GoogleInteractions:
    """With an API key it refuses `generate_videos` today (3.6), so videos are interactions too."""

    package, provider, path, operation = "google-genai", "google", "", "interactions"

    def __init__(self, address, key, timeout):
        from google import genai

        self.client = genai.Client(
            api_key=key, http_options={"base_url": address + self.path, "timeout": int(timeout * 1000)})

    def submit(self, prompt):
        return self.client.interactions.create(model="gemini-3.5-flash", input=prompt, background=True).id

    def result(self, id, seconds):
        interaction = until_ended(
            lambda: self.client.interactions.get(id), lambda interaction: interaction.status,
            ["completed", "failed", "cancelled"], seconds)
        if interaction.status != "completed":
            raise Ended(interaction.status)
        return interaction.output_text


ALL = [AceDataCloud, OpenAI, RunwayML, Replicate, Fal, GoogleInteractions]
