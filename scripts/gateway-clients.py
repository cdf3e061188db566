"""What a lost reply costs the official clients, direct and through the gateway; called by check-gateway-clients.sh.

One submit per client and fault, against the sandbox. Its ledger says how many paid requests arrived. Through the gateway each
submit must be paid once, and its result must be reached: by the call itself, or by the same call afterwards.
"""

import argparse
import concurrent.futures
import importlib.metadata
import itertools
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "Tests/SandboxTests/Clients"))

import sdks
from wire import Wire, make_certificate

KEYS = {
    "xhuoapi": "XHUOAPI_TOKEN", "openai": "OPENAI_API_KEY", "runway": "RUNWAYML_API_SECRET",
    "replicate": "REPLICATE_API_TOKEN", "fal": "FAL_KEY", "google": "GEMINI_API_KEY",
}
# What happens to every reply, and the sandbox's fault that does the same behind the gateway.
FAULTS = {"drop": "lost-reply=1", "half": "reset-reply=1", "502": "502-after=1", "hang": "hang=1:60s"}
NAMES = {"drop": "dropped", "half": "half of it", "502": "a proxy's 502", "hang": "client's time-out"}
SHORT, LONG = 4, 30  # seconds; a client that shall run into its time-out has the short one


# The worker: one process per client, since some read their address from the environment once.


def work(name, address, key):
    sdk = next(each for each in sdks.ALL if each.__name__ == name)
    lock = threading.Lock()

    def run(order):
        reply = {"n": order["n"]}
        try:
            client = sdk(address, key, order["timeout"])
            if "id" not in order:
                order["id"] = reply["id"] = client.submit(order["prompt"])
            if order["seconds"]:
                reply["result"] = str(client.result(order["id"], order["seconds"]))
        except Exception as error:
            reply["error"] = f"{type(error).__name__}: {error}"[:300]
        with lock:
            print(json.dumps(reply), flush=True)

    for line in sys.stdin:
        threading.Thread(target=run, args=(json.loads(line),)).start()


JAVASCRIPT = ["node", str(ROOT / "scripts/gateway-clients.cjs")]


def javascript_sdks():
    """The JavaScript clients in NODE_PATH, described as those of `sdks` describe themselves."""
    if not os.environ.get("NODE_PATH"):
        return []
    listed = json.loads(subprocess.run(JAVASCRIPT, check=True, text=True, stdout=subprocess.PIPE).stdout)
    return [types.SimpleNamespace(__name__=f"JavaScript{sdk['name']}", **sdk) for sdk in listed]


def title(sdk):
    language = " (JavaScript)" if hasattr(sdk, "version") else ""
    return f"{sdk.package}{language}, {sdk.operation}"


class Client:
    """A client in a process of its own, at one address."""

    numbers = itertools.count()

    def __init__(self, sdk, address, key, certificate):
        self.sdk = sdk
        self.name = title(sdk)
        self.waiting = {}
        command = [*JAVASCRIPT, sdk.name] if hasattr(sdk, "version") else [
            sys.executable, __file__, "--work", sdk.__name__]
        self.process = subprocess.Popen(
            [*command, address, key], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "SSL_CERT_FILE": certificate})
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            reply = json.loads(line)
            self.waiting.pop(reply["n"]).set_result(reply)
        for future in list(self.waiting.values()):
            future.set_exception(RuntimeError(f"{self.name} ended"))

    def call(self, prompt=None, id=None, timeout=LONG, seconds=90):
        """Submits, or takes the id; waits for the result, unless `seconds` is 0."""
        order = {"n": next(self.numbers), "prompt": prompt, "timeout": timeout, "seconds": seconds}
        if id:
            order["id"] = id
        self.waiting[order["n"]] = future = concurrent.futures.Future()
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return future.result(timeout=600)

    def close(self):
        self.process.kill()


# The sandbox and the daemon.


