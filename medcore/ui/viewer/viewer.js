// The viewer as a whole: bar, stage, foot, keys, and the few events that the server has to know.

const HINT = "Drag: window · wheel: zoom · space + drag: pan · hold H: heat map · ?: all keys";
const READY = "Heat map ready: hold H · drag: window · wheel: zoom · space + drag: pan · ?: all keys";
const ASK_AFTER_MS = 400;
const WAIT_MS = 15000;
const STEP_MS = 10000;
const MOST_ASKED = 2;
const REPEAT_MS = 10000;
const MOST_REPEATED = 12;
const AGAIN_MS = 500;

class Viewer {
  constructor(root) {
    this.root = root;
    this.store = openStore();
    const find = (selector) => root.querySelector(selector);
    this.section = find(".viewer");
    this.stage = find(".stage");
    this.message = find(".message");
    this.help = find(".help");
    this.caption = find(".caption");
    this.menu = find(".presets");
    this.linkBox = find(".link");
    this.opacity = find(".opacity");
    this.buttons = new Map([...root.querySelectorAll(".bar [data-do]")].map((button) => [button.dataset.do, button]));
    this.film = new FilmPane(this, "current");
    this.prior = new FilmPane(this, "prior");
    this.tensor = new TensorPane(this);
    this.active = this.film;
    this.beside = null;
    this.asked = new Map();
    this.stepping = null;
    this.fillHelp();
    this.listen();
  }

  // A run of the page: the same film keeps everything the reader set.
  update({ data, setTriggerValue }) {
    this.send = setTriggerValue;
    this.coming = new Set(data.coming ?? []);
    if (this.data?.film?.film_id !== data.film?.film_id) this.startFilm();
    if (this.stepping && data.stepped >= this.stepping.seq) this.stepping = null;
    this.data = data;
    this.repeatUnheard();
    this.fitWindow();
    this.refresh();
  }

  // As high as the page says, or down to the end of a taller window. Never greyed while the page runs.
  fitWindow() {
    const { height, below } = this.data;
    const scrolled = this.root.host.closest("[data-testid=stMain]")?.scrollTop ?? 0;
    const above = this.section.getBoundingClientRect().top + scrolled;
    const free = below === null ? 0 : Math.floor(innerHeight - above - below);
    this.section.style.height = `${Math.max(height, free)}px`;
    const frame = this.root.host.closest("[data-testid=stElementContainer]");
    frame?.style.setProperty("opacity", "1", "important");
  }

  startFilm() {
    this.heatPinned = false;
    this.heatHeld = false;
    this.active = this.film;
    clearTimeout(this.timer);
  }

  refresh() {
    try {
      this.arrange();
    } catch (error) {
      this.say(`This film cannot be shown: ${error.message}.`);
    }
  }

  arrange() {
    const { film, prior } = this.data;
    if (!film?.film_id || !Array.isArray(film.windows) || !film.windows.length) {
      throw new Error("the page sent no description of it");
    }
    const beside = this.besideNow();
    this.prior.root.hidden = beside !== "prior";
    this.tensor.root.hidden = beside !== "tensor";
    this.film.show(film, beside === "prior" ? "This film" : "");
    if (beside === "prior") this.prior.show(prior, "Prior");
    if (beside === "tensor") this.tensor.show(this.store.tensors.get(film.film_id) ?? null);
    this.askForMissing(beside);
    if (this.film.raster) {
      this.store.fault = "";
      this.say("");
    }
    this.syncBar(beside);
    this.syncPresets();
    this.syncHeat();
  }

  besideNow() {
    if (this.beside === "prior" && this.data.prior) return "prior";
    return this.beside === "tensor" && this.data.film.tensor ? "tensor" : null;
  }

  // Pixels that the page believes to be here but are not: ask for them, twice at most.
  askForMissing(beside) {
    const { film, prior } = this.data;
    const wanted = [["film", film.film_id, this.film.raster]];
    if (beside === "prior") wanted.push(["film", prior.film_id, this.prior.raster]);
    if (beside === "tensor") wanted.push(["tensor", film.film_id, this.tensor.packet]);
    const missing = wanted.find(([, , here]) => !here);
    clearTimeout(this.timer);
    if (!missing) return;
    const [kind, filmId] = missing;
    const name = `${kind}:${filmId}`;
    const times = this.asked.get(name) ?? 0;
    const gaveUp = times >= MOST_ASKED;
    if (!this.film.raster) {
      const fault = this.store.fault || (gaveUp ? "The film's pixels did not arrive. Load the page again (F5)." : "");
      this.say(fault || "Loading the film …", !fault);
    }
    if (gaveUp) return;
    this.timer = setTimeout(() => {
      this.asked.set(name, times + 1);
      this.post("need", kind, filmId);
    }, this.coming.has(name) && !this.store.fault ? WAIT_MS : ASK_AFTER_MS);
  }

  say(words, waiting = false) {
    this.message.hidden = !words;
    this.message.classList.toggle("waiting", waiting);
    this.message.setAttribute("role", waiting ? "status" : "alert");
    setText(this.message, words);
  }

