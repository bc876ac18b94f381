"""The reverse proxy of the examples: a real uvicorn before a scripted origin, byte by byte."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from evercache.http import CacheMiddleware
from evercache.testing.ports import ReservedPort
from examples.reverse_proxy import Origin, for_one_hop
from tests.support.ears import until

ROOT = Path(__file__).parents[3]
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
FRESH = f"HTTP/1.1 200 OK\r\nDate: {DATE}\r\nCache-Control: max-age=1000000000\r\nContent-Length: 4\r\n\r\npage"


# -- both ends ---------------------------------------------------------------------------------------------------------


class Asked:
    """A request as the origin got it, and the connection to answer on."""

    def __init__(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.line, *self.fields = head.decode("latin-1").split("\r\n")[:-2]
        self.reader, self.writer = reader, writer

    def values(self, name: str) -> list[str]:
        return [field.partition(": ")[2] for field in self.fields if field.lower().startswith(f"{name}: ")]

    async def body(self) -> bytes:
        if "chunked" in self.values("transfer-encoding"):
            body = b""
            while size := int(await self.reader.readline(), 16):
                body += await self.reader.readexactly(size)
                await self.reader.readline()
            await self.reader.readline()
            return body
        return await self.reader.readexactly(int((self.values("content-length") or ["0"])[0]))

    async def say(self, text: str) -> None:
        self.writer.write(text.encode("latin-1"))
        await self.writer.drain()

    async def gone(self) -> bool:
        """Whether the other side closed, without another byte."""
        return await self.reader.read() == b""


class Script:
    """An origin that does what it is told on each request, and counts."""

    def __init__(self, answer: Callable[[Asked], Awaitable[object]] | str) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                asked = Asked(head, reader, writer)
                self.asked.append(asked)
                if isinstance(self.answer, str):
                    await asked.body()
                    await asked.say(self.answer)
                elif await self.answer(asked) is not None:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class Client:
    """A client that speaks bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, text: str) -> None:
        self.writer.write(text.encode("latin-1"))
        await self.writer.drain()

    async def head(self) -> tuple[str, list[str]]:
        line, *fields = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        return line.partition(" ")[2], fields

    async def ask(self, text: str, *, body: bool = True) -> tuple[str, list[str], str]:
        """The answer to a request whose connection stays open."""
        await self.say(text)
        status, fields = await self.head()
        lengths = [int(field[16:]) for field in fields if field.lower().startswith("content-length: ")]
        return status, fields, (await self.reader.readexactly(lengths[0])).decode() if body and lengths else ""

    async def chunk(self) -> bytes:
        size = int(await self.reader.readline(), 16)
        piece = await self.reader.readexactly(size)
        await self.reader.readline()
        return piece

    def leave(self) -> None:
        self.writer.close()


