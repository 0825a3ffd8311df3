"""What is refused before the application sees it, over plain ASGI and over a real server."""

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from medcore.access.http import (
    COOKIE_NAME,
    RequestGuard,
    RequestLimits,
    SecurityHeaders,
    build_cookie,
    build_end_of_cookie,
)

HOSTS = ("127.0.0.1", "localhost", "medcore.hospital.example", "*.ward.example")
SMALL = RequestLimits(body_bytes=100, upload_bytes=1000, uploads_at_once=2, body_s=0.2)
UPLOAD = "/_stcore/upload_file/s/f"


async def echo(scope, receive, send):
    """Read the whole body and answer with its length and the request's number."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = f"{size} {scope['state']['request_id']}".encode()
    headers = [(b"x-frame-options", b"ALLOWALL"), (b"x-own", b"kept")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def swallow(scope, receive, send):
    """Answer 500 whatever goes wrong while reading, as careless applications do."""
    try:
        await echo(scope, receive, send)
    except Exception:  # noqa: BLE001 - careless on purpose
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b"oops"})


async def stumble(scope, receive, send):
    """Raise another error where reading was refused."""
    try:
        await echo(scope, receive, send)
    except Exception as error:
        raise RuntimeError from error


def make(app=echo, limits=SMALL, hosts=HOSTS):
    return SecurityHeaders(RequestGuard(app, allowed_hosts=hosts, limits=limits), csp="default-src 'self'")


def run_apart(work):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def send_request(app, *, parts=(b"",), path="/", method="POST", headers=(), host=b"localhost:8501", pause_s=0.0):
    """Send one request; return status, headers and body of the answer, or None where there was none."""
    waiting, sent = list(parts), []

    async def receive():
        await asyncio.sleep(pause_s)
        if not waiting:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message):
        sent.append(message)

    head = [*([(b"host", host)] if host is not None else []), *headers]
    await app({"type": "http", "method": method, "path": path, "headers": head}, receive, send)
    if not sent:
        return None
    assert [message["type"] for message in sent].count("http.response.start") == 1
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(message.get("body", b"") for message in sent[1:])


def ask(app=None, **request):
    return run_apart(send_request(app or make(), **request))


def test_headers_are_on_answers_and_on_refusals_in_the_place_of_the_applications_own():
    for host, status in ((b"localhost", 200), (b"evil.example", 403)):
        found, headers, _ = ask(host=host)
        assert found == status
        assert headers[b"content-security-policy"] == b"default-src 'self'"
        assert headers[b"x-frame-options"] == b"DENY"
        assert headers[b"x-content-type-options"] == b"nosniff"
        assert headers[b"referrer-policy"] == b"no-referrer"
        assert b"camera=()" in headers[b"permissions-policy"]
        assert b"strict-transport-security" not in headers
    assert ask()[1][b"x-own"] == b"kept"


def test_tls_only_is_said_where_it_is_true():
    app = SecurityHeaders(RequestGuard(echo, allowed_hosts=HOSTS), csp="x", hsts=True)
    assert ask(app)[1][b"strict-transport-security"].startswith(b"max-age=")


def test_every_request_has_a_number_of_its_own_that_no_client_chooses():
    numbers = set()
    for _ in range(5):
        _, headers, body = ask(headers=[(b"x-request-id", b"mine")])
        assert headers[b"x-request-id"] == body.split()[1]
        numbers.add(headers[b"x-request-id"])
    assert len(numbers) == 5
    assert b"mine" not in numbers
    status, headers, body = ask(host=b"evil.example")
    assert status == 403
    assert headers[b"x-request-id"] in body


@pytest.mark.parametrize(
    "host",
    [
        b"localhost",
        b"LOCALHOST:1",
        b"127.0.0.1:8501",
        b"medcore.hospital.example.",
        b"a.ward.example",
        b"a.b.ward.example",
    ],
)
def test_own_names_are_answered(host):
    assert ask(host=host)[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b" ",
        b":8501",
        b"evil.example",
        b"localhost.evil.example",
        b"xlocalhost",
        b"ward.example",
        b"xward.example",
        b"localhost@evil.example",
        b"evil.example@localhost",
        b"localhost/evil",
        b"localhost?x",
        b"localhost#",
        b"localhost:port",
        b"localhost:99999",
        b"localhost:80:80",
        b"localhost evil.example",
        b"localhost\tx",
        b"[::1",
        b"[::1]",
        b"127.1",
        b"2130706433",
        b"\xff\xfe",
        b"*",
        b"*.ward.example:x",
    ],
)
def test_other_names_are_refused(host):
    assert ask(host=host)[0] == 403


def test_no_name_two_names_and_no_allowed_name():
    assert ask(host=None)[0] == 400
    assert ask(headers=[(b"Host", b"evil.example")])[0] == 400
    assert ask(make(hosts=()))[0] == 403
    assert ask(make(hosts=("*",)), host=b"anything.example")[0] == 200
    assert ask(make(hosts=("*",)), host=b"")[0] == 403


@given(host=st.binary(max_size=40))
def test_whatever_the_host_there_is_an_answer(host):
    assert ask(host=host)[0] in (200, 403)


def talk(app, host):
    """Offer a websocket; return what comes back."""
    sent = []

    async def run():
        async def receive():
            return {"type": "websocket.connect"}

        async def send(message):
            sent.append(message)

        await app({"type": "websocket", "path": "/_stcore/stream", "headers": [(b"host", host)]}, receive, send)

    run_apart(run())
    return sent


def test_a_websocket_for_another_name_is_closed_before_it_opens():
    async def accept(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept", "number": scope["state"]["request_id"]})

    assert talk(make(accept), b"evil.example") == [{"type": "websocket.close", "code": 1008, "reason": ""}]
    (opened,) = talk(make(accept), b"localhost:8501")
    assert opened["type"] == "websocket.accept"
    assert opened["number"]


def test_other_scopes_pass_untouched():
    seen = []

    async def note(scope, receive, send):
        seen.append(scope["type"])

    run_apart(make(note)({"type": "lifespan"}, None, None))
    assert seen == ["lifespan"]


@pytest.mark.parametrize("app", [echo, swallow, stumble], ids=lambda app: app.__name__)
@pytest.mark.parametrize(
    ("path", "method", "most"),
    [("/", "POST", 100), (UPLOAD, "PUT", 1000), (f"/base{UPLOAD}", "PUT", 1000), (UPLOAD, "DELETE", 100)],
)
def test_a_body_too_large_is_refused_announced_or_not(app, path, method, most):
    guarded = make(app)
    fits = {"parts": [b"x" * (most - 1), b"x"], "path": path, "method": method}
    assert ask(guarded, **fits)[2].split()[0] == str(most).encode()
    status, headers, body = ask(guarded, **{**fits, "parts": [b"x" * most, b"x"]})
    assert status == 413
    assert b"too large" in body
    assert b"oops" not in body
    assert headers[b"connection"] == b"close"
    announced = [(b"content-length", str(most + 1).encode())]
    assert ask(guarded, **{**fits, "headers": announced})[0] == 413


@pytest.mark.parametrize("value", [b"-1", b"1e3", b"", b" 5", b"0x10", b"five", "٣".encode(), b"5, 5"])
def test_a_length_that_is_none_is_refused(value):
    assert ask(headers=[(b"content-length", value)])[0] == 400


def test_two_lengths_and_absurd_ones_are_refused():
    assert ask(headers=[(b"content-length", b"1"), (b"Content-Length", b"2")])[0] == 400
    assert ask(headers=[(b"content-length", b"9" * 5000)])[0] == 413


def test_a_head_too_large_is_refused():
    assert ask(headers=[(b"cookie", b"x" * 70_000)])[0] == 431


@pytest.mark.parametrize("app", [echo, swallow, stumble], ids=lambda app: app.__name__)
def test_a_body_that_dribbles_in_is_given_up(app):
    start = time.monotonic()
    assert ask(make(app), parts=[b"x"] * 20, pause_s=0.05)[0] == 408
    assert time.monotonic() - start < 5


def test_waiting_for_the_browser_to_leave_is_not_timed():
    async def linger(scope, receive, send):
        await receive()
        try:
            await asyncio.wait_for(receive(), 0.4)
        except TimeoutError:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    assert ask(make(linger))[0] == 200


def test_an_error_of_the_application_is_not_hidden():
    async def fail(scope, receive, send):
        raise LookupError

    with pytest.raises(LookupError):
        ask(make(fail))


def test_so_many_uploads_at_once_and_slots_come_back():
    async def run():
        app = make(limits=RequestLimits(uploads_at_once=2, body_s=5))
        slow = [
            asyncio.create_task(send_request(app, path=UPLOAD, method="PUT", parts=[b"x"] * 3, pause_s=0.1))
            for _ in range(6)
        ]
        answers = sorted([(await task)[0] for task in slow])
        status, _, _ = await send_request(app, path=UPLOAD, method="PUT")
        return answers, status

    answers, afterwards = run_apart(run())
    assert answers == [200, 200, 503, 503, 503, 503]
    assert afterwards == 200


def test_slots_come_back_after_refusals():
    async def run():
        app = make()
        for _ in range(5):
            await send_request(app, path=UPLOAD, method="PUT", parts=[b"x" * 2000])
        return await send_request(app, path=UPLOAD, method="PUT")

    assert run_apart(run())[0] == 200


def test_the_cookie_is_not_for_scripts_nor_for_other_sites():
    assert build_cookie("t", tls=False) == f"{COOKIE_NAME}=t; Path=/; HttpOnly; SameSite=Strict"
    assert build_cookie("t", tls=True).endswith("; Secure")
    assert "Max-Age=0" in build_end_of_cookie(tls=True)


@contextmanager
def serve(app):
    """Run ``app`` under uvicorn on a free port; yields the port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    end = time.monotonic() + 30
    while not server.started and time.monotonic() < end:
        time.sleep(0.01)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


def speak(port, text):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(text)
        answer = b""
        while part := line.recv(65536):
            answer += part
    return answer


def test_over_a_real_server():
    with serve(make(limits=RequestLimits(body_bytes=100, body_s=1))) as port:
        good = speak(port, b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello")
        assert good.startswith(b"HTTP/1.1 200")
        assert b"x-request-id: " in good
        foreign = speak(port, b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        assert foreign.startswith(b"HTTP/1.1 403")
        chunk = b"3c\r\n" + b"x" * 60 + b"\r\n"
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert speak(port, head + chunk * 2 + b"0\r\n\r\n").startswith(b"HTTP/1.1 413")
        assert speak(port, head + chunk).startswith(b"HTTP/1.1 408")
