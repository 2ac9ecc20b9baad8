"""An endpoint: 1,000 requests to a stub that answers after 50 ms, 64 at once.

The ideal is 16 rounds of 50 ms. The stub runs in a process of its own and does nothing but wait,
so what is missing from the ideal is ours, and the two processes' share of the machine.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator

from bench.clock import Row, race
from variegate.models import Request, Sampling, endpoint_model

REQUESTS, AT_ONCE, DELAY = 1000, 64, 0.05

REPLY = json.dumps(
    {
        "id": "stub",
        "object": "chat.completion",
        "created": 0,
        "model": "stub",
        "system_fingerprint": "stub",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "A plum, or two."},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 12, "completion_tokens": 6, "total_tokens": 18},
    }
).encode()


class _Stub(asyncio.Protocol):
    """Answers every request after DELAY with the same words."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.held = b""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self.reply = head % len(REPLY) + REPLY

    def data_received(self, data: bytes) -> None:
        self.held += data
        while (end := self.held.find(b"\r\n\r\n")) >= 0:
            head = self.held[:end].lower()
            at = head.find(b"content-length:")
            whole = end + 4 + (int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0)
            if len(self.held) < whole:
                return
            self.held = self.held[whole:]
            write = self.transport.write  # type: ignore[attr-defined]
            asyncio.get_running_loop().call_later(DELAY, write, self.reply)


async def serve() -> None:
    """Run the stub and print its port."""
    server = await asyncio.get_running_loop().create_server(_Stub, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def rows() -> Iterator[Row]:
    stub = subprocess.Popen(
        [sys.executable, "-m", "bench.endpoint"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert stub.stdout is not None
        url = f"http://127.0.0.1:{int(stub.stdout.readline())}/v1"
        yield from _races(url)
    finally:
        stub.terminate()
        stub.wait()


def _races(url: str) -> Iterator[Row]:
    model = endpoint_model(url, "stub", in_flight=AT_ONCE, key_env=None)
    rendered = model.render("Name a fruit.", format="chat")
    requests = [Request(key=str(i), rendered=rendered, index=i, seed=i) for i in range(REQUESTS)]

    def ours() -> None:
        came = sum(len(batch) for batch in model.sample(requests, sampling=Sampling()))
        assert came == REQUESTS

    async def asked_by_peer() -> None:
        from openai import AsyncOpenAI

        body = {"model": "stub", "messages": json.loads(rendered), "max_tokens": 256}
        left = iter(range(REQUESTS))
        async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:

            async def ask() -> None:
                for seed in left:
                    await client.chat.completions.create(**body, temperature=1.0, seed=seed)

            await asyncio.gather(*(ask() for _ in range(AT_ONCE)))

    row = race(
        f"endpoint, {REQUESTS:,} requests, {AT_ONCE} at once",
        ours,
        lambda: asyncio.run(asked_by_peer()),
        peer_name="AsyncOpenAI, the same requests in a loop",
    )
    yield row
    # 1,000 do not divide by 64: the last of 16 rounds is not full, and nobody can be faster.
    rate = REQUESTS / row.ours_s
    yield Row(
        race="share of the ideal rate",
        peer="64 answers every 50 ms",
        ours_s=row.ours_s,
        peer_s=None,
        note=f"{rate * DELAY / AT_ONCE:.0%}: {rate:.0f} requests a second of {AT_ONCE / DELAY:.0f}",
    )


if __name__ == "__main__":
    asyncio.run(serve())