  syncBar(beside) {
    const { film, prior } = this.data;
    const press = (name, on) => this.buttons.get(name).setAttribute("aria-pressed", String(Boolean(on)));
    press("ruler", this.ruling);
    press("tensor", beside === "tensor");
    press("prior", beside === "prior");
    press("heat", this.heatPinned);
    press("invert", this.active.state?.inverted);
    this.buttons.get("tensor").disabled = !film.tensor;
    this.buttons.get("prior").disabled = !prior;
    this.linkBox.hidden = beside !== "prior";
    for (const pane of [this.film, this.prior]) {
      pane.root.classList.toggle("ruling", Boolean(this.ruling));
      pane.root.classList.toggle("panning", Boolean(this.spaceHeld));
    }
  }

  // The menu names the window in use; one made by dragging has no name.
  syncPresets() {
    const { presets = [], state } = this.active;
    const names = presets.map((preset) => preset.name);
    if (this.listed !== names.join("\n")) {
      this.listed = names.join("\n");
      this.menu.replaceChildren(...names.map((name, index) => new Option(name, index)), new Option("By hand", "-1"));
      this.menu.lastChild.hidden = true;
    }
    this.menu.value = String(state ? presets.findIndex((preset) => isSameWindow(preset, state.window)) : 0);
  }

  get heatShown() {
    return Boolean(this.heatPinned || this.heatHeld);
  }

  syncHeat() {
    const { film } = this.data;
    const here = this.film.heat;
    const flat = film.heat && !here ? "No part of the film raises the score." : "";
    const absent = flat || film.heat_caption || "The heat map is being made …";
    const wanted = this.heatShown ? (here ? film.heat_caption : absent) : "";
    setText(this.caption, wanted || (here ? READY : HINT));
    this.caption.title = wanted;
    this.caption.classList.toggle("heated", this.heatShown);
    this.opacity.hidden = !(this.heatShown && here);
    this.opacity.querySelector("input").value = Math.round(this.store.preferences.opacity * 100);
    this.film.redraw("over");
  }

  showHeat(held, pinned) {
    const before = this.heatShown;
    this.heatHeld = held;
    this.heatPinned = pinned;
    if (this.heatShown && !before && !this.data.film.heat && !this.data.film.heat_caption) this.tell("heat", true);
    this.syncBar(this.besideNow());
    this.syncHeat();
  }

  activate(pane) {
    if (this.active === pane) return;
    this.active = pane;
    this.syncPresets();
    this.syncBar(this.besideNow());
  }

  followPlace(source, place) {
    const linked = !this.linkBox.hidden && this.linkBox.querySelector("input").checked;
    const other = source === this.film ? this.prior : this.film;
    if (!linked || !other.state) return;
    other.state.place = place;
    other.redraw("place");
  }

  // Events for the server. Until it has answered a step no reading is taken: it would count for the film being left.
  tell(name, value) {
    const leaving = this.stepping && performance.now() < this.stepping.until;
    if (leaving && (name === "reading" || name === "verdict")) return;
    this.post(name, value, this.data.film.film_id);
    if (name === "step") this.stepping = { seq: this.store.sequence, until: performance.now() + STEP_MS };
  }

  // A waiting message is replaced by the next one, so each carries the last ones too; the server knows them by number.
  post(name, value, filmId) {
    const seq = Math.max(this.store.sequence + 1, Date.now()); // rises across reloads too
    this.store.sequence = seq;
    const recent = this.store.recent.filter((event) => event.seq > seq - REPEAT_MS).slice(1 - MOST_REPEATED);
    this.store.recent = [...recent, { name, value, film_id: filmId, seq }];
    this.send("events", this.store.recent);
    this.repeatUnheard();
  }

  // Another message of the page may take the place of this one on its way: sent again until the server has heard of it.
  repeatUnheard() {
    clearTimeout(this.repeating);
    const last = this.store.recent.at(-1);
    if (!last || last.seq <= this.data.heard || Date.now() > last.seq + REPEAT_MS) return;
    this.repeating = setTimeout(() => {
      const running = document.querySelector("[data-testid=stApp]")?.dataset.testScriptState === "running";
      if (!running) this.send("events", this.store.recent);
      this.repeatUnheard();
    }, AGAIN_MS);
  }

  act(name) {
    if (name === "help") return this.toggleHelp();
    if (name === "full") return this.toggleFullScreen();
    if (name === "tensor" || name === "prior") this.toggleBeside(name);
    else if (name === "heat") this.showHeat(false, !this.heatPinned);
    else if (name === "ruler") this.ruling = !this.ruling;
    else if (this.active.state) this.active[name]();
    this.syncBar(this.besideNow());
    return this.syncPresets();
  }

  toggleBeside(name) {
    this.beside = this.besideNow() === name ? null : name;
    this.active = this.film;
    this.refresh();
  }

  toggleHelp() {
    const opening = this.help.hidden;
    this.help.hidden = !opening;
    this.buttons.get("help").setAttribute("aria-expanded", String(opening));
    if (opening) {
      this.focusedBefore = this.root.activeElement;
      this.help.querySelector("button").focus();
    } else (this.focusedBefore ?? this.film.root).focus();
  }

