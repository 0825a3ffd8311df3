"""The page's only script: keyboard, the copy button and the announcement of a result to screen readers.

It reads nothing but the texts it is given and sends nothing back.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

__all__ = ["show"]

_HTML = """
<span class="mc-done" aria-hidden="true"></span>
<button type="button" class="mc-copy" hidden>Copy for the notes <kbd>Alt+K</kbd></button>
<button type="button" class="mc-save" hidden title="Save the text for the notes as a file">Text file</button>
<div class="mc-live" role="status" aria-live="polite"></div>
"""
_CSS = """
button { font: inherit; font-size: 14px; color: var(--mc-accent, #0B5CAD); background: var(--mc-paper, #fff);
  border: 1px solid var(--mc-line, #C3CBD6);
  border-radius: 4px; height: 32px; padding: 0 10px; cursor: pointer; }
button:hover { border-color: var(--mc-accent, #0B5CAD); }
button:focus-visible { outline: 2px solid var(--mc-accent, #0B5CAD); outline-offset: 2px; }
kbd { font: inherit; font-size: 13px; color: var(--mc-quiet, #566173); margin-left: 6px; }
.mc-done { font-size: 14px; color: var(--mc-quiet, #566173); margin-right: 8px; }
.mc-live { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
"""
_JS = """
const find = (selector) => document.querySelector(selector);

function writeByHand(text) {
  const area = document.createElement("textarea");
  area.value = text;
  document.body.appendChild(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

async function copy(root) {
  const text = root.medcoreCopy;
  if (!text) return;
  try { await navigator.clipboard.writeText(text); } catch { writeByHand(text); }
  const done = root.querySelector(".mc-done");
  done.textContent = "Copied";
  clearTimeout(root.medcoreTimer);
  root.medcoreTimer = setTimeout(() => { done.textContent = ""; }, 4000);
}

function save(root) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([root.medcoreCopy + "\\n"], { type: "text/plain;charset=utf-8" }));
  link.download = root.medcoreName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function showResult() {
  const panel = find(".st-key-result");
  if (!panel) return;
  panel.setAttribute("tabindex", "-1");
  panel.scrollIntoView({ block: "nearest" });
  panel.focus();
}

export default function (component) {
  const { data, parentElement: root } = component;
  const button = root.querySelector(".mc-copy");
  const live = root.querySelector(".mc-live");
  root.medcoreCopy = data.copy;
  button.hidden = !data.copy;
  button.onclick = () => copy(root);
  const saver = root.querySelector(".mc-save");
  root.medcoreName = data.name;
  saver.hidden = !data.copy;
  saver.onclick = () => save(root);
  if (live.textContent !== data.announce) live.textContent = data.announce;
  if (data.opened && data.opened !== root.medcoreOpened) {
    setTimeout(() => find(".st-key-facts")?.scrollIntoView({ block: "nearest" }), 400);
  }
  root.medcoreOpened = data.opened;
  // Streamlit calls this on every run, and what it returns only when the component leaves the page.
  if (root.medcoreKeys) document.removeEventListener("keydown", root.medcoreKeys, true);
  const onKey = (event) => {
    if (!event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.code === "KeyP") find(".st-key-paste input")?.focus();
    else if (event.code === "KeyR") showResult();
    else if (event.code === "KeyK") copy(root);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  root.medcoreKeys = onKey;
  document.addEventListener("keydown", onKey, true);
  return () => document.removeEventListener("keydown", root.medcoreKeys, true);
}
"""

_component: Any = None


def show(*, copy: str = "", announce: str = "", opened: str = "", name: str = "medcore.txt") -> None:
    """Mount the script.

    ``copy`` is what the buttons copy and save under ``name`` (empty hides them), ``announce`` what is
    read out, ``opened`` the name of the part just opened below the result, which is scrolled into view.
    """
    global _component
    if _component is None:
        _component = st.components.v2.component("medcore_bridge", html=_HTML, css=_CSS, js=_JS)
    _component(
        key="bridge",
        data={"copy": copy, "announce": announce, "opened": opened, "name": name},
        width="content",
        height="content",
    )
