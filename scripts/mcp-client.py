"""The official MCP client against `pollux mcp`; called by check-mcp.sh."""

import asyncio
import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError

POLLUX = sys.argv[1]
TOKEN = "sandbox-secret-0123456789abcdef"
shown = []  # every text that a host received


class World:
    """A sandbox and a daemon."""

    def __init__(self, place):
        self.place = pathlib.Path(place)
        self.socket = str(self.place / "pollux.sock")
        self.log = open(self.place / "log", "ab")
        self.daemon = None
        self.sandbox = subprocess.Popen(
            [POLLUX, "sandbox", "--port", "0", "--speed", "20", "--seed", "1"], stdout=subprocess.PIPE, stderr=self.log
        )
        self.url = self.sandbox.stdout.readline().decode().strip()
        self.env = os.environ | {
            "XHUOAPI_BASE_URL": self.url, "XHUOAPI_TOKEN": TOKEN, "POLLUX_STATE_DIR": str(self.place / "state"),
            "POLLUX_SOCKET": self.socket, "POLLUX_CONFIG": "", "POLLUX_POLLING_MIN_GAP_SECONDS": "0.2",
        }

    def start(self):
        self.daemon = subprocess.Popen([POLLUX, "serve"], stderr=self.log, env=self.env)
        for _ in range(400):
            if self.run("status").returncode == 0:
                return
            time.sleep(0.05)
        sys.exit("The daemon did not start:\n" + (self.place / "log").read_text()[-2_000:])

    def kill(self):
        self.daemon.kill()
        self.daemon.wait()

    def run(self, *arguments):
        return subprocess.run([POLLUX, *arguments], env=self.env, capture_output=True, text=True)

    def billed(self, prompt):
        """How often a prompt was billed."""
        with urllib.request.urlopen(self.url.removesuffix("/v1") + "/sandbox/ledger") as reply:
            return sum(entry["request"]["prompt"] == prompt for entry in json.load(reply)["entries"])

    def server(self, *options):
        """The command of a server. Its process id is in a file."""
        command = [POLLUX, "mcp", "--socket", self.socket, *options]
        script = f'echo $$ >"{self.place}/pid"; exec "$@" 2>>"{self.place}/mcp.log"'
        return ["sh", "-c", script, "sh", *command]

    def pid(self):
        return int((self.place / "pid").read_text())

    def client(self, mode, *options):
        command, *arguments = self.server(*options)
        return Client(StdioServerParameters(command=command, args=arguments), mode=mode)

    def close(self):
        for process in (self.daemon, self.sandbox):
            if process:
                process.terminate()
                process.wait()


async def call(client, tool, progress=None, **arguments):
    result = await client.call_tool(tool, arguments, progress_callback=progress)
    shown.append(result.model_dump_json())
    text = result.content[0].text
    assert len(text) < 20_000 and "\x1b" not in text, text
    return result, result.structured_content, text


