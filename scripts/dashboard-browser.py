"""The dashboard in Chromium; called by check-dashboard.sh."""

import base64
import contextlib
import http.server
import importlib.util
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

POLLUX = os.path.abspath(sys.argv[1])
ROOT = pathlib.Path(__file__).resolve().parent.parent
AXE = pathlib.Path(importlib.util.find_spec("axe_playwright_python").submodule_search_locations[0]) / "axe.min.js"
DIGITS = "12345678901234567890123"
HOSTILE = "<img src=x onerror='window.owned = 1'><script>window.owned = 1</script> a fox"
SVG = b"""<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"><script>opener ? opener.owned = 1 : 0; window.owned = 1;
document.title = "owned"</script><rect width="40" height="40" fill="red"/></svg>"""
HTML = b"<!doctype html><title>owned</title><script>window.owned = 1; fetch('/v1/status')</script>"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def reply(self, body, kind="application/json", status=200):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Studio(Quiet):
    """A provider without a list, so that a lost reply needs a person. Its results are documents with scripts."""

    requests = {}

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = f"studio-{len(Studio.requests) + 1}"
        Studio.requests[key] = request
        if request.get("mode") == "lost":
            self.close_connection = True
            return
        self.reply(json.dumps({"id": key}).encode())

    def do_GET(self):
        name = self.path.rsplit("/", 1)[1]
        base = f"http://{self.headers['Host']}/files"
        if name == "x.svg":
            self.reply(SVG, "image/svg+xml")
        elif name == "x.html":
            self.reply(HTML, "text/html")
        else:
            record = {"id": name, "status": "done", "prompt": Studio.requests[name]["prompt"], "seed": 0, "results": [f"{base}/x.svg", f"{base}/x.html"]}
            self.reply(json.dumps(record).replace('"seed": 0', f'"seed": {DIGITS}').encode())


class Evil(Quiet):
    """A page of somebody else, which tries everything that a page can."""

    target = ""
    PAGE = b"""<!doctype html><title>evil</title><body><script>
const target = TARGET;
const results = {};
const note = (name, work) => work.then((value) => results[name] = value, (error) => results[name] = "refused");
(async () => {
  await Promise.all([
    note("read", fetch(target + "/v1/status").then((reply) => reply.text())),
    note("page", fetch(target + "/").then((reply) => reply.text())),
    note("opaque", fetch(target + "/v1/tasks", {method: "POST", mode: "no-cors", body: '{"endpoint":"flux/images","request":{"prompt":"evil"}}'}).then((reply) => reply.type)),
    note("token", fetch(target + "/v1/status", {headers: {Authorization: "Bearer x"}}).then((reply) => reply.text())),
    note("code", fetch(target + "/dashboard/session", {method: "POST", mode: "no-cors", body: '{"code":"x"}'}).then((reply) => reply.type)),
    note("module", import(target + "/assets/session.js").then(() => "loaded")),
    new Promise((done) => { const image = new Image(); image.onload = () => done(results.image = "loaded"); image.onerror = () => done(results.image = "refused"); image.src = target + "/assets/icon.svg"; }),
    new Promise((done) => { const channel = new BroadcastChannel("pollux"); channel.onmessage = ({data}) => results.channel = data; channel.postMessage({kind: "wanted"}); setTimeout(done, 700); }),
    new Promise((done) => { const frame = document.createElement("iframe"); frame.src = target + "/"; frame.onload = () => { try { results.frame = String(frame.contentDocument && frame.contentDocument.body.innerText); } catch { results.frame = "refused"; } done(); }; document.body.append(frame); }),
  ]);
  const form = document.createElement("form");
  form.method = "POST"; form.enctype = "text/plain"; form.action = target + "/v1/tasks"; form.target = "hidden";
  form.innerHTML = '<input name=\\'{"endpoint":"flux/images","request":{"prompt":"evil"},"note":"\\' value=\\'"}\\'>';
  const hidden = document.createElement("iframe"); hidden.name = "hidden"; document.body.append(hidden, form);
  form.submit();
  setTimeout(() => { window.results = results; }, 800);
})();
</script>"""

    def do_GET(self):
        self.reply(Evil.PAGE.replace(b"TARGET", json.dumps(Evil.target).encode()), "text/html")


