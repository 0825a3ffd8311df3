// The list of films: draws the rows it is given and says which one was picked. Also tells the page how high the
// window is, opens the drop zone while files are dragged over the page, and takes N and P where no viewer does.

const TYPING = "input, textarea, select, [contenteditable=true], [role=combobox], [role=textbox]";

function make(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

function drawPicture(row) {
  const picture = make("span", "picture", row.thumbnail ? "" : row.kind === "failed" ? "⚠" : "…");
  if (row.thumbnail) {
    const image = document.createElement("img");
    const wide = row.aspect > 48 / 52;
    image.width = wide ? 48 : Math.max(8, Math.round(52 * row.aspect));
    image.height = wide ? Math.max(8, Math.round(48 / row.aspect)) : 52;
    image.src = row.thumbnail;
    image.alt = "";
    picture.append(image);
  }
  return picture;
}

function drawRow(row, current, pick) {
  const item = make("li", row.study ? "study" : "");
  const button = make("button", "");
  button.type = "button";
  button.title = [row.name, row.study].filter(Boolean).join("\n");
  if (row.id === current) button.setAttribute("aria-current", "true");
  const text = make("span", "text");
  const state = make("span", "state");
  state.append(make("i", `sign ${row.kind}`), make("em", "", row.verdict ? `${row.state}, ${row.verdict}` : row.state));
  if (row.figure) state.append(make("b", "", row.figure));
  text.append(make("span", "name", `${row.number}  ${row.name}`), make("span", "facts", row.facts || "\u00a0"), state);
  button.append(drawPicture(row), text);
  button.onclick = () => pick(row.id);
  item.append(button);
  return item;
}

function draw(list, data, pick) {
  const drawn = JSON.stringify([data.rows, data.current]);
  if (list.medcoreDrawn === drawn) return;
  list.medcoreDrawn = drawn;
  const focused = list.getRootNode().activeElement?.dataset.film;
  list.replaceChildren(...data.rows.map((row) => {
    const item = drawRow(row, data.current, pick);
    item.firstChild.dataset.film = row.id;
    return item;
  }));
  if (!data.rows.length) list.append(make("li", "none", data.none));
  if (focused) list.querySelector(`[data-film="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function showCurrent(list, data) {
  if (list.medcoreCurrent === data.current) return;
  list.medcoreCurrent = data.current;
  list.querySelector("[aria-current=true]")?.scrollIntoView({ block: "nearest" });
}

// The field may be drawn a moment after this list.
function focusSoon(selector, tries) {
  const field = document.querySelector(selector);
  if (field) field.focus();
  else if (tries) setTimeout(() => focusSoon(selector, tries - 1), 50);
}

function moveFocus(list, data) {
  const wanted = data.focus;
  if (wanted && wanted !== list.medcoreFocus) focusSoon(`.st-key-${CSS.escape(wanted)} input`, 20);
  list.medcoreFocus = wanted;
}

// A file made by the page is saved once, whatever runs follow; one made before this list stood here was saved then.
function saveExport(list, made) {
  const number = made?.number ?? 0;
  if (made && number > (list.medcoreSaved ?? number)) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", made.text], { type: "text/csv;charset=utf-8" }));
    link.download = made.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
  list.medcoreSaved = number;
}

function watchDrags() {
  const page = document.documentElement;
  let depth = 0;
  const set = (on) => page.classList.toggle("mc-dragging", on);
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  const enter = (event) => { if (hasFiles(event)) { depth += 1; set(true); } };
  const leave = (event) => { if (hasFiles(event)) { depth = Math.max(0, depth - 1); if (!depth) set(false); } };
  const end = () => { depth = 0; set(false); };
  document.addEventListener("dragenter", enter, true);
  document.addEventListener("dragleave", leave, true);
  document.addEventListener("drop", end, true);
  return () => {
    end();
    document.removeEventListener("dragenter", enter, true);
    document.removeEventListener("dragleave", leave, true);
    document.removeEventListener("drop", end, true);
  };
}

// Listens as long as the list is on the page; `list.medcore` holds what the last run of the page said.
function listen(list) {
  const tellHeight = () => list.medcore.setStateValue("height", window.innerHeight);
  let timer = 0;
  const onResize = () => { clearTimeout(timer); timer = setTimeout(tellHeight, 200); };
  const onKey = (event) => {
    const viewer = !list.medcore.data.keys && document.querySelector(".st-key-film");
    if (viewer || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.composedPath()[0].closest?.(TYPING)) return;
    const by = { n: 1, p: -1 }[event.key.toLowerCase()];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    list.medcore.setTriggerValue("step", by);
  };
  window.addEventListener("resize", onResize);
  document.addEventListener("keydown", onKey, true);
  const stopDrags = watchDrags();
  tellHeight();
  return () => {
    clearTimeout(timer);
    window.removeEventListener("resize", onResize);
    document.removeEventListener("keydown", onKey, true);
    stopDrags();
  };
}

// Streamlit calls this on every run with new data, and what it returns only when the list leaves the page.
export default function (component) {
  const list = component.parentElement.querySelector(".rows");
  list.medcore = component;
  list.medcoreStop ??= listen(list);
  draw(list, component.data, (id) => list.medcore.setTriggerValue("pick", id));
  showCurrent(list, component.data);
  moveFocus(list, component.data);
  saveExport(list, component.data.export);
  return () => {
    list.medcoreStop?.();
    list.medcoreStop = null;
  };
}