async def era(world, mode, version):
    """Every tool, as a host uses them."""
    async with world.client(mode, "--label", f"agent={version}", "--allow", "flux/*", "--allow", "veo/videos") as client:
        assert client.protocol_version == version, client.protocol_version
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) >= {"generate", "wait", "get", "list", "cancel", "endpoints"}, tools
        assert tools["generate"].annotations.destructive_hint and tools["wait"].annotations.read_only_hint

        _, found, text = await call(client, "endpoints", query="flux image")
        assert any(each["name"] == "flux/images" for each in found["endpoints"]) and "prompt" in text, text

        request = {"prompt": f"a fox {version} [seconds=20]"}
        _, task, _ = await call(client, "generate", endpoint="flux/images", request=request, wait_seconds=0)
        assert not task["joined"] and task["labels"]["agent"] == version and "request" not in task, task
        _, again, text = await call(client, "generate", endpoint="flux/images", request=request, wait_seconds=0)
        assert again["joined"] and again["id"] == task["id"] and "nothing was submitted" in text, text
        _, waited, text = await call(client, "wait", ids=[task["id"]], seconds=30)
        (ended,) = waited["tasks"]
        assert ended["state"] == "succeeded" and ended["id"] == task["id"], text
        for _ in range(20):  # the file comes just after the end
            result, got, text = await call(client, "get", id=task["id"][:30], inline=True)
            if all("file" in each for each in got["results"]):
                break
        (link,) = [each for each in result.content if each.type == "resource_link"][:1]
        path = pathlib.Path(urllib.request.url2pathname(str(link.uri).removeprefix("file://")))
        assert path.stat().st_size == link.size and str(path) in text, (link, text)
        assert any(each.type == "image" for each in result.content), result.content
        # Its end was shown, so an equal call is a new task.
        _, other, _ = await call(client, "generate", endpoint="flux/images", request=request, wait_seconds=0)
        assert not other["joined"] and other["id"] != task["id"], other
        _, listed, _ = await call(client, "list")
        assert {each["id"] for each in listed["tasks"]} == {task["id"], other["id"]}, listed

        # Several calls at once, progress, and the cancellation of one.
        reports = []

        async def note(progress, total, message):
            reports.append((progress, message))

        _, long, _ = await call(
            client, "generate", endpoint="veo/videos", request={"prompt": f"{version} [seconds=600]"}, wait_seconds=0)
        waiting = asyncio.create_task(call(client, "wait", progress=note, ids=[long["id"]], seconds=7))
        hanging = asyncio.create_task(call(client, "wait", ids=[long["id"]], seconds=45))
        await asyncio.sleep(0.3)
        hanging.cancel()
        began = time.monotonic()
        await call(client, "get", id=long["id"])
        assert time.monotonic() - began < 3, "a call waits for another one"
        _, waited, text = await waiting
        assert waited["tasks"][0]["state"] == "running" and "wait" in text, text
        assert reports and reports[0][0] > 0, reports
        _, cancelled, _ = await call(client, "cancel", id=long["id"])
        assert cancelled["state"] == "cancelled", cancelled

        # What a model does wrong, it can read.
        for tool, arguments, word in [
            ("generate", {"endpoint": "suno/audios", "request": {"prompt": "x"}}, "not allowed"),
            ("generate", {"endpoint": "flux/nothing", "request": {}}, "flux/"),
            ("generate", {"endpoint": "flux/images", "request": "x"}, "object"),
            ("get", {"id": "0"}, ""), ("wait", {"ids": 3}, "list"), ("cancel", {}, "missing"),
        ]:
            result, _, text = await call(client, tool, **arguments)
            assert result.is_error and word in text, (tool, text)
        for tool, arguments in [("pay", {}), ("", {})]:
            try:
                await client.call_tool(tool, arguments)
                raise AssertionError(f"there is no tool {tool}")
            except MCPError as error:
                assert error.error.code == -32602, error
    # The equal call after the end that was shown, and no other one.
    assert world.billed(request["prompt"]) == 2


async def kills(world):
    """A server that is killed in the middle of a wait, and a daemon that is killed in the middle of another."""
    request = {"prompt": "a heron [seconds=60]"}
    try:
        async with world.client("2026-07-28") as client:
            _, first, _ = await call(client, "generate", endpoint="flux/images", request=request, wait_seconds=0)
            waiting = asyncio.create_task(call(client, "wait", ids=[first["id"]], seconds=45))
            await asyncio.sleep(0.5)
            os.kill(world.pid(), signal.SIGKILL)
            with contextlib.suppress(Exception):
                await waiting
                raise AssertionError("a killed server has answered")
    except* Exception as group:
        assert not group.subgroup(AssertionError), group
    async with world.client("auto") as client:
        _, again, _ = await call(client, "generate", endpoint="flux/images", request=request, wait_seconds=0)
        assert again["joined"] and again["id"] == first["id"], again
        waiting = asyncio.create_task(call(client, "wait", ids=[first["id"]], seconds=40))
        await asyncio.sleep(0.5)
        world.kill()
        await asyncio.sleep(0.5)
        await asyncio.to_thread(world.start)
        _, waited, text = await waiting
        assert waited["tasks"][0]["state"] == "succeeded", text
        world.kill()
        result, _, text = await call(client, "get", id=first["id"])
        assert result.is_error and "pollux serve" in text, text
        await asyncio.to_thread(world.start)
        assert (await call(client, "get", id=first["id"]))[1]["state"] == "succeeded"
    assert world.billed(request["prompt"]) == 1