def serve(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


class World:
    """A sandbox, a provider of its own, and a daemon with a dashboard."""

    def __init__(self, place):
        self.place = place
        self.socket = str(place / "pollux.sock")
        self.log = open(place / "log", "ab")
        self.sandbox = subprocess.Popen(
            [POLLUX, "sandbox", "--port", "0", "--speed", "12", "--seed", "7"], stdout=subprocess.PIPE, stderr=self.log
        )
        url = self.sandbox.stdout.readline().decode().strip()
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        (place / "providers").mkdir()
        (place / "providers" / "studio.yaml").write_text(
            f"provider: studio\nbase_url: http://127.0.0.1:{serve(Studio)}\ntoken: STUDIO_TOKEN\nmax_requests_per_second: 20\n"
            "endpoints:\n  pictures:\n    submit: {path: /submit}\n    accepted: {id: /id}\n"
            '    poll: {path: "/task/{id}", id: /id}\n'
            "    state:\n      - {at: /status, pending: [running], succeeded: [done], failed: [failed]}\n"
            "    results: [/results]\n"
        )
        (place / "prices.yaml").write_text(
            "flux/images: {unit: USD, per: /n, each: 0.04, default: 1}\nveo/videos: {unit: USD, fixed: 0.3}\nsuno/audios: {unit: credits, fixed: 10}\n"
        )
        (place / "pollux.yaml").write_text(
            f"dashboard: {{listen: \"127.0.0.1:{self.port}\"}}\n"
            f"notifications:\n  destinations:\n    shop: {{url: \"http://127.0.0.1:{free_port()}/\", events: [task.failed]}}\n"
            "budgets:\n  - {name: films, limit: 0.5, unit: USD, per: day, scope: {endpoint: veo/videos}}\n"
            "  - {name: project, limit: 5, unit: USD, per: month, scope: {label: project}}\n"
        )
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("POLLUX_")} | {
            "XHUOAPI_BASE_URL": url, "XHUOAPI_TOKEN": "sandbox-secret-0123456789abcdef", "STUDIO_TOKEN": "studio-secret-0123456789abcdef",
            "POLLUX_STATE_DIR": str(place / "state"), "POLLUX_SOCKET": self.socket, "POLLUX_CONFIG": str(place / "pollux.yaml"),
            "POLLUX_POLLING_MIN_GAP_SECONDS": "0.2", "POLLUX_POLLING_MAX_GAP_SECONDS": "2",
        }
        self.daemon = subprocess.Popen([POLLUX, "serve"], stderr=self.log, env=self.env)
        wait("the daemon", lambda: self.run("status", check=False).returncode == 0)

    def run(self, *arguments, check=True):
        result = subprocess.run([POLLUX, *arguments], env=self.env, capture_output=True, text=True)
        assert not check or result.returncode == 0, f"pollux {' '.join(arguments)}: {result.stderr}"
        return result

    def submit(self, endpoint, prompt, *more):
        return self.run("submit", endpoint, "-d", f"prompt={prompt}", *more).stdout.strip()

    def ask(self, path):
        return json.loads(subprocess.check_output(["curl", "-sS", "--unix-socket", self.socket, f"http://localhost{path}"]))

    def task(self, id):
        return self.ask(f"/v1/tasks/{id}")

    def open(self, *options):
        """An address that lets a browser in."""
        return self.run("open", *options).stdout.strip()

    def stop(self):
        for process in (self.daemon, self.sandbox):
            process.terminate()
        for process in (self.daemon, self.sandbox):
            process.wait(30)


