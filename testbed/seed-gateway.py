"""A model gateway that answers as a real one does, with nothing behind it.

    server.py --config FILE --port NUMBER

It listens on loopback, wants the key of MASTER_KEY as a bearer token, and lists the models
that its configuration names. Keys of objects come in another order each time, as from any
program that keeps them in hash tables.
"""

import argparse
import hmac
import itertools
import json
import os
import re
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TURNS = itertools.count()


def turned(pairs):
    turn = next(TURNS) % len(pairs)
    return dict(pairs[turn:] + pairs[:turn])


class Gateway(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "gateway/1"
    sys_version = ""
    models = []

    def do_GET(self):
        if self.path == "/health":
            self.answer(200, {"status": "healthy"})
        elif not self.allowed():
            self.answer(401, {"error": {"message": "no valid key", "type": "auth_error", "code": "401"}})
        elif self.path == "/v1/models":
            self.answer(200, turned([("object", "list"), ("data", [self.model(name) for name in self.models])]))
        else:
            self.answer(404, {"detail": "Not Found"})

    def allowed(self):
        wanted = "Bearer " + os.environ["MASTER_KEY"]
        return hmac.compare_digest(self.headers.get("Authorization", "").encode(), wanted.encode())

    def model(self, name):
        return turned([("id", name), ("object", "model"), ("created", 1677610602), ("owned_by", "openai")])

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def tell_systemd():
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
            door.connect("\0" + path[1:] if path.startswith("@") else path)
            door.send(b"READY=1")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--config", required=True)
    arguments.add_argument("--port", type=int, default=4000)
    given = arguments.parse_args()
    with open(given.config, encoding="utf-8") as config:
        Gateway.models = re.findall(r"model_name: *(\S+)", config.read())
    server = ThreadingHTTPServer(("127.0.0.1", given.port), Gateway)
    tell_systemd()
    server.serve_forever()


main()