def message(number, method, **params):
    return (json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + "\n").encode()


def lost_replies(world):
    """Twenty equal calls in a row, whose replies nobody reads. Some daemons die between the commit and their reply."""
    prompt = "twenty [seconds=300]"
    line = message(
        1, "tools/call", name="generate",
        arguments={"endpoint": "flux/images", "request": {"prompt": prompt}, "wait_seconds": 45})
    for number in range(20):
        server = subprocess.Popen(world.server("--label", "agent=lossy"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        server.stdin.write(line)
        server.stdin.flush()
        if number == 0:
            while not json.loads(world.run("list", "--label", "agent=lossy", "--json").stdout)["tasks"]:
                time.sleep(0.02)
        else:
            time.sleep(random.uniform(0.1, 0.4))
        if number % 7 == 3:
            world.kill()
        server.kill()
        server.wait()
        if number % 7 == 3:
            world.start()
    tasks = json.loads(world.run("list", "--label", "agent=lossy", "--json").stdout)["tasks"]
    assert len(tasks) == 1, [task["id"] for task in tasks]
    assert world.run("wait", tasks[0]["id"], "--timeout", "30s").returncode == 0
    assert world.billed(prompt) == 1
    kinds = [event["kind"] for event in json.loads(world.run("events", tasks[0]["id"], "--json").stdout)["events"]]
    assert "joined" in kinds, kinds
    return kinds.count("joined")


def rough_input(world):
    """Lines that no host sends, and an input that ends in the middle of a wait."""
    server = subprocess.Popen(world.server(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    task = json.loads(world.run("list", "--json").stdout)["tasks"][0]["id"]
    deep = b"[" * 100_000
    lines = [b"{\n", b"\xff\xfe\n", deep + b"\n", b"[]\n", b"x" * (9 << 20) + b"\n", b"\n", message(1, "no/such"), message(2, "ping")]
    server.stdin.write(b"".join(lines))
    server.stdin.flush()
    replies = [json.loads(server.stdout.readline()) for _ in range(7)]
    codes = [reply.get("error", {}).get("code") for reply in replies]
    assert codes == [-32700, -32700, -32700, -32600, -32700, -32601, None], codes
    server.stdin.write(message(3, "tools/call", name="wait", arguments={"ids": [task], "seconds": 45}))
    server.stdin.close()
    began = time.monotonic()
    assert server.wait(timeout=10) == 0 and time.monotonic() - began < 5
    shown.append(server.stdout.read().decode())


def settings(world):
    for host in ["claude", "cursor", "vscode", "codex"]:
        text = world.run("mcp", "--print-config", host, "--allow", "flux/*").stdout
        # The settings name the binary itself, not a link to it.
        for word in [os.path.realpath(POLLUX), world.socket, "--allow", "flux/*", f"agent={host}"]:
            assert word in text, (host, text)
        if host == "codex":
            import tomllib

            tomllib.loads(text)
        else:
            json.loads(text)
        shown.append(text)


async def main():
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pollux-mcp.") as place:
        world = World(place)
        try:
            world.start()
            settings(world)
            await asyncio.gather(
                *(era(world, mode, version) for mode, version in [("legacy", "2025-11-25"), ("2026-07-28", "2026-07-28")]))
            await kills(world)
            joined = await asyncio.to_thread(lost_replies, world)
            await asyncio.to_thread(rough_input, world)
            logs = (world.place / "log").read_text(errors="replace") + (world.place / "mcp.log").read_text(errors="replace")
            assert TOKEN not in logs and not any(TOKEN in text for text in shown)
        except BaseException:
            log = world.place / "mcp.log"
            sys.stderr.write(log.read_text(errors="replace")[-2_000:] if log.exists() else "")
            raise
        finally:
            world.close()
    print(
        f"pollux mcp: both eras, {len(shown)} results without a token; a server and a daemon killed in a wait: same task; "
        f"20 equal calls with lost replies: billed once, {joined} joined; "
        f"{time.monotonic() - began:.0f} s"
    )


asyncio.run(main())