def wait(what, condition, seconds=30):
    """The first true value of a condition."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(StaleElementReferenceException, WebDriverException):
            if value := condition():
                return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.05)


class Page:
    """A tab of the browser."""

    def __init__(self, world):
        self.world = world
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in (
            "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1440,900", "--hide-scrollbars", "--lang=en-GB",
            f"--user-data-dir={world.place}/profile", "--host-resolver-rules=MAP evil.example 127.0.0.1", "--autoplay-policy=no-user-gesture-required",
        ):
            options.add_argument(flag)
        options.page_load_strategy = "none"
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self.axe = AXE.read_text()

    def js(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def go(self, route, selector=None):
        self.js("location.hash = arguments[0]", route)
        name = re.match(r"#/(\w+)", route)[1]
        self.find(selector or f"px-{name} h1")

    def find(self, selector, text=None, seconds=20):
        """The first element that is shown, with a text if one is given."""
        return wait(f"{selector} {text or ''}", lambda: self.has(selector, text), seconds)

    def click(self, selector, text=None):
        def once():
            element = self.find(selector, text)
            element.click()
            return True
        wait(f"a click on {selector} {text or ''}", once)

    def has(self, selector, text=None):
        return self.js(
            "return [...document.querySelectorAll(arguments[0])].find((one) => one.checkVisibility() && (one.innerText ?? '').includes(arguments[1])) ?? null", selector, text or ""
        )

    def count(self, selector):
        return self.js("return document.querySelectorAll(arguments[0]).length", selector)

    def keys(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    def focused(self):
        return self.js("const one = document.activeElement; return one.getAttribute('aria-label') ?? one.textContent.trim().slice(0, 80)")

    def check(self, name):
        """What axe-core finds, which must be nothing."""
        found = self.driver.execute_async_script(
            ("" if self.js("return Boolean(window.axe)") else self.axe) + ";const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then((result) => done(result.violations.map("
            "(one) => `${one.id}: ${one.nodes.slice(0, 4).map((node) => node.html.slice(0, 160) + ' ' + (node.any[0]?.message ?? '')).join(' | ')}`)), (error) => done([String(error)]))"
        )
        assert found == [], f"{name}: axe-core found " + "\n".join(found)
        small = self.js(
            "return [...document.querySelectorAll('button, main a, nav a, input, select, summary')].filter((one) => one.checkVisibility()).filter((one) => {"
            "const box = (one.closest('label') ?? one).getBoundingClientRect(); return (box.height < 23.5 || box.width < 23.5) && !one.closest('p, li, dd, h2, td, .note, .empty, .task-line, .value')}).map((one) => one.outerHTML.slice(0, 120))"
        )
        assert small == [], f"{name}: smaller than 24 px: {small[:4]}"

    def narrow(self, is_narrow):
        if is_narrow:
            self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": False})
        else:
            self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def media(self, **features):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]})

    def complaints(self):
        """What the browser has logged, but for replies that the check provokes."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


