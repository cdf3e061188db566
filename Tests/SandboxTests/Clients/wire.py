"""A connection between a client and a server that can lose a reply.

A `Wire` listens on a port of its own, plain or with TLS, whichever the client speaks, and passes bytes on. A request whose
body contains a text that is armed meets a fault, once the server has begun to reply. Both connections then end with a reset,
so the server learns that its reply was not delivered.

  drop  no byte of the reply reaches the client
  half  the head and half of the body do
  502   a proxy's page does instead
  hang  nothing does, until the client leaves or 20 s have passed (replicate's client sets no time-out)
"""

import contextlib
import select
import socket
import ssl
import struct
import subprocess
import threading

PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><center>nginx</center></body></html>"
BAD_GATEWAY = (
    b"HTTP/1.1 502 Bad Gateway\r\nServer: nginx\r\nContent-Type: text/html\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(PAGE), PAGE)
)


def make_certificate(folder):
    """A certificate for 127.0.0.1 that signs itself, with its key; the paths of both."""
    certificate, key = f"{folder}/certificate.pem", f"{folder}/key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return certificate, key


def reset(connection):
    """Closes with a reset instead of an orderly end."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError):
        connection.close()


class Wire:
    def __init__(self, port, certificate=None, trusted=None):
        """Leads to `port` of this machine; with TLS if `trusted` names the certificate to expect there."""
        self.port = port
        self.armed = {}
        self.on_reply = {}
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.server_side = None
        if certificate:
            self.server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.server_side.load_cert_chain(*certificate)
        self.client_side = ssl.create_default_context(cafile=trusted) if trusted else None
        threading.Thread(target=self.accept, daemon=True).start()

    def arm(self, text, fault, on_reply=None):
        """Lets every request with this text meet the fault, until `disarm`. `on_reply` is called once before the first."""
        if on_reply:
            self.on_reply[text.encode()] = on_reply
        self.armed[text.encode()] = fault

    def disarm(self, text):
        self.armed.pop(text.encode(), None)

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        server = None
        try:
            # The first byte of a TLS handshake; no method of HTTP begins with it.
            if self.server_side and client.recv(1, socket.MSG_PEEK) == b"\x16":
                client = self.server_side.wrap_socket(client, server_side=True)
            server = socket.create_connection(("127.0.0.1", self.port))
            if self.client_side:
                server = self.client_side.wrap_socket(server, server_hostname="127.0.0.1")
            self.relay(client, server)
            client.close()
            server.close()
        except OSError:
            for connection in (client, server):
                if connection:
                    reset(connection)

    def relay(self, client, server):
        """Passes bytes on until one side ends in order. Any other end is an error."""
        seen = b""
        while True:
            pending = [each for each in (client, server) if getattr(each, "pending", int)()]
            for source in pending or select.select([client, server], [], [])[0]:
                data = receive(source)
                if data is None:
                    continue
                if not data:
                    return
                if source is client:
                    seen = (seen + data)[-(1 << 20):]
                    server.sendall(data)
                    continue
                fault, text = self.fault(seen)
                if fault:
                    self.strike(fault, text, client, server, data)
                    raise ConnectionResetError(fault)
                seen = b""
                client.sendall(data)

    def fault(self, seen):
        return next(((fault, text) for text, fault in list(self.armed.items()) if text in seen), (None, None))

    def strike(self, fault, text, client, server, reply):
        if on_reply := self.on_reply.pop(text, None):
            on_reply()
        if fault == "hang":
            select.select([client], [], [], 20)
        elif fault == "502":
            reset(server)
            client.sendall(BAD_GATEWAY)
            client.close()
        elif fault == "half":
            while b"\r\n\r\n" not in reply and (more := server.recv(65536)):
                reply += more
            reset(server)
            end = reply.index(b"\r\n\r\n") + 4
            length = next(
                (int(line.split(b":")[1]) for line in reply[:end].split(b"\r\n")
                 if line.lower().startswith(b"content-length:")), 2)
            client.sendall(reply[:end + min(length // 2, len(reply) - end)])


def receive(connection):
    """What has arrived; nothing for an orderly end, None if it was no data (TLS has messages of its own)."""
    connection.setblocking(False)
    try:
        return connection.recv(65536)
    except (ssl.SSLWantReadError, BlockingIOError):
        return None
    finally:
        connection.setblocking(True)
