"""A scripted server on 127.0.0.1 that answers like an OpenAI-compatible one, or as badly as told.

Each request takes the next step of the script; when the script is over, every request is answered
well. A step is a status, bytes, or a function from the request to one of them.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORDS = ["plum", "oak", "rain", "salt", "iron", "moss", "fern", "clay", "dusk", "reed"]


def answer(body: dict[str, Any], *, count: int | None = None, **change: Any) -> dict[str, Any]:
    """A good reply: one word chosen by the seed, and log-probabilities where asked for."""
    n = body.get("n", 1) if count is None else count
    seed = body.get("seed", 0)
    words = [WORDS[(seed + i) % 10] + f" {seed + i}" for i in range(n)]
    top = [{"token": w, "logprob": lp} for w, lp in zip("abc", (-0.7, -1.2, -3.0), strict=True)]
    tokens = [{"token": "x", "logprob": -0.7, "top_logprobs": top}] * 2
    chat = "messages" in body
    choices = []
    for index, word in enumerate(words):
        choice: dict[str, Any] = {"index": index, "finish_reason": "stop"}
        if chat:
            choice["message"] = {"role": "assistant", "content": word}
            if body.get("logprobs"):
                choice["logprobs"] = {"content": tokens}
        else:
            choice["text"] = word
            if body.get("logprobs") is not None:
                choice["logprobs"] = {
                    "token_logprobs": [-0.7, -0.7],
                    "top_logprobs": [{"a": -0.7, "b": -1.2, "c": -3.0}] * 2,
                }
        choices.append(choice | change)
    return {
        "choices": choices,
        "system_fingerprint": "fp-1",
        "usage": {"prompt_tokens": 5, "completion_tokens": 2 * n},
    }


class FaultyServer:
    """Use as a context manager; `url` is its base URL, `bodies` what it was asked."""

    def __init__(self, script: Iterable[Any] = (), *, models: Any = ("m",)) -> None:
        self.script = iter(script)
        self.models = models
        self.bodies: list[dict[str, Any]] = []
        self.heads: list[dict[str, str]] = []
        self.times: list[float] = []
        self.in_flight = self.most = 0
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                self.reply(outer.models)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer.lock:
                    outer.bodies.append(body)
                    outer.heads.append(dict(self.headers))
                    outer.times.append(time.monotonic())
                    outer.in_flight += 1
                    outer.most = max(outer.most, outer.in_flight)
                    step = next(outer.script, None)
                try:
                    self.reply(step, body)
                finally:
                    with outer.lock:
                        outer.in_flight -= 1

            def reply(self, step: Any, body: dict[str, Any] | None = None) -> None:
                while callable(step):
                    step = step(body)
                if isinstance(step, tuple) and body is None:
                    step = {"data": [{"id": name} for name in step]}
                if step is None:
                    step = answer(body or {})
                if step == "reset":
                    self.connection.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
                    )
                    self.close_connection = True
                    return
                if isinstance(step, bytes):  # raw, then closed
                    self.wfile.write(step)
                    self.close_connection = True
                    return
                status, headers = 200, {}
                if isinstance(step, int):
                    step = (step, {}, {"error": {"message": f"status {step}"}})
                if isinstance(step, tuple):
                    status, headers, step = step
                raw = step if isinstance(step, bytes) else json.dumps(step).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: Any) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> FaultyServer:
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def slow(seconds: float) -> Callable[[dict[str, Any]], None]:
    def step(_body: dict[str, Any]) -> None:
        time.sleep(seconds)

    return step