class Checks:
    def __init__(self, world, page):
        self.world = world
        self.page = page

    def log_in(self):
        address = self.world.open()
        began = time.monotonic()
        self.page.driver.get(address)
        self.page.find("px-now .counts b")
        shown = time.monotonic() - began
        assert "login" not in self.page.js("return location.href"), "the code is still in the address"
        code = address.split("login=")[1]
        request = urllib.request.Request(
            f"{self.world.address}/dashboard/session", json.dumps({"code": code}).encode(), {"Origin": self.world.address, "Content-Type": "application/json"}
        )
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(request)
            raise AssertionError("a code worked twice")
        return f"first screen after {shown * 1000:.0f} ms, with the browser's own start of a tab"

    def follow_a_task(self):
        """A row appears, runs and ends without a reload."""
        page = self.page
        page.go("#/tasks?q=endpoint:suno/audios")
        page.find("px-tasks .empty")
        id = self.world.submit("suno/audios", "Rain on a tin roof [seconds=40]", "--label", "project=app")
        row = "px-tasks tbody tr"
        page.find(f"{row} .badge.running")
        page.go("#/now", "px-now .flight [role=progressbar]")
        page.go(f"#/task/{id}", "px-task .badge.running")
        page.find("px-task .timeline li", "Accepted")
        page.find("px-task h2", "result")
        wait("the player", lambda: page.js("return [...document.querySelectorAll('px-task audio')].some((one) => one.readyState >= 1)"))
        assert page.has("px-task .timeline li", "Outcome observed")

    def settle_an_uncertain_one(self):
        page = self.page
        id = self.world.submit("studio:pictures", "A market hall in the rain", "-d", "mode=lost")
        wait("uncertain", lambda: self.world.task(id)["state"] == "uncertain" and self.world.task(id)["waiting_for"]["code"] == "person")
        page.go("#/now")
        card = page.find("px-now .card.uncertain", "A market hall in the rain")
        assert all(words in card.text for words in ("Track it", "Send again", "Give up")), card.text
        page.check("Now with an uncertain task")
        card.find_element(By.CSS_SELECTOR, ".way input").send_keys("studio-77")
        page.click("px-now .card.uncertain button", "Give up")
        page.find("dialog", "submission_lost")
        page.check("a question")
        page.click("dialog .button.danger", "Give up")
        wait("given up", lambda: self.world.task(id)["state"] == "failed")
        wait("the card to go", lambda: not page.has("px-now .card.uncertain", "A market hall in the rain"))
        event = self.world.ask(f"/v1/tasks/{id}/events")["events"][-1]
        assert event["detail"]["by"] == "dashboard", event
        page.go(f"#/task/{id}", "px-task .timeline")
        page.find("px-task .timeline li", "Given up")

    def approve_over_budget(self):
        page = self.page
        ids = [self.world.submit("veo/videos", f"A coffee mug, take {take}", "--label", "project=film") for take in (1, 2)]
        wait("held", lambda: (self.world.task(ids[1])["waiting_for"] or {}).get("code") == "budget")
        page.go("#/now")
        page.find("px-now .card", "budget “films”")
        page.click("px-now .card li button", "Approve")
        page.click("dialog .button.primary", "Approve")
        wait("sent", lambda: self.world.task(ids[1])["attempts"] == 1)

    def filter(self):
        page = self.page
        page.go("#/tasks")
        page.find("px-tasks tbody tr")
        field = page.find("px-tasks input[type=search]")
        field.send_keys("st")
        page.find("[role=option]", "state:")
        page.keys(Keys.ARROW_DOWN, Keys.ENTER)
        field.send_keys("fai")
        page.find("[role=option]", "state:failed")
        page.keys(Keys.ARROW_DOWN, Keys.ENTER)
        wait("the address", lambda: page.js("return location.hash") == "#/tasks?q=state:failed")
        wait("only failed ones", lambda: page.has("px-tasks tbody tr") and page.count("px-tasks tbody .badge.failed") == page.count("px-tasks tbody tr"))
        page.go("#/tasks?q=label:project=app+endpoint:suno/audios")
        wait("one", lambda: page.count("px-tasks tbody tr") == 1)
        page.go("#/tasks?q=state:nothing")
        page.find(".warn-text", "There is no state")
        page.driver.back()
        wait("the filter before", lambda: page.js("return document.querySelector('px-tasks input[type=search]').value").startswith("label:"))

    def act_on_many(self):
        """60 tasks of a paused endpoint: some are pinned, all that match are cancelled."""
        page = self.page
        page.go("#/endpoints/luma/videos")
        page.click("px-endpoints .button", "Pause")
        page.click("dialog .button.primary", "Pause")
        page.find("px-endpoints .badge.paused")
        lines = "\n".join(json.dumps({"endpoint": "luma/videos", "request": {"prompt": f"take {n}"}, "labels": {"batch": "60"}}) for n in range(60))
        (self.world.place / "batch.jsonl").write_text(lines)
        self.world.run("submit", "--batch", str(self.world.place / "batch.jsonl"))
        page.go("#/tasks?q=label:batch=60")
        wait("a page of rows", lambda: page.count("px-tasks tbody tr") == 50)
        for place in (0, 1, 2):
            page.driver.find_elements(By.CSS_SELECTOR, "px-tasks tbody input")[place].click()
        page.find(".selection", "3 tasks selected")
        page.click(".selection .button", "Pin")
        page.find("dialog", "Pin 3 tasks?")
        page.click("dialog .button.primary", "Pin 3 tasks")
        wait("pinned", lambda: sum(task["pinned"] for task in self.world.ask("/v1/tasks?label=batch:60&limit=100")["tasks"]) == 3)
        wait("no dialog", lambda: not page.has("dialog"))
        page.click("px-tasks thead input")
        page.click(".selection .button", "Select all that match")
        page.find(".selection", "All 60 matching tasks selected")
        page.check("Tasks with a selection")
        page.click(".selection .button", "Cancel")
        page.find("dialog", "Cancel 60 tasks?")
        page.click("dialog .button.danger", "Cancel 60 tasks")
        wait("cancelled", lambda: len(self.world.ask("/v1/tasks?label=batch:60&state=cancelled&limit=100")["tasks"]) == 60)
        wait("no dialog", lambda: not page.has("dialog"))
        page.go("#/now")
        page.click("px-now .card .button", "Resume")
        wait("resumed", lambda: self.world.ask("/v1/endpoints/luma/videos")["state"] == "open")

    def look_at_results(self):
        page = self.page
        for prompt in ("a white siamese cat, studio portrait", "A lighthouse in fog", "Isometric tiny office, pastel"):
            self.world.submit("flux/images", prompt, "--label", "project=web", "-d", "model=flux-dev")
        ids = [self.world.submit("kling/videos", "A paper boat crosses a puddle [seconds=20]", "--label", "project=film")]
        wait("results", lambda: not self.world.ask("/v1/tasks?state=queued,submitting,running")["tasks"] and all(
            result["artefact"] and result["artefact"]["state"] == "saved"
            for result in self.world.task(ids[0])["results"]), 60)
        page.go("#/gallery")
        for kind, condition in (("img", "one.complete && one.naturalWidth > 0"), ("video", "one.readyState >= 1"), ("audio", "one.readyState >= 1")):
            wait(kind, lambda: page.js(f"return [...document.querySelectorAll('px-gallery {kind}')].some((one) => {condition})"))
        page.go("#/gallery?q=model:flux-dev&kind=image")
        wait("three pictures", lambda: page.count("px-gallery .tile") >= 3 and not page.has("px-gallery video"))
        page.click("px-gallery button.thumb")
        page.find("dialog .stage img")
        first = page.find("dialog .stage-caption").text
        page.check("a large picture")
        page.keys(Keys.ARROW_RIGHT)
        wait("the next", lambda: page.find("dialog .stage-caption").text != first)
        page.keys(Keys.ESCAPE)
        assert page.focused().startswith("Open image"), page.focused()

    def take_screenshots(self):
        """The pictures of docs/dashboard.md."""
        page = self.page
        folder = ROOT / "docs" / "images"
        folder.mkdir(exist_ok=True)

        def shoot(name, height=860):
            page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 1280, "height": height, "deviceScaleFactor": 1, "mobile": False})
            time.sleep(1.5)
            picture = page.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "webp", "quality": 82})["data"]
            (folder / f"dashboard-{name}.webp").write_bytes(base64.b64decode(picture))
            page.narrow(False)

        for prompt in ("Astronauts shuttle from space to volcano", "A glass whale above the city at dusk"):
            self.world.submit("kling/videos", prompt, "--label", "project=film")
        self.world.submit("suno/audios", "Two guitars and a train, no words", "--label", "project=app")
        self.world.submit("veo/videos", "A coffee mug, the last take", "--label", "project=film")
        self.world.submit("studio:pictures", "A night market, seen from above", "--label", "project=web", "-d", "mode=lost")
        page.go("#/now")
        page.find("px-now .card.uncertain .settle")
        wait("running", lambda: page.count("px-now .flight [role=progressbar]") == 3)
        shoot("now", 1060)
        page.go("#/tasks", "px-tasks tbody tr")
        shoot("tasks", 620)
        page.go("#/gallery?q=label:project=web", "px-gallery .tile")
        shoot("gallery", 620)
        task = self.world.ask("/v1/tasks?state=failed&endpoint=studio:pictures")["tasks"][0]["id"]
        page.go(f"#/task/{task}", "px-task .timeline li")
        shoot("task", 760)
        page.media(prefers_color_scheme="dark")
        page.go("#/endpoints/flux/images", "px-endpoints .plot")
        shoot("endpoint", 800)
        page.media(prefers_color_scheme="light")
        for one in self.world.ask("/v1/tasks?state=running,queued&limit=100")["tasks"]:
            self.world.run("cancel", one["id"], check=False)
        for one in self.world.ask("/v1/tasks?state=uncertain")["tasks"]:
            self.world.run("resolve", one["id"], "--give-up")

    def keep_digits(self):
        """Numbers of requests and records keep their digits: shown, copied and used again."""
        page = self.page
        id = self.world.submit("studio:pictures", HOSTILE, "-d", f"seed:={DIGITS}", "-d", "strength:=0.10")
        wait("its end", lambda: self.world.task(id)["state"] == "succeeded")
        page.go(f"#/task/{id}", "px-task .json")
        page.find("px-task .json", DIGITS)
        page.find("px-task .json", "0.10")
        page.js("window.copied = []; navigator.clipboard.writeText = async (text) => window.copied.push(text)")
        for label in ("Copy as curl", "Copy as command", "Copy"):
            page.click("px-task .button", label)
        wait("copies", lambda: page.js("return copied.length") == 3)
        curl, command, _ = page.js("return copied")
        assert DIGITS in curl and DIGITS in command and "0.10" in command, (curl, command)
        words = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True).stdout.decode().split("\0")
        assert words[:4] == ["pollux", "submit", "studio:pictures", "--json-body"] and f'"seed":{DIGITS}' in words[4].replace(" ", ""), words
        assert HOSTILE in json.loads(words[4])["prompt"]
        page.click("px-task .button", "Use again")
        area = page.find("px-new textarea")
        wait("the old request", lambda: DIGITS in area.get_attribute("value"))
        page.check("Use again")
        page.js("const area = arguments[0]; area.value = area.value.replace('0.10', '0.250'); area.dispatchEvent(new Event('input'))", area)
        page.click("px-new .button.primary", "Submit")
        again = wait("the new task", lambda: (found := re.match(r"#/task/([0-9a-f-]{36})", page.js("return location.hash"))) and found[1] != id and found[1])
        text = subprocess.check_output(["curl", "-sS", "--unix-socket", self.world.socket, f"http://localhost/v1/tasks/{again}"]).decode()
        assert f'"seed":{DIGITS}' in text.replace(" ", "") and "0.250" in text, text[:600]
        self.hostile = id

    def show_hostile_words(self):
        """Markup of a prompt is text, and results with scripts run nothing."""
        page = self.page
        for route in ("#/now", "#/tasks", f"#/task/{self.hostile}", "#/gallery"):
            page.go(route)
            time.sleep(0.4)
            assert page.js("return window.owned ?? null") is None, route
            assert not page.has("img[src=x]"), route
        page.go("#/tasks")
        page.find("px-tasks td", "<img src=x onerror=")
        urls = page.driver.execute_async_script(
            "const done = arguments[1]; const {token} = JSON.parse(sessionStorage['pollux-session']); fetch('/dashboard/media', {method: 'POST', headers: {Authorization: `Bearer ${token}`,"
            " 'Content-Type': 'application/json'}, body: JSON.stringify({results: [0, 1].map((index) => ({task: arguments[0], index}))})}).then((reply) => reply.json()).then(({urls}) => done(urls))",
            self.hostile,
        )
        own = page.driver.current_window_handle
        page.driver.switch_to.new_window("tab")
        for url in urls:
            page.driver.get(self.world.address + url)
            time.sleep(0.5)
            state = page.js("return [window.owned ?? null, document.title]")
            assert state[0] is None and state[1] != "owned", (url, state)
        page.driver.close()
        page.driver.switch_to.window(own)

    def resist_other_origins(self):
        page = self.page
        port = serve(Evil)
        Evil.target = self.world.address
        own = page.driver.current_window_handle
        count = len(self.world.ask("/v1/tasks?limit=500")["tasks"])
        page.driver.switch_to.new_window("tab")
        for host in ("evil.example", "127.0.0.1"):
            page.driver.get(f"http://{host}:{port}/")
            results = wait(f"the page at {host}", lambda: page.js("return window.results"))
            assert results.get("channel") is None, results
            for name in ("read", "page", "token", "module", "image"):
                assert results[name] == "refused", (host, name, results)
            assert results["frame"] in ("refused", "null", ""), results
        # Rebinding: the name of the hostile page now leads to the dashboard's own port.
        for path in ("/", "/assets/app.js", "/v1/status"):
            page.driver.get(f"http://evil.example:{self.world.port}{path}")
            text = wait("the refusal", lambda: page.js("return document.body && document.body.innerText"))
            assert "request_refused" in text, text[:300]
        # The page that was let in may be opened by another page, and cannot be reached from it.
        page.driver.get(f"http://evil.example:{port}/")
        wait("the page", lambda: page.js("return window.results"))
        page.js("window.opened = window.open(arguments[0])", self.world.address)
        time.sleep(1)
        reached = page.js("try { return opened.closed ? 'cut' : String(opened.document.body.innerText) } catch { return 'refused' }")
        assert reached in ("cut", "refused"), reached
        for handle in page.driver.window_handles:
            if handle != own:
                page.driver.switch_to.window(handle)
                page.driver.close()
        page.driver.switch_to.window(own)
        assert len(self.world.ask("/v1/tasks?limit=500")["tasks"]) == count, "a page of another origin has submitted a task"

    def use_the_keyboard(self):
        page = self.page
        page.go("#/now")
        page.js("document.activeElement.blur(); window.getSelection().removeAllRanges()")
        page.driver.refresh()
        page.find("px-now .counts")
        page.keys(Keys.TAB)
        assert page.focused() == "Skip to the contents", page.focused()
        page.keys(Keys.ENTER)
        assert page.js("return document.activeElement.id") == "main"
        page.keys("gt")
        page.find("px-tasks tbody tr")
        wait("the heading has the focus", lambda: page.focused() == "Tasks")
        places = []
        for key in "jjk":
            page.keys(key)
            places.append(page.js("return document.activeElement.href"))
        assert places[0] == places[2] != places[1] and "#/task/" in places[0], places
        page.keys("x")
        page.find(".selection", "1 task selected")
        page.keys(Keys.ESCAPE)
        wait("no selection", lambda: not page.driver.find_element(By.CSS_SELECTOR, ".selection").is_displayed())
        page.keys(Keys.ENTER)
        page.find("px-task h1")
        page.keys("gt")
        page.find("px-tasks tbody tr")
        page.keys("/")
        assert page.focused() == "Filter tasks", page.focused()
        page.keys("state:succeeded", Keys.ENTER)
        wait("the filter", lambda: "succeeded" in page.js("return location.hash"))
        for key, name in (("a", "gallery"), ("e", "endpoints"), ("s", "spend"), ("i", "notifications"), ("d", "doctor"), ("n", "now")):
            page.js("document.activeElement.blur()")
            page.keys("g", key)
            page.find(f"px-{name} h1")
        page.keys("?")
        page.find("dialog", "Keys")
        page.check("Keys")
        page.keys(Keys.ESCAPE)
        wait("no dialog", lambda: not page.has("dialog"))
        # Every control of a screen is reached by Tab alone, and shows it.
        page.go("#/spend", "px-spend .budgets")
        page.js("document.querySelector('h1').focus()")
        reached = set()
        for _ in range(12):
            page.keys(Keys.TAB)
            reached.add(page.focused())
            assert page.js("return getComputedStyle(document.activeElement).outlineStyle") == "solid", page.focused()
        assert "Set the limit of films" in reached, reached

    def visit_all(self, name, see):
        page = self.page
        task = self.world.ask("/v1/tasks?endpoint=suno/audios")["tasks"][0]["id"]
        for route, selector in (
            ("#/now", "px-now .tile"), ("#/tasks", "px-tasks tbody tr"), (f"#/task/{task}", "px-task .facts dd"), ("#/gallery", "px-gallery .tile"),
            ("#/endpoints", "px-endpoints tbody tr"), ("#/endpoints/flux/images", "px-endpoints .plot"), ("#/spend", "px-spend tfoot"), ("#/notifications", "px-notifications .card"),
            ("#/doctor", "px-doctor .facts"), ("#/new", "px-new textarea"),
        ):
            page.go(route, selector)
            see(f"{name} {route.split('/01')[0]}")

    def light(self):
        self.page.go("#/doctor")
        self.page.click("px-doctor .button", "Check now")
        self.page.find("px-doctor tbody tr")
        self.visit_all("light", self.page.check)

    def dark(self):
        self.page.media(prefers_color_scheme="dark", prefers_reduced_motion="reduce")
        colour = self.page.js("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert max(colour) < 40, colour
        assert self.page.js("return matchMedia('(prefers-reduced-motion: reduce)').matches && document.getAnimations().length") == 0
        self.visit_all("dark", self.page.check)
        self.page.media(prefers_color_scheme="light", prefers_reduced_motion="no-preference")

    def narrow(self):
        def see(name):
            wide = self.page.js(
                "if (document.documentElement.scrollWidth <= innerWidth) return []; return [...document.querySelectorAll('body *')]"
                ".filter((one) => one.getBoundingClientRect().right > innerWidth && !one.closest('.table-box, .chips, nav')).map((one) => one.outerHTML.slice(0, 120))"
            )
            assert wide == [], f"{name}: wider than the window: {wide[:4]}"
            self.page.check(name)

        self.page.narrow(True)
        self.visit_all("360 px", see)
        self.page.narrow(False)

    def use_seven_tabs(self):
        """The seventh tab works: all tabs share one stream, as the session."""
        page = self.page
        own = page.driver.current_window_handle
        for _ in range(6):
            page.driver.switch_to.new_window("tab")
            page.driver.get(self.world.address)
            page.find("px-now .counts b")
        page.go("#/tasks?q=label:tab=7")
        page.find("px-tasks .empty")
        self.world.submit("flux/images", "seen in the seventh tab [seconds=5]", "--label", "tab=7")
        page.find("px-tasks tbody .badge.succeeded", seconds=30)
        locks = page.driver.execute_async_script("navigator.locks.query().then(arguments[0])")
        assert len([lock for lock in locks["held"] if lock["name"] == "pollux-stream"]) == 1, locks
        last = page.driver.current_window_handle
        for handle in page.driver.window_handles:
            if handle not in (own, last):
                page.driver.switch_to.window(handle)
                page.driver.close()
        # The tab that read the stream is gone; the others go on.
        page.driver.switch_to.window(last)
        self.world.submit("flux/images", "after the leader has gone [seconds=5]", "--label", "tab=7")
        wait("the next task", lambda: page.count("px-tasks tbody .badge.succeeded") == 2, 30)
        page.driver.close()
        page.driver.switch_to.window(own)
        page.go("#/now", "px-now .counts b")

    def only_look(self):
        """`localhost` is another origin than 127.0.0.1, so its session is another one."""
        page = self.page
        own = page.driver.current_window_handle
        page.driver.switch_to.new_window("tab")
        page.driver.get(self.world.open("--read-only").replace("127.0.0.1", "localhost"))
        page.find("px-now .counts b")
        page.find(".label", "read-only")

        def see(name):
            words = {"Cancel", "Retry", "Pin", "Approve", "Pause", "Resume", "Submit", "Set limit", "Test", "Check now", "Use again", "Delete details"}
            shown = [one.text for one in page.driver.find_elements(By.CSS_SELECTOR, "main button, main a.button") if one.is_displayed() and one.is_enabled() and one.text in words]
            assert shown == [], f"{name}: {shown}"

        self.visit_all("read-only", see)
        wait("pictures", lambda: page.go("#/gallery") or page.js("return [...document.querySelectorAll('px-gallery img')].some((one) => one.naturalWidth > 0)"))
        status = page.driver.execute_async_script(
            "const done = arguments[0]; const {token} = JSON.parse(sessionStorage['pollux-session']); fetch('/v1/resume', {method: 'POST', headers: {Authorization: `Bearer ${token}`}}).then((reply) => done(reply.status))"
        )
        assert status == 403, status
        page.driver.close()
        page.driver.switch_to.window(own)

    def ask_nobody_else(self):
        page = self.page
        names = page.js("return performance.getEntriesByType('resource').map((one) => one.name)")
        strange = [name for name in names if not name.startswith((self.world.address, "blob:"))]
        assert strange == [], strange
        allowed = re.compile(r"evil\.example|127\.0\.0\.1:\d+/(dashboard/media|v1/resume)|localhost:\d+/v1/resume|favicon|ERR_BLOCKED_BY_RESPONSE|/x\.")
        strange = [text for text in page.complaints() if not allowed.search(text)]
        assert strange == [], "\n".join(strange)

    def survive_a_restart(self):
        """The page says that the daemon is away, and that its session has ended after that."""
        page = self.page
        page.go("#/now")
        self.world.daemon.kill()
        self.world.daemon.wait()
        page.find(".live.lost", seconds=20)
        self.world.daemon = subprocess.Popen([POLLUX, "serve"], stderr=self.world.log, env=self.world.env)
        page.find(".gate h1", "This session has ended", seconds=40)
        page.check("the gate")
        page.driver.get(self.world.open())
        page.find("px-now .counts b")

    def end(self):
        page = self.page
        token = page.js("return JSON.parse(sessionStorage['pollux-session']).token")
        page.click(".foot .button", "End session")
        page.find(".gate h1", "This session has ended")
        request = urllib.request.Request(f"{self.world.address}/v1/status", headers={"Authorization": f"Bearer {token}"})

        def is_refused():
            try:
                urllib.request.urlopen(request)
            except urllib.error.HTTPError as error:
                return error.code == 401

        wait("the end of the token", is_refused)

    def all(self, with_screenshots):
        for check in (
            self.log_in, self.follow_a_task, self.settle_an_uncertain_one, self.approve_over_budget, self.act_on_many, self.filter, self.look_at_results,
            *([self.take_screenshots] if with_screenshots else []), self.keep_digits, self.show_hostile_words, self.light, self.dark, self.narrow, self.use_the_keyboard, self.use_seven_tabs, self.only_look,
            self.ask_nobody_else, self.resist_other_origins, self.survive_a_restart, self.end,
        ):
            began = time.monotonic()
            words = check()
            print(f"{time.monotonic() - began:5.1f} s  {check.__name__.replace('_', ' ')}{f': {words}' if words else ''}", flush=True)


def main():
    with tempfile.TemporaryDirectory(prefix="pollux-dashboard.", ignore_cleanup_errors=True) as place:
        world = World(pathlib.Path(place))
        page = None
        try:
            page = Page(world)
            Checks(world, page).all("--screenshots" in sys.argv)
        except BaseException:
            if page:
                kept = pathlib.Path(tempfile.gettempdir()) / "pollux-dashboard-failure.png"
                with contextlib.suppress(WebDriverException):
                    page.driver.save_screenshot(str(kept))
                    print(f"The page as it was: {kept}\n" + "\n".join(page.complaints()[-10:]), file=sys.stderr)
            print((world.place / "log").read_text()[-800:], file=sys.stderr)
            raise
        finally:
            if page:
                page.driver.quit()
            world.stop()


main()
