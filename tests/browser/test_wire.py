"""What comes over the wire to a real server, as no browser of ours sends it: foreign, doubled, too much, cut off."""

import asyncio
import contextlib
import http.client
import importlib.util
import json
import select
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "tests" / "browser" / "entrance_app.py"
PASSWORD = "three quiet herons at dawn"
PAGES = ("", "risk", "xray", "patients", "models", "compare", "explore", "agreement", "audit", "accounts", "site",
         "account", "start", "leave")  # fmt: skip
MEGABYTE = 1024 * 1024
LIMIT_S = 120.0
RISK = 'class="mc-number'
SAVED = "Saved without a patient"

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("websockets"), reason="websockets is not installed")


def load_session():
    """Return the load test's client, which lies beside the tests and not on their path."""
    spec = importlib.util.spec_from_file_location("load_session", ROOT / "tests" / "load" / "session.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


load = load_session()


@pytest.fixture(scope="module")
def site(tmp_path_factory, serve):
    """Address of a dashboard where one has to sign in; its log holds no traceback."""
    folder = tmp_path_factory.mktemp("wire")
    with serve[0](APP, folder) as address:
        yield address
    log = (folder / "log").read_text()
    assert not [word for word in ("Traceback", "Uncaught") if word in log]


class Ear(load.Session):
    """A session that keeps everything it is sent."""

    def __init__(self, *args, **more):
        super().__init__(*args, limit_s=LIMIT_S, **more)
        self.messages = []

    def _note(self, message):
        self.messages.append(message)
        super()._note(message)

    def elements(self):
        """Return the kinds of all elements that were drawn."""
        drawn = [item.delta.new_element for item in self.messages if item.WhichOneof("type") == "delta"]
        return [element.WhichOneof("type") for element in drawn if element.WhichOneof("type")]

    async def hang_up(self):
        """Close the connection without a word."""
        self._socket.transport.abort()

    async def come_back(self):
        """Connect again as the browser does, until the server has noticed that the first connection is gone."""
        known = self.session_id
        async with asyncio.timeout(LIMIT_S):
            while True:
                self.session_id = known
                await self.__aenter__()
                await self.open()
                if self.session_id == known:
                    return
                await self._socket.close()


def run(work):
    """Run a coroutine in a thread of its own: the browser tests leave a running loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def ask(address, method, path, body=None, headers=None):
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=LIMIT_S)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found


def sign_in(address, name="ada"):
    """Return the cookie of a new session."""
    headers = {"Origin": address, "Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode({"name": name, "password": PASSWORD, "next": "/"})
    status, sent, _ = ask(address, "POST", "/sign-in", body, headers)
    assert status == 303
    return sent["set-cookie"].partition(";")[0]


def count_events(address, action):
    status, _, body = ask(address, "GET", "/events", headers={"Cookie": sign_in(address)})
    assert status == 200
    return sum(item[1] == action for item in json.loads(body))


# --- the websocket


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example", "file://"])
def test_a_websocket_of_another_site_is_refused_even_with_the_cookie(site, origin):
    import websockets

    async def connect():
        address = site.replace("http://", "ws://") + "/_stcore/stream"
        headers = {"Cookie": sign_in(site)}
        async with websockets.connect(
            address, subprotocols=["streamlit"], origin=origin, additional_headers=headers, open_timeout=LIMIT_S
        ):
            raise AssertionError("connected")

    with pytest.raises(websockets.InvalidStatus) as refused:
        run(connect())
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("page", PAGES)
def test_a_websocket_without_a_session_gets_the_way_to_the_sign_in_and_nothing_else(site, page):
    async def listen(cookie):
        async with Ear(site, page=page, query="condition=diabetes", cookie=cookie) as ear:
            await ear.open()
            return ear

    for cookie in ("", "medcore_session=" + "x" * 43):
        assert_only_the_door(run(listen(cookie)))


def assert_only_the_door(ear):
    assert set(ear.elements()) <= {"html", "empty"}
    assert not ear.ids
    assert not ear.timers
    shown = [text for text in ear.texts if "<style" not in text and "<h1" not in text]
    (door,) = shown
    assert 'class="mc-door"' in door or "You are signed out" in door
    raw = b"".join(message.SerializeToString() for message in ear.messages)
    assert not [word for word in (b"olga", b"account:", b"three quiet") if word in raw]


def test_what_a_session_knows_opens_nothing_to_somebody_without_one(site):
    """The numbers of parts and fields, and the session's own number, taken from somebody who is signed in."""

    async def steal():
        async with Ear(site, query="condition=diabetes", cookie=sign_in(site)) as owner:
            await owner.open()
            assert owner.ids["age_years"]
            async with Ear(site, query="condition=diabetes") as thief:
                thief.ids, thief.parts = dict(owner.ids), dict(owner.parts)
                thief.session_id = owner.session_id
                thief.values = {owner.ids["age_years"]: ("string_value", "61")}
                await thief._ask(part=owner.parts["age_years"])  # a part that this connection does not have
                await thief._run()
                assert_only_the_door(thief)
        thief = Ear(site, query="condition=diabetes")
        thief.session_id = owner.session_id  # comes back as the owner, without the owner's cookie
        async with thief:
            await thief.open()
            return thief

    assert_only_the_door(run(steal()))


def test_a_file_address_is_no_use_without_a_session(site):
    async def find():
        async with Ear(site) as ear:
            await ear.open()
            return (await ear.ask_for_addresses(["a.png"]))[0].upload_url

    status, _, body = ask(site, "PUT", run(find()), b"x", {"Origin": site})
    assert (status, body) == (403, b"Sign in first.")


# --- files


START = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
END = b"\r\n--b--\r\n"


def write_head(host, cookie, url, size):
    """Return the head of an upload."""
    token = next(item.partition("=")[2] for item in cookie.split("; ") if item.startswith("_streamlit_xsrf"))
    lines = (
        f"PUT {url} HTTP/1.1", f"Host: {host}", f"Origin: http://{host}", f"Cookie: {cookie}", f"X-Xsrftoken: {token}",
        "Content-Type: multipart/form-data; boundary=b", size, "", "",
    )  # fmt: skip
    return "\r\n".join(lines).encode()


def send_without_size(address, cookie, url, megabytes):
    """Send a file without saying how large it is; returns the answer's status and how many megabytes it took."""
    parts, sent = urlsplit(address), 0
    with socket.create_connection((parts.hostname, parts.port), timeout=LIMIT_S) as connection:
        connection.sendall(write_head(parts.netloc, cookie, url, "Transfer-Encoding: chunked"))
        connection.sendall(b"%x\r\n%s\r\n" % (len(START), START))
        with contextlib.suppress(ConnectionError):  # it was refused in the meantime: the answer is there
            while sent < megabytes and not select.select([connection], [], [], 0)[0]:
                connection.sendall(b"%x\r\n%s\r\n" % (MEGABYTE, b"x" * MEGABYTE))
                sent += 1
        return int(connection.recv(4096).split()[1]), sent


class Sending:
    """One upload over a connection of its own, a piece at a time."""

    def __init__(self, address, cookie, url, *, n_bytes):
        self._parts, self._cookie, self._url, self._n_bytes = urlsplit(address), cookie, url, n_bytes

    async def begin(self):
        """Connect and send the head and the beginning of the form."""
        self._reader, self._writer = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        size = f"Content-Length: {len(START) + self._n_bytes + len(END)}"
        self._writer.write(write_head(self._parts.netloc, self._cookie, self._url, size))
        await self.send(START)

    async def send(self, data):
        with contextlib.suppress(ConnectionError):  # refused already: the answer is there
            self._writer.write(data)
            await self._writer.drain()

    async def end(self):
        """Send the rest; returns the answer's status."""
        await self.send(END)
        return await self.read()

    async def read(self):
        """Return the status of the answer."""
        async with asyncio.timeout(LIMIT_S):
            line = await self._reader.readline()
        self._writer.close()
        return int(line.split()[1])

    def cut(self):
        """Go away in the middle."""
        self._writer.transport.abort()


def take_xsrf(address, cookie):
    """Return the cookies with the one that Streamlit wants for uploads."""
    _, headers, _ = ask(address, "GET", "/_stcore/health", headers={"Cookie": cookie})
    return f"{cookie}; {headers['set-cookie'].partition(';')[0]}"


async def open_uploads(address):
    """Return an open session and the cookies its uploads need."""
    cookie = sign_in(address)
    ear = await Ear(address, cookie=cookie).__aenter__()
    await ear.open()
    return ear, await asyncio.to_thread(take_xsrf, address, cookie)


async def make_sending(address, ear, cookie, **more):
    (url,) = await ear.ask_for_addresses(["a.png"])
    sending = Sending(address, cookie, url.upload_url, **more)
    await sending.begin()
    return sending


def test_a_file_of_201_megabytes_is_refused_announced_or_not(site):
    async def send():
        ear, cookie = await open_uploads(site)
        announced = await make_sending(site, ear, cookie, n_bytes=201 * MEGABYTE)
        assert await announced.read() == 413
        (url,) = await ear.ask_for_addresses(["a.png"])
        status, sent = await asyncio.to_thread(send_without_size, site, cookie, url.upload_url, 201)
        assert status == 413
        assert sent < 201  # it does not read to the end to refuse
        small = await make_sending(site, ear, cookie, n_bytes=4)
        await small.send(b"film")
        assert await small.end() == 204
        await ear.__aexit__()

    run(send())


def test_a_ninth_upload_at_once_waits_and_those_cut_off_leave_their_place(site):
    async def try_one(ear, cookie):
        one = await make_sending(site, ear, cookie, n_bytes=4)
        await one.send(b"film")
        try:
            return await one.end()
        except ConnectionError:  # refused and closed before all was sent: the answer was lost on the way
            return None

    async def wait_for_answer(ear, cookie, status):
        async with asyncio.timeout(LIMIT_S):
            while await try_one(ear, cookie) != status:
                await asyncio.sleep(0.1)

    async def send():
        ear, cookie = await open_uploads(site)
        for _ in range(2):  # once more, when the first eight were cut off
            open_ones = [await make_sending(site, ear, cookie, n_bytes=8) for _ in range(8)]
            await wait_for_answer(ear, cookie, 503)
            await open_ones[0].send(b"12345678")
            assert await open_ones[0].end() == 204
            await wait_for_answer(ear, cookie, 204)
            for sending in open_ones[1:]:
                await sending.send(b"1234")
                sending.cut()
            await wait_for_answer(ear, cookie, 204)
        await ear.__aexit__()

    run(send())


# --- twice, again and again, in the middle


async def open_scored(ear):
    await ear.open()
    await ear.choose("example", ear.options["example"][0])
    await ear.wait_for(RISK, LIMIT_S)


async def wait_until_saved(ear):
    async with asyncio.timeout(LIMIT_S):
        while not any(SAVED in text for text in ear.texts):
            await ear._receive_until("script_finished")


def test_a_double_click_on_save_saves_once(site):
    before = count_events(site, "save_assessment")

    async def click_twice():
        async with Ear(site, query="condition=diabetes", cookie=sign_in(site)) as ear:
            await open_scored(ear)
            for _ in range(2):
                await ear._ask(part=ear.parts["save_result"], pressed="save_result")
            await wait_until_saved(ear)

    run(click_twice())
    assert count_events(site, "save_assessment") == before + 1


def test_the_same_values_sent_twice_are_assessed_once(site):
    async def send_twice():
        async with Ear(site, query="condition=diabetes", cookie=sign_in(site)) as ear:
            await open_scored(ear)
            before = await asyncio.to_thread(count_events, site, "assess")
            await ear.type("age_years", "44")
            await ear.wait_for(RISK, LIMIT_S) if not any(RISK in text for text in ear.texts) else None
            await ear.type("age_years", "44")
            return before

    before = run(send_twice())
    assert count_events(site, "assess") == before + 1


def test_a_connection_cut_while_saving_never_saves_twice(site):
    before = count_events(site, "save_assessment")

    async def cut():
        ear = await Ear(site, query="condition=diabetes", cookie=sign_in(site)).__aenter__()
        await open_scored(ear)
        await ear._ask(part=ear.parts["save_result"], pressed="save_result")
        await ear.hang_up()
        await ear.come_back()
        await ear.wait_for(RISK, LIMIT_S) if not any(RISK in text for text in ear.texts) else None
        if "save_result" in ear.ids:
            await ear.press("save_result")
        await wait_until_saved(ear)
        await ear.__aexit__()

    run(cut())
    assert count_events(site, "save_assessment") == before + 1


def test_a_storm_of_reloads_leaves_a_server_that_answers(site):
    cookie = sign_in(site)

    async def reload(number):
        async with Ear(site, query="condition=diabetes", cookie=cookie) as ear:
            await ear._ask()
            if number % 2:
                await ear._receive_until("new_session")
            if number % 3 == 0:
                await ear.hang_up()

    async def storm():
        for _ in range(5):
            await asyncio.gather(*(reload(number) for number in range(12)))
        async with Ear(site, query="condition=diabetes", cookie=cookie) as ear:
            await open_scored(ear)

    run(storm())
    assert ask(site, "GET", "/healthz")[0] == 200


def test_what_is_no_message_ends_that_connection_only(site):
    async def send_rubbish():
        async with Ear(site, query="condition=diabetes", cookie=sign_in(site)) as other:
            await other.open()
            for rubbish in (b"", b"\xff" * 1000, b"\x00" * MEGABYTE):
                async with Ear(site) as ear:
                    with contextlib.suppress(Exception):
                        await ear._socket.send(rubbish)
            await open_scored(other)

    run(send_rubbish())
