"""One request, one reply: read the same in whatever pieces it arrives, or refused."""

from __future__ import annotations

import asyncio
import itertools
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.models._http import Address, Broken, Connections

BODY = b'{"choices": [1, 2, 3], "text": "\xc3\xa9 and more"}'
FRAMINGS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY),
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"".join(b"%X\r\n%s\r\n" % (len(p), p) for p in (BODY[:7], BODY[7:]))
    + b"0\r\n\r\n",
    "hints": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
    % (len(BODY), BODY),
}


async def exchange(pieces, *, times=1, most_bytes=10_000, close=False, timeout=5.0):
    """What the client makes of these pieces, sent to each request."""
    seen = []

    async def serve(reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                seen.append(await reader.readexactly(length))
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if close:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    connections = 0
    async with server:
        port = server.sockets[0].getsockname()[1]
        address = Address.parse(f"http://127.0.0.1:{port}/v1")
        async with Connections(
            address, headers={}, timeout=timeout, most_bytes=most_bytes
        ) as client:
            opened = client._open

            async def counted():
                nonlocal connections
                connections += 1
                return await opened()

            client._open = counted
            replies = [await client.send("POST", "/x", b"{}") for _ in range(times)]
    return replies, seen, connections


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(sorted(FRAMINGS)), st.lists(st.integers(0, 120), max_size=6))
def test_a_reply_is_the_same_in_whatever_pieces_it_comes(framing, cuts):
    raw = FRAMINGS[framing]
    ends = [0, *sorted({min(cut, len(raw)) for cut in cuts}), len(raw)]
    pieces = [raw[a:b] for a, b in itertools.pairwise(ends)]
    replies, seen, connections = asyncio.run(exchange(pieces, times=3))
    assert [reply.body for reply in replies] == [BODY] * 3
    assert seen == [b"{}"] * 3
    assert connections == 1


def test_a_connection_that_the_server_closes_is_opened_again_without_an_error():
    replies, seen, connections = asyncio.run(exchange([FRAMINGS["length"]], times=4, close=True))
    assert [reply.body for reply in replies] == [BODY] * 4
    assert len(seen) == 4
    assert connections == 4


@pytest.mark.fault(5)
def test_fault_05_what_was_not_asked_for_is_not_taken_for_the_next_reply():
    stray = FRAMINGS["length"] + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nNO"
    replies, _, connections = asyncio.run(exchange([stray], times=3))
    assert [reply.body for reply in replies] == [BODY] * 3
    assert connections == 3


@pytest.mark.fault(5)
@pytest.mark.parametrize("framing", sorted(FRAMINGS))
def test_fault_05_a_body_above_the_bound_is_not_read(framing):
    with pytest.raises(Broken, match="larger than 20 bytes"):
        asyncio.run(exchange([FRAMINGS[framing]], most_bytes=20))


@pytest.mark.fault(5)
def test_fault_05_a_body_without_an_end_is_bounded_too():
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 500
    with pytest.raises(Broken, match="larger than 100 bytes"):
        asyncio.run(exchange([endless], most_bytes=100))


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=60))
def test_any_bytes_are_a_reply_or_broken_and_nothing_else(raw):
    try:
        replies, _, _ = asyncio.run(exchange([raw], close=True, timeout=1.0))
    except Broken:
        return
    assert replies[0].body is not None


@pytest.mark.fault(5)
def test_fault_05_a_server_that_dribbles_is_cut_off_by_the_time_in_all():
    dribble = [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"1"]
    with pytest.raises(Broken, match=r"within 0\.3 s"):
        asyncio.run(exchange(dribble, timeout=0.3))


def test_nobody_there_is_said_in_words():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = Address.parse(f"http://127.0.0.1:{held.getsockname()[1]}")

        async def ask():
            async with Connections(address, headers={}, timeout=1, most_bytes=9) as client:
                await client.send("GET", "/")

        with pytest.raises(Broken):
            asyncio.run(ask())
