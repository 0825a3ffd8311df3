"""The way in over HTTP: the gate, the sign-in form, the cookie, and what must not get through."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from urllib.parse import urlencode

import fake_models
import pytest
from access_site import CHEAP, Site, TurnedClock
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from medcore.access import open_access
from medcore.access.demo import make_demo_actor
from medcore.errors import StorageError
from medcore.ui import addresses, entrance, runtime, server

HOST = "medcore.example:8501"
FORM = "application/x-www-form-urlencoded"
FROM_HERE = {"sec-fetch-site": "same-origin", "content-type": FORM}
PASSWORD = "three quiet herons at dawn"
BAD_BACKS = (
    "",
    "risk",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https://evil.example",
    "javascript:alert(1)",
    "/ok\r\nSet-Cookie: a=b",
    "/\t/evil.example",
    " //evil.example",
    "/sign-in?next=/sign-in",
    "/sign-out",
    "/_stcore/metrics",
    "/media/x",
    "/auth/logout",
    "/é",
    "/" + "x" * 600,
    "//[::1",
    "/%0d%0a/x\n",
)


@dataclass
class Answer:
    status: int
    headers: list
    body: str

    def get(self, name):
        return next((value for key, value in self.headers if key == name), None)

    def cookie(self):
        return self.get("set-cookie")


@pytest.fixture
def site(tmp_path):
    clock, house = TurnedClock(), fake_models.make_house(tmp_path)
    access = open_access(tmp_path, house.journal, clock=clock, cost=CHEAP)
    runtime.use(replace(house, access=access, who=lambda: None))
    made = Site(access=access, journal=house.journal, clock=clock, folder=tmp_path)
    made.add()
    yield made
    runtime.use(None)
    access.close()


def make_app():
    async def answer(_request):
        return PlainTextResponse("shell")

    async def stumble(_request):
        raise AssertionError("got through")

    routes = [
        *server.ROUTES,
        Route("/_stcore/upload_file/a/b", stumble, methods=["PUT"]),
        Route("/{path:path}", answer),
    ]
    return entrance.Gate(Starlette(routes=routes))


def ask(path="/", *, method="GET", token=None, form=None, body=b"", scheme="http", app=None, **headers):
    """Send one request; ``form`` is sent as a browser's form would be."""
    sent = []
    if form is not None:
        body = urlencode(form).encode()
        headers = {**FROM_HERE, **headers}
    if token is not None:
        headers["cookie"] = f"medcore_session={token}"
    name, _, query = path.partition("?")
    scope = {
        "type": "http", "method": method, "path": name, "query_string": query.encode(), "root_path": "",
        "scheme": scheme, "server": ("127.0.0.1", 8501), "client": ("192.0.2.7", 40000), "http_version": "1.1",
        "headers": [(b"host", HOST.encode()), *((k.replace("_", "-").encode(), v.encode("latin-1")) for k, v in
                                                headers.items())],
    }  # fmt: skip

    async def run():
        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        await (app or make_app())(scope, receive, send)

    with ThreadPoolExecutor(1) as pool:  # the browser tests leave a running loop in this thread
        pool.submit(asyncio.run, run()).result()
    return Answer(
        status=sent[0]["status"],
        headers=[(key.decode(), value.decode()) for key, value in sent[0]["headers"]],
        body=b"".join(message.get("body", b"") for message in sent[1:]).decode(),
    )


def sign_in(name="ada", password=PASSWORD, back="/", **more):
    return ask("/sign-in", method="POST", form={"name": name, "password": password, "next": back}, **more)