class Sandbox:
    def __init__(self, pollux):
        self.process = subprocess.Popen(
            [pollux, "sandbox", "--port", "0", "--speed", "30", "--seed", "1"], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        self.base = self.process.stdout.readline().strip().removesuffix("/v1")
        self.port = int(self.base.rpartition(":")[2])

    def faults(self, plan):
        urllib.request.urlopen(f"{self.base}/sandbox/faults", plan.encode()).read()

    def paid(self, text):
        """The ids of the tasks that were paid for requests with this text."""
        ledger = json.load(urllib.request.urlopen(f"{self.base}/sandbox/ledger"))
        return [entry["task_id"] for entry in ledger["entries"] if text in json.dumps(entry["request"])]

    def close(self):
        self.process.terminate()
        self.process.wait()


class Daemon:
    def __init__(self, pollux, sandbox, folder):
        self.pollux = pollux
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.log = open(f"{folder}/daemon.log", "ab")
        settings = pathlib.Path(folder) / "pollux.yaml"
        settings.touch()
        self.environment = {
            **os.environ, "POLLUX_STATE_DIR": f"{folder}/state", "POLLUX_SOCKET": f"{folder}/pollux.sock",
            "POLLUX_CONFIG": str(settings), "POLLUX_GATEWAY_LISTEN": f"127.0.0.1:{self.port}",
            "XHUOAPI_BASE_URL": f"{sandbox.base}/v1",
        }
        for provider, variable in KEYS.items():
            self.environment[variable] = "sandbox-key-of-the-account"
            if provider != "xhuoapi":
                self.environment[f"POLLUX_PROVIDERS_{provider.upper()}_BASE_URL"] = f"{sandbox.base}/{provider}"
        self.start()
        self.key = self.run("gateway", "token", "add", "clients").strip()

    def start(self):
        self.process = subprocess.Popen(
            [self.pollux, "serve"], env=self.environment, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the daemon does not listen; its log is {self.log.name}")
                time.sleep(0.05)

    def restart(self, number, **environment):
        self.process.send_signal(number)
        self.process.wait()
        self.environment.update(environment)
        self.start()

    def run(self, *arguments):
        return subprocess.run(
            [self.pollux, *arguments], env=self.environment, check=True, text=True, capture_output=True).stdout

    def adopt(self, sandbox, text):
        """Does what a person does with a task whose reply was lost between the daemon and a provider without a list."""
        for task in self.tasks("uncertain", text):
            remote = sandbox.paid(text)[0]
            if task["endpoint"] == "google:veo":
                remote = f"models/{task['request']['model']}/operations/{remote}"
            self.run("resolve", task["id"], "--adopt", remote)

    def settle(self, text):
        """Waits until the submission with this text has had a reply, or has none for good."""
        deadline = time.monotonic() + 240
        while self.tasks("queued,submitting", text) and time.monotonic() < deadline:
            time.sleep(2)

    def tasks(self, states, text):
        tasks = json.loads(self.run("list", "--state", states, "--json"))["tasks"]
        return [task for task in tasks if text in json.dumps(task["request"])]

    def close(self):
        self.process.terminate()
        self.process.wait()


# The measurements. Each returns, by client and fault, what happened.


class Cell(dict):
    """`paid` when the client gave up or had an id, `first` reply, `again`, and `total` paid in the end."""


def prompt(client, kind):
    # Clients that write the text differently into their bodies still write this word alike.
    word = f"{kind}-{client.sdk.__name__}"
    return word, f"A cat in the rain, {word} [seconds=30]"


def lost_on_the_way(client, wire, sandbox, fault, kind, on_reply=None):
    """The client's own connection loses every reply, until the client gives up; then the same call is made again."""
    word, text = prompt(client, f"{kind}-{fault}")
    # With `on_reply` one reply is lost, along with the process that gave it.
    wire.arm(word, "drop" if on_reply else fault, on_reply and (lambda: (wire.disarm(word), on_reply())))
    cell = Cell(first=client.call(text, timeout=SHORT if fault == "hang" else LONG))
    cell["paid"] = len(sandbox.paid(word))
    wire.disarm(word)
    cell["again"] = cell["first"] if "result" in cell["first"] else client.call(text)
    cell["total"] = len(sandbox.paid(word))
    return cell


def lost_behind(client, daemon, sandbox, fault, together):
    """Every reply of the provider to the daemon is lost."""
    word, text = prompt(client, f"behind-{fault}")
    cell = Cell(first=client.call(text, timeout=SHORT if fault == "hang" else LONG, seconds=0))
    # A client may have given up before the daemon has.
    daemon.settle(word)
    cell["paid"] = len(sandbox.paid(word))
    together.wait(timeout=400)
    daemon.adopt(sandbox, word)
    id = cell["first"].get("id")
    cell["again"] = client.call(text, id=id)
    cell["total"] = len(sandbox.paid(word))
    return cell


def restarted(client, sandbox, together):
    """The daemon is restarted while the task runs."""
    word, text = prompt(client, "restart")
    cell = Cell(first=client.call(text.replace("=30", "=120"), seconds=0))
    together.wait(timeout=300)
    cell["again"] = client.call(id=cell["first"].get("id"))
    cell["paid"] = cell["total"] = len(sandbox.paid(word))
    return cell


def without_faults(client, sandbox):
    word, text = prompt(client, "plain")
    reply = client.call(text)
    return Cell(first=reply, again=reply, paid=len(sandbox.paid(word)), total=len(sandbox.paid(word)))


def four_at_once(client, sandbox):
    word, text = prompt(client, "four")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        replies = list(pool.map(lambda _: client.call(text), range(4)))
    failed = [reply for reply in replies if "result" not in reply]
    ids = {reply.get("id") for reply in replies}
    cell = Cell(first=replies[0], again=failed[0] if failed else replies[0], paid=len(sandbox.paid(word)))
    cell["total"] = cell["paid"] if len(ids) == 4 else 0
    return cell


def each(clients, measure):
    with concurrent.futures.ThreadPoolExecutor(len(clients)) as pool:
        return dict(zip([client.name for client in clients], pool.map(measure, clients)))


def direct(clients, wire, sandbox):
    with concurrent.futures.ThreadPoolExecutor(len(FAULTS)) as pool:
        return dict(zip(FAULTS, pool.map(
            lambda fault: each(clients, lambda client: lost_on_the_way(client, wire, sandbox, fault, "direct")), FAULTS)))


def through_the_gateway(clients, wire, sandbox, daemon):
    cells = {}
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        faults = ["drop", "half", "502"]
        for fault, row in zip(faults, pool.map(
                lambda fault: each(clients, lambda client: lost_on_the_way(client, wire, sandbox, fault, "wire")), faults)):
            cells["wire", fault] = row
    for fault, plan in FAULTS.items():
        sandbox.faults(plan)
        together = threading.Barrier(len(clients), action=lambda: sandbox.faults("none"))
        cells["behind", fault] = each(
            clients, lambda client: lost_behind(client, daemon, sandbox, fault, together))
    cells["kill", ""] = {
        client.name: lost_on_the_way(
            client, wire, sandbox, "kill", "wire", on_reply=lambda: daemon.restart(signal.SIGKILL))
        for client in clients}
    together = threading.Barrier(len(clients), action=lambda: daemon.restart(signal.SIGTERM))
    cells["restart", ""] = each(clients, lambda client: restarted(client, sandbox, together))
    cells["four", ""] = each(clients, lambda client: four_at_once(client, sandbox))
    return cells


# The report.


def problems(cells):
    for (kind, fault), row in cells.items():
        for name, cell in row.items():
            due = 4 if kind == "four" else 1
            if cell["total"] != due or "result" not in cell["again"]:
                yield f"{kind} {fault}: {name}: paid {cell['total']} instead of {due}; {cell['first']}, {cell['again']}"


def table(head, rows):
    return "\n".join(
        ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + ["| " + " | ".join(row) + " |" for row in rows])


def outcome(reply):
    return "result" if "result" in reply else reply["error"].partition(":")[0] if "error" in reply else "id"


def versions(chosen):
    """A sentence for each language."""
    python, javascript = {}, {}
    for sdk in chosen:
        if hasattr(sdk, "version"):
            javascript[sdk.package] = sdk.version
        else:
            python[sdk.package] = importlib.metadata.version(sdk.package)
    node = subprocess.run(["node", "--version"], text=True, stdout=subprocess.PIPE).stdout.strip() if javascript else ""
    return " ".join(
        f"{start}: {', '.join(' '.join(each) for each in packages.items())}."
        for start, packages in [("Clients from PyPI", python), (f"JavaScript clients, with node {node}", javascript)]
        if packages)


def report(names, direct, gateway, versions):
    def lost(fault, name):
        cell = direct[fault][name]
        paid = [str(cell["paid"])]
        if gateway:
            paid.append(str(max(
                gateway[kind, fault][name]["paid"] for kind in ("wire", "behind") if (kind, fault) in gateway)))
        return " → ".join(paid)

    way = "direct → through Pollux" if gateway else "direct"
    text = f"""# Official clients and lost replies

Written by `scripts/check-gateway-clients.sh`; do not edit it. {versions}

## Paid requests of one submit

Every reply to the submit is lost in the same way until the client gives up. The sandbox counts the paid requests ({way}).

{table(["client", *NAMES.values()], [[name, *(lost(fault, name) for fault in FAULTS)] for name in names])}
"""
    if gateway:
        kinds = {
            ("wire", "drop"): "dropped before the client", ("behind", "drop"): "dropped before Pollux",
            ("behind", "hang"): "client's time-out", ("kill", ""): "`kill -9`", ("restart", ""): "restart",
            ("four", ""): "four at once",
        }

        def end(name, kind):
            cell = gateway[kind][name]
            first, again = outcome(cell["first"]), outcome(cell["again"])
            return f"{cell['total']}: {first}" + (f", then {again}" if again != first else "")

        text += f"""
## Through Pollux, to the result

What was paid in the end; what the call brought, and then the poll or the same call. `kill -9` and restart hit the daemon. A
reply that was dropped before Pollux leaves the task uncertain where the provider has no list; the test adopts it.

{table(["client", *kinds.values()], [[name, *(end(name, kind) for kind in kinds)] for name in names])}
"""
    return text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pollux")
    parser.add_argument("--direct-only", action="store_true")
    parser.add_argument("--only", help="clients by package, with commas")
    parser.add_argument("--report", default=str(ROOT / "docs/reports/gateway-clients.md"))
    options = parser.parse_args()
    chosen = [
        sdk for sdk in [*sdks.ALL, *javascript_sdks()] if not options.only or sdk.package in options.only.split(",")]

    # It stays where it is if the test ends early, with the daemon's log.
    folder = tempfile.mkdtemp(prefix="pollux-gateway-clients-")
    certificate = make_certificate(folder)
    sandbox = Sandbox(options.pollux)
    started = [sandbox]
    try:
        def clients(wire, key, address):
            made = []
            for sdk in chosen:
                scheme = "https" if sdk is sdks.Fal else "http"
                made.append(Client(sdk, f"{scheme}://{wire.address}{address(sdk)}", key, certificate[0]))
            started.extend(made)
            return made

        wire = Wire(sandbox.port, certificate)
        measured = direct(
            clients(wire, "sandbox", lambda sdk: "" if sdk is sdks.AceDataCloud else f"/{sdk.provider}"), wire, sandbox)
        found = {}
        if not options.direct_only:
            daemon = Daemon(options.pollux, sandbox, folder)
            started.append(daemon)
            wire = Wire(daemon.port, certificate)
            found = through_the_gateway(
                clients(wire, daemon.key, lambda sdk: f"/{sdk.provider}"), wire, sandbox, daemon)
            if sdks.Fal in chosen:
                # Above, the wire spoke TLS for the gateway.
                daemon.restart(
                    signal.SIGTERM, POLLUX_GATEWAY_CERTIFICATE_FILE=certificate[0], POLLUX_GATEWAY_KEY_FILE=certificate[1])
                client = Client(sdks.Fal, f"https://127.0.0.1:{daemon.port}/fal", daemon.key, certificate[0])
                started.append(client)
                found["tls", ""] = {client.name: without_faults(client, sandbox)}
    finally:
        for each_started in reversed(started):
            each_started.close()
    text = report([title(sdk) for sdk in chosen], measured, found, versions(chosen))
    pathlib.Path(options.report).write_text(text)
    print(text)
    # A client that never reaches its result direct, without a fault, would prove nothing.
    wrong = [
        f"direct {fault}: {name}: {cell['again']}"
        for fault, row in measured.items() for name, cell in row.items() if "result" not in cell["again"]
    ] + list(problems(found))
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        raise SystemExit(f"{len(wrong)} cells are wrong; the daemon's log is in {folder}.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(*sys.argv[2:])
    else:
        main()
