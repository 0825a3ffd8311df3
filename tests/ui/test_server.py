import asyncio
from concurrent.futures import ThreadPoolExecutor

import fake_models
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from medcore.errors import WorkerDiedError
from medcore.ui import runtime, server


@pytest.fixture
def house(tmp_path):
    made = fake_models.make_house(tmp_path)
    runtime.use(made)
    yield made
    runtime.use(None)


def run_apart(work):
    """Run a coroutine in a thread of its own: the browser tests leave a running loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def ask(app, path="/", host=b"127.0.0.1:8501"):
    """Send one GET and return (status, headers, body)."""
    sent = []

    async def run():
        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "headers": [(b"host", host)],
            "query_string": b"",
            "root_path": "",
        }
        await app({**scope, "scheme": "http", "server": ("127.0.0.1", 80), "http_version": "1.1"}, receive, send)

    run_apart(run())
    headers = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])


def make_app():
    async def answer(_request):
        return PlainTextResponse("page")

    return Starlette(routes=[Route("/", answer), *server.ROUTES], middleware=server.MIDDLEWARE)


def test_every_answer_carries_the_security_headers(house):
    for path in ("/", "/healthz", "/readyz", "/nowhere"):
        _, headers, _ = ask(make_app(), path)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_a_request_for_another_host_is_refused_with_the_headers(house):
    status, headers, body = ask(make_app(), "/", host=b"evil.example")
    assert status == 403
    assert b"does not answer under that name" in body
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_policy_allows_inline_scripts_by_hash_only():
    policy = server.build_csp("<script>window.a = 1</script><script src='x.js'></script>")
    script = next(part for part in policy.split("; ") if part.startswith("script-src"))
    # printf 'window.a = 1' | openssl dgst -sha256 -binary | base64
    assert script == "script-src 'self' blob: 'sha256-Aif1QuaDxF56ZK3+IyoelKcjrWC+BWl5ZGfcO1AMmA4='"
    assert "unsafe" not in script


def test_health_tells_whether_models_answer(house):
    assert ask(make_app(), "/healthz")[2] == b'{"status":"ok","models":"ready"}'
    house.gateway.is_ready = False
    assert ask(make_app(), "/healthz")[2] == b'{"status":"ok","models":"starting"}'


def test_health_tells_that_models_failed(house):
    def fail():
        raise WorkerDiedError("the model process ended before it answered")

    house.gateway.is_ready, house.gateway.start = False, fail
    runtime.start_models()
    assert runtime.model_state() == "failed"


def test_a_failed_start_is_explained_and_passes_by_itself(house):
    house.gateway.is_ready = False
    assert runtime.explain_failure() == ""
    house.gateway.failure = WorkerDiedError("the model process ended before it answered.")
    assert ask(make_app(), "/healthz")[2] == b'{"status":"ok","models":"failed"}'
    text = runtime.explain_failure()
    assert text.startswith("The model process ended before it answered. It is tried again by itself")
    assert "tell whoever looks after this server" in text
    runtime.retry_models()
    assert house.gateway.retried == 1
    house.gateway.is_ready, house.gateway.failure = True, None
    assert runtime.model_state() == "ready"
    assert runtime.explain_failure() == ""


def test_a_start_that_could_not_be_tried_is_tried_again(house):
    def fail():
        raise WorkerDiedError("no memory")

    house.gateway.is_ready, house.gateway.start = False, fail
    runtime.start_models()
    assert runtime.explain_failure().startswith("No memory.")
    del house.gateway.start
    runtime.retry_models()
    assert runtime.model_state() == "starting"


def test_lifespan_starts_the_models_after_the_port_is_open_and_closes_them(house, monkeypatch):
    events = []
    house.gateway.start = lambda: events.append("start")
    house.gateway.close = lambda: events.append("close")
    monkeypatch.setattr(server, "MODEL_START_DELAY_S", 0.01)

    async def live():
        async with server.lifespan(None):
            assert events == []
            await asyncio.sleep(0.2)
            assert events == ["start"]

    run_apart(live())
    assert events == ["start", "close"]


def test_a_server_below_a_path_ends_with_a_sentence(house, monkeypatch, capsys):
    monkeypatch.setattr(server.streamlit, "get_option", {"server.baseUrlPath": "/ward"}.get)

    async def live():
        async with server.lifespan(None):
            raise AssertionError("serves")

    with pytest.raises(SystemExit):
        run_apart(live())
    assert "needs a host name of its own" in capsys.readouterr().err


def test_house_is_opened_once_and_shared(house):
    assert runtime.open_house() is runtime.open_house() is house