@pytest.mark.parametrize("path", ["/", "/risk", "/models?condition=diabetes", "/no-such-page", "/a/b/c", "/streamlit"])
def test_a_page_leads_to_the_sign_in_and_back(site, path):
    answer = ask(path)
    assert answer.status == 303
    assert answer.get("location").startswith("/sign-in")
    assert answer.get("cache-control") == "no-store"
    assert "shell" not in answer.body
    shown = ask(answer.get("location"))
    assert re.search(r'name="next" value="([^"]*)"', shown.body).group(1) == path


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/_stcore/upload_file/a/b"),
        ("GET", "/_stcore/metrics"),
        ("GET", "/media/0123.png"),
        ("POST", "/risk"),
        ("GET", "/_stcore/agent/interact"),
        ("GET", "/app/static/x"),
    ],
)
def test_files_and_services_are_refused_without_a_session(site, method, path):
    for token in (None, "x" * 43):
        answer = ask(path, method=method, token=token)
        assert (answer.status, answer.body) == (403, "Sign in first.")


@pytest.mark.parametrize("path", ["/healthz", "/static/js/index.js", "/_stcore/health", "/risk/_stcore/host-config"])
def test_what_holds_nothing_about_anybody_is_open(site, path):
    assert ask(path).status == 200


@pytest.mark.parametrize("path", ["/static/../media/x", "/static/..%2fmedia", "//static/x", "/Static/x"])
def test_no_spelling_of_an_open_path_opens_another(site, path):
    assert ask(path).status in (303, 403)


def test_signing_in_gives_a_cookie_and_opens_the_pages(site):
    answer = sign_in(back="/models?condition=diabetes")
    assert (answer.status, answer.get("location")) == (303, "/models?condition=diabetes")
    assert re.fullmatch(r"medcore_session=[\w-]{43}; Path=/; HttpOnly; SameSite=Strict", answer.cookie())
    assert answer.get("cache-control") == "no-store"
    token = answer.cookie().partition(";")[0].partition("=")[2]
    assert ask("/risk", token=token).body == "shell"
    assert ask("/sign-in?next=/models", token=token).get("location") == "/models"
    site.clock.turn(15 * 60 + 1)
    assert ask("/risk", token=token).status == 303
    over = ask("/sign-in", token=token)
    assert "Your session is over" in over.body
    assert "Max-Age=0" in over.cookie()


def test_the_cookie_goes_over_tls_only_where_there_is_tls(site):
    assert sign_in(scheme="https").cookie().endswith("; Secure")
    assert "Secure" not in sign_in().cookie()


def test_a_wrong_password_is_said_in_words_and_never_sent_back(site):
    answer = sign_in(password="hunter2<>")
    assert answer.status == 403
    assert answer.cookie() is None
    assert "User name or password is wrong" in answer.body
    assert 'value="ada"' in answer.body
    assert "hunter2" not in answer.body
    unknown = sign_in(name="nobody here", password="hunter2<>")
    assert unknown.body.replace("nobody here", "ada") == answer.body


def test_guessing_is_stopped(site):
    for _ in range(5):
        assert sign_in(password="wrong").status == 403
    answer = sign_in()
    assert answer.status == 429
    assert int(answer.get("retry-after")) == 30
    assert "Too many wrong attempts. Wait 30 seconds" in answer.body
    site.clock.turn(31)
    assert sign_in().status == 303


def test_a_name_is_shown_as_typed_and_does_nothing(site):
    name = '"><script>alert(1)</script>'
    answer = sign_in(name=name, password="x")
    assert "<script" not in answer.body
    assert "&quot;&gt;&lt;script&gt;" in answer.body


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-origin", "origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site", "origin": f"http://{HOST}"},
    ],
)
def test_a_form_of_another_site_is_refused(site, headers):
    token = site.enter()
    for path in ("/sign-in", "/sign-out"):
        answer = ask(path, method="POST", form={"name": "ada", "password": PASSWORD}, token=token, **headers)
        assert answer.status == 403
        assert answer.cookie() is None
    assert ask("/risk", token=token).body == "shell"