@asynccontextmanager
async def origin_of(script: Script) -> AsyncIterator[str]:
    server = await asyncio.start_server(script, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in script.writers:
            writer.close()
        await server.wait_closed()


@asynccontextmanager
async def uvicorn_of(app: object) -> AsyncIterator[int]:
    config = uvicorn.Config(
        app, port=0, lifespan="off", ws="none", date_header=False, server_header=False, log_config=None
    )  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    running = asyncio.ensure_future(server.serve())
    await until(lambda: server.started)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await running


@pytest.fixture
def port() -> Iterator[int]:
    """A port on which nobody listens."""
    with ReservedPort() as reserved:
        yield reserved.number


@pytest.fixture
def proxied(cache):
    """`async with proxied(script) as client`: a client of a proxy before an origin with this script."""

    @asynccontextmanager
    async def run(script: Script, *, silence: float = 60.0, url: str | None = None) -> AsyncIterator[Client]:
        async with origin_of(script) as found:
            origin = Origin(url or found, silence)
            app = CacheMiddleware(origin, cache=cache, respect_origin=True, server_adds_date=False)
            async with uvicorn_of(for_one_hop(app)) as port:
                client = Client(*await asyncio.open_connection("127.0.0.1", port))
                try:
                    yield client
                finally:
                    client.leave()
            await origin.pool.aclose()

    return run


def ours(fields: list[str]) -> list[str]:
    """The fields without what this cache says."""
    return [field for field in fields if not field.startswith(("cache-status:", "age:", "etag:"))]


GET = "GET /a%2Fb?c=%20 HTTP/1.1\r\nHost: x\r\n\r\n"


# -- fields ------------------------------------------------------------------------------------------------------------


async def test_what_the_origin_gets_is_what_the_client_sent(proxied):
    """
    Target and fields to the byte, in order, repeated; what is for one hop is gone, and `Via` says who passed it on.
    """
    script = Script(FRESH)
    sent = ["x-one: 1", "x-two: a, b", "x-one: 2", "accept: */*"]
    hop = ["Connection: keep-alive, X-Hop", "X-Hop: 1", "Keep-Alive: 5", "TE: trailers", "Upgrade: h2c"]
    async with proxied(script) as client:
        await client.ask("\r\n".join(["GET /a%2Fb;c?d=%20&d HTTP/1.1", "Host: x:1", *sent, *hop, "", ""]))
    assert script.asked[0].line == "GET /a%2Fb;c?d=%20&d HTTP/1.1"
    assert script.asked[0].fields == ["host: x:1", *sent, "via: 1.1 evercache"]


@pytest.mark.parametrize("cached", [True, False])
async def test_what_the_client_gets_is_what_the_origin_sent(proxied, cached):
    """
    In order and repeated, `Date` once and the origin's, nothing of the server's own; what is for one hop is gone.
    """
    said = ["x-one: 1", "link: <a>", "x-two: a, b", "link: <b>", f"date: {DATE}"]
    said += [f"cache-control: {'max-age=1000000000' if cached else 'no-store'}"]
    hop = ["Connection: X-Hop", "X-Hop: 1", "Keep-Alive: timeout=5", "Proxy-Authenticate: Basic"]
    script = Script("\r\n".join(["HTTP/1.1 200 Fine", *said, *hop, "Content-Length: 4", "", "page"]))
    async with proxied(script) as client:
        for _ in range(2):
            status, fields, body = await client.ask(GET)
            assert (status, ours(fields), body) == ("200 OK", [*said, "content-length: 4"], "page")
    assert len(script.asked) == (1 if cached else 2)


async def test_a_response_without_a_date_gets_one(proxied):
    """
    RFC 9110 §6.6.1.
    """
    async with proxied(Script("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as client:
        _, fields, _ = await client.ask(GET)
    assert len([field for field in fields if field.startswith("date: ")]) == 1


async def test_nothing_is_in_the_key_that_the_origin_does_not_see(proxied):
    """
    `Connection` takes a field away, whatever the origin varies on: the answer is stored for those who haven't got it.
    """

    async def answer(asked: Asked) -> None:
        body = (asked.values("x-tenant") or ["nobody"])[0]
        await asked.say(f"HTTP/1.1 200 OK\r\nDate: {DATE}\r\nVary: X-Tenant\r\nCache-Control: max-age=1000000000\r\n")
        await asked.say(f"Content-Length: {len(body)}\r\n\r\n{body}")

    async with proxied(Script(answer)) as client:
        hidden = "GET / HTTP/1.1\r\nHost: x\r\nX-Tenant: one\r\nConnection: x-tenant, host\r\n\r\n"
        assert (await client.ask(hidden))[2] == "nobody"
        assert (await client.ask("GET / HTTP/1.1\r\nHost: x\r\nX-Tenant: one\r\n\r\n"))[2] == "one"
        assert (await client.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))[2] == "nobody"


# -- bodies ------------------------------------------------------------------------------------------------------------

BODILESS = {
    "HEAD": ("HEAD", "200 OK", "Content-Length: 9\r\n"),
    "HEAD of what is chunked": ("HEAD", "200 OK", "Transfer-Encoding: chunked\r\n"),
    "204": ("GET", "204 No Content", ""),
    "304": ("GET", "304 Not Modified", 'ETag: "a"\r\nContent-Length: 9\r\n'),
    "empty": ("GET", "200 OK", "Content-Length: 0\r\n"),
}


@pytest.mark.parametrize("what", BODILESS)
async def test_responses_without_a_body_end_with_their_head(proxied, what):
    """
    The next request of the same client gets its own answer.
    """
    method, status, fields = BODILESS[what]
    script = Script(f"HTTP/1.1 {status}\r\nCache-Control: no-store\r\n{fields}\r\n")
    async with proxied(script) as client:
        for _ in range(2):
            got, _, _ = await client.ask(f"{method} / HTTP/1.1\r\nHost: x\r\n\r\n", body=False)
            assert got == status
        script.answer = FRESH
        assert (await client.ask(GET))[2] == "page"


async def test_interim_responses_are_for_the_origins_own_connection(proxied):
    """
    1xx are passed over, however many.
    """
    script = Script(f"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n{FRESH}")
    async with proxied(script) as client:
        assert (await client.ask(GET))[0] == "200 OK"


async def test_a_request_is_streamed(proxied):
    """
    The origin has the first piece before the client has sent the second.
    """
    pieces: list[bytes] = []

    async def answer(asked: Asked) -> None:
        assert asked.values("transfer-encoding") == ["chunked"]
        while size := int(await asked.reader.readline(), 16):
            pieces.append(await asked.reader.readexactly(size))
            await asked.reader.readline()
        await asked.reader.readline()
        await asked.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with proxied(Script(answer)) as client:
        await client.say("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await until(lambda: pieces == [b"one"])
        assert (await client.ask("3\r\ntwo\r\n0\r\n\r\n"))[0] == "200 OK"
    assert pieces == [b"one", b"two"]


async def test_a_body_of_known_length_arrives_whole(proxied):
    """
    With its length, whether it came at once or not.
    """
    bodies: list[bytes] = []

    async def answer(asked: Asked) -> None:
        assert asked.values("content-length") == ["6"]
        bodies.append(await asked.body())
        await asked.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with proxied(Script(answer)) as client:
        start = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n"
        await client.ask(f"{start}onetwo")
        await client.say(f"{start}one")
        await client.ask("two")
    assert bodies == [b"onetwo", b"onetwo"]


async def test_a_response_is_streamed(proxied):
    """
    The client has the first piece before the origin has sent the second, and what was streamed is kept like any other.
    """
    go = asyncio.Event()

    async def answer(asked: Asked) -> None:
        await asked.say(f"HTTP/1.1 200 OK\r\nDate: {DATE}\r\nCache-Control: max-age=1000000000\r\n")
        await asked.say("Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await go.wait()
        await asked.say("3\r\ntwo\r\n0\r\n\r\n")

    script = Script(answer)
    async with proxied(script) as client:
        await client.say(GET)
        assert (await client.head())[0] == "200 OK"
        assert await client.chunk() == b"one"
        go.set()
        assert [await client.chunk(), await client.chunk()] == [b"two", b""]
        await client.say(GET)
        await client.head()
        assert await client.chunk() == b"onetwo"
    assert len(script.asked) == 1


# -- failures ----------------------------------------------------------------------------------------------------------


async def test_an_origin_that_is_not_there_is_a_bad_gateway(proxied, port):
    """
    502, and the next request is answered as well.
    """
    async with proxied(Script(FRESH), url=f"http://127.0.0.1:{port}") as client:
        for _ in range(2):
            assert (await client.ask(GET))[0] == "502 Bad Gateway"


async def test_an_origin_that_breaks_off_is_a_bad_gateway(proxied):
    """
    502 too where the head of its response isn't one.
    """

    async def cut(asked: Asked) -> bool:
        return True

    script = Script(cut)
    async with proxied(script) as client:
        assert (await client.ask(GET))[0] == "502 Bad Gateway"
        script.answer = "nonsense\r\n\r\n"
        assert (await client.ask(GET))[0] == "502 Bad Gateway"


async def test_an_origin_that_says_nothing_is_a_gateway_timeout(proxied):
    """
    504.
    """
    ends: list[bool] = []

    async def nothing(asked: Asked) -> bool:
        ends.append(await asked.gone())
        return True

    async with proxied(Script(nothing), silence=0.1) as client:
        assert (await client.ask(GET))[0] == "504 Gateway Timeout"
    assert ends == [True]


@pytest.mark.parametrize("framing", ["Content-Length: 9", "Transfer-Encoding: chunked"])
async def test_half_a_response_is_not_taken_for_a_whole_one(proxied, framing):
    """
    The client's connection ends before the body does, and nothing is kept.
    """

    async def half(asked: Asked) -> bool:
        await asked.say(f"HTTP/1.1 200 OK\r\nCache-Control: max-age=1000000000\r\n{framing}\r\n\r\n4\r\nhalf")
        return True

    script = Script(half)
    async with proxied(script) as client:
        await client.say(GET)
        rest = await client.reader.read()
        assert b"half" in rest
        assert not rest.endswith(b"0\r\n\r\n")
    assert len(script.asked) == 1


async def test_what_an_origin_says_too_much_is_nobodys_response(proxied):
    """
    Bytes beyond the announced length don't become the response to the next client.
    """
    script = Script("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfineHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    async with proxied(script) as client:
        assert [(await client.ask(GET))[2] for _ in range(3)] == ["fine"] * 3


# -- clients that leave ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before the head", "in the body", "in the upload"])
async def test_a_client_that_leaves_takes_the_origins_connection_with_it(proxied, when):
    """
    Whenever it leaves; what it has uploaded by halves isn't taken for a whole.
    """
    reached, ends = asyncio.Event(), []

    async def answer(asked: Asked) -> bool:
        if when == "in the body":
            await asked.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        if when == "in the upload":
            await asked.reader.readuntil(b"one\r\n")
        reached.set()
        ends.append(await asked.gone())
        return True

    async with proxied(Script(answer)) as client:
        upload = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"
        await client.say(upload if when == "in the upload" else GET)
        await reached.wait()
        client.leave()
        await until(lambda: ends)
    assert ends == [True]


# -- the program -------------------------------------------------------------------------------------------------------


async def test_the_program_caches_what_the_origin_allows(tmp_path, port):
    """
    `python examples/reverse_proxy.py --origin … --port …`, and an end on SIGINT.
    """
    script = Script(FRESH.replace(DATE, "Thu, 01 Jan 1970 00:00:00 GMT").replace("=1000000000", "=2147483648"))
    async with origin_of(script) as url, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        process = launched(tmp_path / "log", "--origin", url, "--port", str(port))
        try:
            answer = await first_answer(client, process)
            again = await client.get("/")
        finally:
            process.send_signal(signal.SIGINT)
            ended = await asyncio.to_thread(process.wait, 60)
    assert ended in (0, -signal.SIGINT), (tmp_path / "log").read_text()
    assert (answer.text, again.text, len(script.asked)) == ("page", "page", 1)
    assert "hit" in again.headers["cache-status"]


def launched(log: Path, *words: str) -> subprocess.Popen[bytes]:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", ROOT)))}
    command = [sys.executable, "examples/reverse_proxy.py", *words]
    with log.open("wb") as said:
        return subprocess.Popen(command, cwd=ROOT, env=environ, stdout=said, stderr=said)


async def first_answer(client: httpx.AsyncClient, process: subprocess.Popen[bytes]) -> httpx.Response:
    """The first answer of a program that is starting."""
    while True:
        assert process.poll() is None
        try:
            return await client.get("/")
        except httpx.TransportError:
            await asyncio.sleep(0)
