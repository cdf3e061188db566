#!/usr/bin/env python3
"""Receives notifications for tests: answers as its plan says, and writes down every request.

    webhook_receiver.py LOG [--plan ACTION,...] [--faults PERCENT --seed N] [--socket PATH] [--secret SECRET ...]

The first line on standard output is the port (or the path of the socket). Each request is one JSON line in LOG. Actions
are taken in turn, then every request is answered 204: a status, "429:2" (with Retry-After), "hang" (no answer), "reset"
(closes the connection), "lost" (the same, but the event counts as taken), "redirect" (to a private address). With --faults
so many of the later requests are answered 500, reset or lost, each event at most three times. With --secret, standardwebhooks of PyPI checks each
signature; "verified" counts the secrets that fit. "taken" says whether the receiver has the event.
"""
import argparse
import collections
import json
import os
import random
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler

parser = argparse.ArgumentParser()
parser.add_argument("log")
parser.add_argument("--plan", default="")
parser.add_argument("--faults", type=float, default=0)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--socket")
parser.add_argument("--secret", action="append", default=[])
arguments = parser.parse_args()
plan = [action for action in arguments.plan.split(",") if action]
lock = threading.Lock()
chance = random.Random(arguments.seed)
if arguments.secret:
    from standardwebhooks import Webhook, WebhookVerificationError


faults = collections.Counter()


def next_action(event):
    if plan:
        return plan.pop(0)
    # After four failures Pollux waits ten minutes, and a run with thousands of events would wait for one of them.
    if faults[event] < 3 and chance.random() * 100 < arguments.faults:
        faults[event] += 1
        return chance.choice(["500", "reset", "lost"])
    return "204"


def verified(body, headers):
    count = 0
    for secret in arguments.secret:
        try:
            Webhook(secret).verify(body, headers)
            count += 1
        except WebhookVerificationError:
            pass
    return count


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "receiver"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        with lock:
            action = next_action(headers.get("webhook-id"))
            line = {
                "action": action, "headers": headers, "body": json.loads(body), "verified": verified(body, headers),
                "taken": action in ("204", "lost"),
            }
            with open(arguments.log, "a") as log:
                log.write(json.dumps(line) + "\n")
        if action == "hang":
            time.sleep(60)
            return
        if action in ("reset", "lost"):
            self.close_connection = True
            self.connection.close()
            return
        status, _, wait = action.partition(":")
        self.send_response(307 if action == "redirect" else int(status))
        if action == "redirect":
            self.send_header("Location", "http://10.0.0.1/hook")
        if wait:
            self.send_header("Retry-After", wait)
        self.send_header("Content-Length", "0")
        self.end_headers()


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64


class SocketServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


if arguments.socket:
    if os.path.exists(arguments.socket):
        os.unlink(arguments.socket)
    server = SocketServer(arguments.socket, Handler)
    print(arguments.socket, flush=True)
else:
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
try:
    server.serve_forever()
except (KeyboardInterrupt, BrokenPipeError):
    sys.exit(0)