  toggleFullScreen() {
    if (this.root.fullscreenElement) document.exitFullscreen();
    else this.section.requestFullscreen?.().catch(() => this.buttons.get("full").setAttribute("disabled", ""));
  }

  fillHelp() {
    for (const [keys, words] of KEY_HELP) {
      const row = this.help.querySelector("table").insertRow();
      makeElement("th", "", row).textContent = keys;
      row.insertCell().textContent = words;
    }
  }

  // Listening.

  listen() {
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-do]");
      if (button) this.act(button.dataset.do);
    });
    this.menu.addEventListener("change", () => {
      this.active.setWindow(this.active.presets[Number(this.menu.value)]);
      this.active.root.focus();
    });
    this.opacity.addEventListener("input", (event) => {
      this.store.preferences.opacity = event.target.value / 100;
      this.film.redraw("over");
    });
    this.linkBox.addEventListener("change", () => this.followPlace(this.film, this.film.state.place));
    this.observer = new ResizeObserver(() => {
      for (const pane of [this.film, this.prior]) if (pane.raster) pane.redraw("place");
      this.tensor.redraw();
    });
    this.observer.observe(this.stage);
    this.arrived = () => this.data && this.refresh();
    this.store.listeners.add(this.arrived);
    this.keyDown = (event) => this.takeKey(event);
    this.keyUp = (event) => this.dropKey(nameKey(event));
    this.resize = () => this.data && !this.root.fullscreenElement && this.fitWindow();
    this.blur = () => ["h", " "].forEach((name) => this.dropKey(name));
    addEventListener("keydown", this.keyDown, true);
    addEventListener("keyup", this.keyUp, true);
    addEventListener("blur", this.blur);
    addEventListener("resize", this.resize);
  }

  close() {
    clearTimeout(this.timer);
    clearTimeout(this.repeating);
    this.observer.disconnect();
    this.store.listeners.delete(this.arrived);
    removeEventListener("keydown", this.keyDown, true);
    removeEventListener("keyup", this.keyUp, true);
    removeEventListener("blur", this.blur);
    removeEventListener("resize", this.resize);
  }

  takeKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.data || isTyping(event)) return;
    if (!this.section.checkVisibility() || isCovered(this.root)) return;
    if (!this.useKey(nameKey(event), event)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  // Whether the key was ours.
  useKey(name, event) {
    if (name === "Escape" && !this.help.hidden) this.toggleHelp();
    else if (name === " ") return this.holdSpace(event);
    else if (name === "h") event.repeat || this.showHeat(true, this.heatPinned);
    else if (name in COMMANDS) event.repeat || this.act(COMMANDS[name]);
    else if (name in MESSAGES) event.repeat || this.tell(...MESSAGES[name]);
    else if (name.startsWith("Arrow")) return this.useArrow(name, event);
    else if (!this.active.state) return SWALLOWED.has(name);
    else if (name === "+" || name === "=") this.active.zoomBy(1.2);
    else if (name === "-") this.active.zoomBy(1 / 1.2);
    else if (name === "Delete" || name === "Backspace") this.active.dropRuler();
    else return SWALLOWED.has(name);
    return true;
  }

  holdSpace(event) {
    const onButton = event.composedPath()[0].closest?.("button, a, summary, input, [role=button], [role=tab]");
    const here = this.stage.matches(":hover") || this.stage.contains(this.root.activeElement);
    if (onButton || !here) return false;
    this.spaceHeld = true;
    this.syncBar(this.besideNow());
    return true;
  }

  useArrow(name, event) {
    const [right, down] = ARROWS[name];
    if (!this.active.state || this.root.activeElement !== this.active.root) return false;
    if (event.shiftKey) {
      this.active.setWindow(dragWindow(this.active.state.window, 12 * right, 12 * down, this.active.view.bits));
    } else this.active.pan(-40 * right, -40 * down);
    return true;
  }

  dropKey(name) {
    if (name === "h" && this.heatHeld) this.showHeat(false, this.heatPinned);
    if (name === " " && this.spaceHeld) {
      this.spaceHeld = false;
      this.syncBar(this.besideNow());
    }
  }
}

const COMMANDS = { i: "invert", 0: "reset", l: "ruler", m: "tensor", b: "prior", f: "full", "?": "help" };
const MESSAGES = {
  1: ["reading", 1], 2: ["reading", 2], 3: ["reading", 3], 4: ["reading", 4],
  a: ["verdict", "agree"], o: ["verdict", "override"], n: ["step", 1], p: ["step", -1],
};
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const SWALLOWED = new Set(["r", "c"]); // Streamlit's own: run again, clear the cache

function isSameWindow(a, b) {
  return a.center === b.center && a.width === b.width && a.function === b.function && Boolean(a.onTable) === Boolean(b.onTable);
}

// Streamlit calls this on every run with new data, and what it returns only when the component leaves the page.
function mountViewer(component) {
  const root = component.parentElement;
  root.medcoreViewer ??= new Viewer(root);
  root.medcoreViewer.update(component);
  return () => {
    root.medcoreViewer?.close();
    delete root.medcoreViewer;
  };
}