def test_a_browser_that_says_nothing_of_the_origin_is_refused(site):
    body = urlencode({"name": "ada", "password": PASSWORD}).encode()
    assert ask("/sign-in", method="POST", body=body, **{"content-type": FORM}).status == 403
    assert ask("/sign-in", method="POST", body=body, **{"content-type": FORM, "origin": "null"}).status == 403
    answer = ask("/sign-in", method="POST", body=body, **{"content-type": FORM, "origin": f"http://{HOST}"})
    assert answer.status == 303


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"name": "ada"}'),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("text/plain", b"name=ada"),
        (FORM, b"name=ada&password=%ff%fe"),
        (FORM, "name=ada&password=ü".encode()),
        (FORM, b"a=1&" * 200),
        (FORM, b"name=ada&password=" + b"x" * 9000),
    ],
)
def test_what_is_no_sign_in_form_is_refused(site, kind, body):
    answer = ask("/sign-in", method="POST", body=body, **{**FROM_HERE, "content-type": kind})
    assert answer.status == 400
    assert answer.cookie() is None


def test_signing_in_ends_the_session_this_browser_had(site):
    site.add(name="bea")
    old = site.enter("bea")
    assert sign_in(token=old).status == 303
    assert ask("/risk", token=old).status == 303


def test_signing_out_ends_the_session_and_takes_the_cookie_back(site):
    token = site.enter()
    answer = ask("/sign-out", method="POST", form={}, token=token)
    assert (answer.status, answer.get("location")) == (303, "/sign-in")
    assert "Max-Age=0" in answer.cookie()
    assert ask("/risk", token=token).status == 303
    assert ask("/sign-out", method="POST", form={}, token=token).status == 303


def test_a_link_signs_nobody_out(site):
    token = site.enter()
    assert ask("/sign-out", token=token).get("location") == "/sign-in"
    assert ask("/risk", token=token).body == "shell"


def test_a_one_time_password_leads_to_the_own_account(site):
    once = site.accounts.create(site.administrator, "new", ["clinician"])
    answer = sign_in(name="new", password=once.password, back="/xray")
    assert answer.get("location") == "/account"


def test_a_link_from_elsewhere_goes_on_once_so_that_the_cookie_comes_along(site):
    answer = ask("/sign-in?next=%2Fmodels", **{"sec-fetch-site": "cross-site"})
    assert '<meta http-equiv="refresh" content="0;url=/sign-in?again=1&amp;next=%2Fmodels">' in answer.body
    again = ask("/sign-in?again=1&next=%2Fmodels", **{"sec-fetch-site": "cross-site"})
    assert 'name="password"' in again.body


def test_a_demo_asks_nobody(tmp_path):
    runtime.use(replace(fake_models.make_house(tmp_path), who=make_demo_actor))
    try:
        assert ask("/risk").body == "shell"
        assert ask("/sign-in").get("location") == "/"
        assert sign_in().cookie() is None
    finally:
        runtime.use(None)


def test_without_any_account_the_page_says_how_to_make_one(tmp_path):
    house = fake_models.make_house(tmp_path)
    access = open_access(tmp_path, house.journal, cost=CHEAP)
    runtime.use(replace(house, access=access, who=lambda: None))
    try:
        assert "medcore accounts first" in ask("/sign-in").body
    finally:
        runtime.use(None)
        access.close()


def test_nobody_gets_in_while_sessions_cannot_be_looked_up(site, monkeypatch):
    token = site.enter()

    def fail(*_, **__):
        raise StorageError("The disk of the accounts failed. Nobody is let in.")

    monkeypatch.setattr(site.access.sessions, "check", fail)
    for path in ("/risk", "/media/x", "/sign-in"):
        answer = ask(path, token=token)
        assert answer.status == 503
        assert "Nobody is let in" in answer.body
        assert "shell" not in answer.body


@pytest.mark.parametrize("text", BAD_BACKS)
def test_only_a_page_of_this_site_is_gone_back_to(text):
    assert addresses.clean_back(text) == "/"


@given(st.text(alphabet=st.sampled_from("/\\:@?#.%ev il\t\n\r0a[]"), max_size=20))
def test_no_text_leads_to_another_site(text):
    back = addresses.clean_back(text)
    assert back.startswith("/")
    assert not back.startswith(("//", "/\\"))
    assert back.isprintable()
    assert "\\" not in back
