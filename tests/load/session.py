"""One session over Streamlit's own websocket protocol, light enough that forty of them need little of the machine.

It does what the browser does: asks for the page, remembers the widgets, sends a changed value together with all
others, answers the timers of waiting parts, and uploads films by the address that the server hands out.
"""

import asyncio
import http.client
import json
import time
from urllib.parse import urlsplit

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

XSRF_COOKIE = "_streamlit_xsrf"


class FailedRunError(Exception):
    """The page reported an error or did not end in time."""


class Session:
    """A page of the dashboard as one user has it open.

    Parameters
    ----------
    address : str
        ``http://host:port``.
    page : str
        Name of the page in the address, empty for the first.
    query : str
        Query of the address.
    cookie : str
        What the browser holds for the address, ``name=value``.
    """

    def __init__(self, address, page="", query="", limit_s=60.0, cookie=""):
        self.address, self.page, self.query, self.limit_s, self.cookie = address, page, query, limit_s, cookie
        self.ids, self.parts, self.options, self.values, self.texts, self.timers = {}, {}, {}, {}, [], {}
        self.session_id, self.n_bytes = "", 0

    async def __aenter__(self):
        address = self.address.replace("http://", "ws://") + "/_stcore/stream"
        known = ["none", self.session_id] if self.session_id else []  # in the place of a token, and who comes back
        self._socket = await websockets.connect(
            address,
            subprotocols=["streamlit", *known],
            max_size=None,
            origin=self.address,
            open_timeout=self.limit_s,
            additional_headers={"Cookie": self.cookie} if self.cookie else None,
        )
        return self

    async def __aexit__(self, *_):
        await self._socket.close()

    async def open(self):
        """Ask for the page; returns the seconds until it is drawn."""
        return await self._run()

    async def choose(self, key, option):
        """Click an entry of a menu button, which redraws the page."""
        return await self._run(trigger=(key, option))

    async def press(self, key):
        """Press a button, which redraws its part. Returns the seconds until that is done."""
        return await self._run(part=self.parts[key], pressed=key)

    async def type(self, key, text):
        """Change a field; redraws its part. Returns the seconds until the new result is here."""
        self.values[self.ids[key]] = ("string_value", text)
        return await self._run(part=self.parts[key])

    async def wait_for(self, word, limit_s=180.0):
        """Answer the timers of the page until a text with ``word`` comes."""
        end = time.monotonic() + limit_s
        while not any(word in text for text in self.texts):
            if time.monotonic() > end:
                raise FailedRunError(f"{word} did not come in {limit_s:g} s")
            part, pause_s = next(iter(self.timers.items()), (None, 1.0))
            await asyncio.sleep(pause_s)
            await self._run(part=part, auto=True)

    async def upload(self, key, files):
        """Drop files, a mapping of name to bytes; returns the seconds until the page has taken them."""
        start = time.perf_counter()
        urls = await self.ask_for_addresses(list(files))
        widget = next(value for name, value in self.ids.items() if name.startswith(key))
        state = WidgetState(id=widget)
        for (name, data), url in zip(files.items(), urls, strict=True):
            await asyncio.to_thread(self._put, url.upload_url, name, data)
            info = state.file_uploader_state_value.uploaded_file_info.add()
            info.name, info.size, info.file_id = name, len(data), url.file_id
            info.file_urls.CopyFrom(url)
        await self._run(extra=[state])
        return time.perf_counter() - start

    async def ask_for_addresses(self, names):
        """Return where the server wants files of these names to be sent."""
        asked = BackMsg()
        asked.file_urls_request.request_id = "1"
        asked.file_urls_request.file_names.extend(names)
        asked.file_urls_request.session_id = self.session_id
        await self._socket.send(asked.SerializeToString())
        return (await self._receive_until("file_urls_response")).file_urls_response.file_urls

    def _put(self, url, name, data):
        parts = urlsplit(self.address)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=self.limit_s)
        connection.request("GET", "/_stcore/health")
        answer = connection.getresponse()
        answer.read()
        cookies = [value.split(";")[0] for key, value in answer.getheaders() if key.lower() == "set-cookie"]
        token = next((cookie.split("=", 1)[1] for cookie in cookies if cookie.startswith(XSRF_COOKIE)), "").strip('"')
        head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        headers = {
            "Content-Type": "multipart/form-data; boundary=b",
            "X-Xsrftoken": token,
            "Cookie": "; ".join([*cookies, *([self.cookie] if self.cookie else [])]),
            "Origin": self.address,
        }
        connection.request("PUT", url, head + data + b"\r\n--b--\r\n", headers)
        answer = connection.getresponse()
        if answer.status >= 300:
            raise FailedRunError(f"upload answered {answer.status}: {answer.read()[:200]!r}")
        connection.close()

    async def _run(self, *, part=None, trigger=None, pressed=None, extra=(), auto=False):
        start = time.perf_counter()
        await self._ask(part=part, trigger=trigger, pressed=pressed, extra=extra, auto=auto)
        await self._receive_until("script_finished")
        return time.perf_counter() - start

    async def _ask(self, *, part=None, trigger=None, pressed=None, extra=(), auto=False):
        message = BackMsg()
        run = message.rerun_script
        run.query_string, run.page_name = self.query, self.page
        run.is_auto_rerun = auto
        if part:
            run.fragment_id = part
        for widget, (kind, value) in self.values.items():
            setattr(run.widget_states.widgets.add(id=widget), kind, value)
        if trigger:
            run.widget_states.widgets.add(id=self.ids[trigger[0]]).string_trigger_value.data = trigger[1]
        if pressed:
            run.widget_states.widgets.add(id=self.ids[pressed]).trigger_value = True
        for state in extra:
            run.widget_states.widgets.add().CopyFrom(state)
        self.texts = []
        if not part:
            self.ids, self.parts, self.timers = {}, {}, {}
        await self._socket.send(message.SerializeToString())

    async def _receive_until(self, kind):
        try:
            async with asyncio.timeout(self.limit_s):
                while True:
                    data = await self._socket.recv()
                    self.n_bytes += len(data)
                    message = ForwardMsg.FromString(data)
                    self._note(message)
                    if message.WhichOneof("type") == kind and not self._is_early_end(message):
                        return message
        except TimeoutError as error:
            raise FailedRunError(f"no {kind} in {self.limit_s:g} s") from error

    @staticmethod
    def _is_early_end(message):
        """Whether a run ended only to begin anew."""
        early = ForwardMsg.ScriptFinishedStatus.FINISHED_EARLY_FOR_RERUN
        return message.WhichOneof("type") == "script_finished" and message.script_finished == early

    def _note(self, message):
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self.session_id = message.new_session.initialize.session_id or self.session_id
        elif kind == "auto_rerun":
            self.timers[message.auto_rerun.fragment_id] = message.auto_rerun.interval
        elif kind == "stop_auto_rerun":
            self.timers.pop(message.stop_auto_rerun.fragment_id, None)
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._note_element(message.delta.new_element, message.delta.fragment_id)

    def _note_element(self, element, part):
        kind = element.WhichOneof("type")
        body = getattr(element, kind)
        if kind == "html":
            self.texts.append(body.body)
        elif kind == "exception":
            raise FailedRunError("the page shows an exception")
        widget = getattr(body, "id", "")
        if not widget.startswith("$$ID-"):
            return
        key = widget.split("-", 2)[2]
        self.ids[key], self.parts[key] = widget, part
        if kind == "menu_button":
            self.options[key] = [getattr(option, "label", option) for option in body.options]
        if kind == "text_input" and (body.set_value or widget not in self.values):
            self.values[widget] = ("string_value", body.value if body.set_value else body.default)
        elif kind == "button_group" and (body.set_value or widget not in self.values):
            pass  # the server keeps what an example has set


def describe(fault):
    """Return an error as text, never empty."""
    return json.dumps(f"{type(fault).__name__}: {fault}")
