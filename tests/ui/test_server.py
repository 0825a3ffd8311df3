import asyncio
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fake_models
import pytest
import streamlit
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from streamlit.web.server.starlette.starlette_static_routes import create_streamlit_static_handler

from medcore.errors import WorkerDiedError
from medcore.ui import runtime, server
from medcore.ui.shell_files import ShellFiles

ROOT = Path(__file__).resolve().parents[2]


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
        asked = []

        async def receive():
            if asked:
                await asyncio.sleep(60)  # the browser stays
            asked.append(1)
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


def live_until_started(house, monkeypatch, first):
    """Run a server whose first page is ``first``; return what happened, in order."""
    events, begun = [], threading.Event()
    house.gateway.start = lambda: (events.append("models"), begun.set())
    house.gateway.close = lambda: events.append("close")
    monkeypatch.setattr(server, "DRAWING_S", 0.0)
    monkeypatch.setattr(runtime, "_page_drawn", threading.Event())

    async def live():
        async with server.lifespan(None):
            await asyncio.sleep(0.2)
            events.append("a visitor")
            first()
            await asyncio.to_thread(begun.wait, 10)

    run_apart(live())
    return events


def test_the_models_start_after_the_first_page_and_end_with_the_server(house, monkeypatch):
    assert live_until_started(house, monkeypatch, runtime.note_page) == ["a visitor", "models", "close"]


def test_the_models_do_not_wait_for_ever_for_a_page(house, monkeypatch):
    monkeypatch.setattr(server, "FIRST_PAGE_WAIT_S", 0.4)
    assert live_until_started(house, monkeypatch, lambda: None) == ["a visitor", "models", "close"]


def test_the_first_page_is_prepared_once_and_asked_for_by_whoever_comes_first(house, monkeypatch):
    opened = []
    monkeypatch.setattr(runtime, "_prepared", False)
    monkeypatch.setattr(runtime, "start_journal", lambda: (time.sleep(0.1), opened.append(1)))
    with ThreadPoolExecutor(4) as pool:
        for asked in [pool.submit(server.prepare) for _ in range(4)]:
            asked.result()
    assert opened == [1]


def test_what_serves_listens_before_it_imports_what_only_pages_need():
    heavy = ("numpy", "pydantic", "sqlalchemy", "sqlcipher3", "scipy", "tensorflow")
    code = (
        "import sys, streamlit_app, medcore.services.serving, medcore.services.trust.entrance;"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_files_of_the_shell_come_from_memory_with_the_headers_and_nothing_else_does(house, tmp_path):
    (tmp_path / "static" / "js").mkdir(parents=True)
    (tmp_path / "static" / "js" / "a.js").write_text("let a")
    (tmp_path / "secret.js").write_text("no")

    async def answer(request):
        return PlainTextResponse("from Streamlit")

    app = Starlette(
        routes=[Route("/{path:path}", answer)],
        middleware=[Middleware(server.add_headers), Middleware(ShellFiles, folder=tmp_path)],
    )
    status, headers, body = ask(app, "/static/js/a.js")
    assert (status, body, headers["content-type"]) == (200, b"let a", "text/javascript; charset=utf-8")
    assert headers["cache-control"] == "public, immutable, max-age=31536000"
    assert headers["x-content-type-options"] == "nosniff"
    (tmp_path / "static" / "js" / "a.js").unlink()
    assert ask(app, "/static/js/a.js")[2] == b"let a"
    for path in ("/static/js/b.js", "/static/js/../../secret.js", "/secret.js", "/static/js/", "/"):
        assert ask(app, path)[2] == b"from Streamlit"


def test_streamlits_own_answer_about_a_file_is_the_same(house):
    """Type, cache and bytes: whoever asks for a part of a file is answered by Streamlit, and must get the same one."""
    folder = Path(streamlit.__file__).parent / "static"
    name = "/" + min(path.relative_to(folder).as_posix() for path in folder.rglob("*.js"))
    app = create_streamlit_static_handler(directory=str(folder), base_url="")
    theirs, ours = ask(app, name), ask(ShellFiles(app), name)
    assert ours[2] == theirs[2]
    assert ours[1] == {key: theirs[1][key] for key in ours[1]}


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
