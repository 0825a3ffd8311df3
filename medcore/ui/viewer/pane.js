// One half of the stage: a film that answers to pointer and keys, or the tensor the model was given.

const GROUND = 0xff181410; // #101418 as a little-endian RGBA pixel
const RULER_COLOUR = "#6CB6FF";
const LEAST_RULER_PX = 4;

function makeElement(tag, className, parent) {
  const element = document.createElement(tag);
  element.className = className;
  parent.append(element);
  return element;
}

// Set a text only where it changed: layout is not free.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Size a canvas to the screen's own pixels; says whether that changed it.
function fitCanvas(canvas) {
  const ratio = globalThis.devicePixelRatio || 1;
  const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  const height = Math.max(1, Math.round(canvas.clientHeight * ratio));
  if (canvas.width === width && canvas.height === height) return false;
  canvas.width = width;
  canvas.height = height;
  return true;
}

class FilmPane {
  constructor(viewer, className) {
    this.viewer = viewer;
    this.root = makeElement("div", `pane ${className}`, viewer.stage);
    this.root.tabIndex = 0;
    this.root.setAttribute("role", "application");
    this.canvas = makeElement("canvas", "film", this.root);
    this.canvas.setAttribute("role", "img");
    this.over = makeElement("canvas", "over", this.root);
    this.upper = makeElement("div", "corner upper", this.root);
    const bottom = makeElement("div", "bottom", this.root);
    this.under = makeElement("div", "corner under", bottom);
    this.lower = makeElement("div", "corner lower", bottom);
    this.title = makeElement("div", "title", this.root);
    this.context = this.canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    this.pointers = new Map();
    this.pending = null;
    this.frames = 0;
    this.listen();
  }

  // Take the film's description; its pixels may come later.
  show(view, title) {
    const changed = this.view?.film_id !== view.film_id;
    const heatChanged = changed || JSON.stringify(this.view.heat) !== JSON.stringify(view.heat);
    this.view = view;
    if (heatChanged) this.heat = view.heat ? makeHeat(view.heat) : null;
    if (changed) this.pointers.clear();
    setText(this.title, title);
    setText(this.upper, view.lines.join("\n"));
    const words = [title || "Radiograph", ...view.lines, `${view.columns} by ${view.rows} pixels`];
    this.root.setAttribute("aria-label", `${title || "Film"}: arrows pan, plus and minus zoom, Shift and arrows window`);
    this.canvas.setAttribute("aria-label", words.join(", "));
    this.load();
    this.redraw("place");
  }

  // Find the pixels and what the reader had set; false while the pixels are not here.
  load() {
    const { store } = this.viewer;
    const raster = store.find(this.view.film_id) ?? null;
    if (raster && (raster.rows !== this.view.rows || raster.columns !== this.view.columns)) {
      throw new Error("the film's size and its pixels differ");
    }
    if (raster !== this.raster) {
      this.raster = raster;
      this.presets = raster ? listPresets(this.view, raster) : [];
    }
    if (!raster) return false;
    this.state = store.states.get(this.view.film_id);
    if (!this.state) {
      this.state = { window: this.presets[0], inverted: false, place: WHOLE_FILM, rulers: [] };
      store.states.set(this.view.film_id, this.state);
    }
    return true;
  }

  frame() {
    return frameOf(this.state.place, this.view, this.canvas.width, this.canvas.height);
  }

  // Ask for a new picture: "window" when only grey values change, "over" for heat map and rulers, else "place".
  redraw(what) {
    if (!this.pending) {
      this.pending = new Set();
      requestAnimationFrame(() => this.draw());
    }
    this.pending.add(what);
  }

  draw() {
    const what = this.pending ?? new Set(["place"]);
    this.pending = null;
    if (!this.raster || !this.canvas.clientWidth) return;
    const start = performance.now();
    const resized = fitCanvas(this.canvas);
    fitCanvas(this.over);
    if (resized || !this.image) this.makeBuffers();
    if (resized || what.has("place") || what.has("window")) {
      if (resized || what.has("place") || !this.rectangle) {
        this.rectangle = resample(this.raster, this.frame(), this.samples);
        this.words.fill(GROUND);
      }
      this.paint();
    }
    if (resized || what.has("place") || what.has("over")) this.drawOver();
    this.describe();
    this.frames += 1;
    this.root.dataset.frames = this.frames;
    this.root.dataset.drawMs = (performance.now() - start).toFixed(2);
  }

  makeBuffers() {
    const { width, height } = this.canvas;
    this.image = this.context.createImageData(width, height);
    this.words = new Uint32Array(this.image.data.buffer);
    this.samples = new Uint16Array(width * height);
    this.rectangle = null;
  }

  paint() {
    const { window: shown, inverted } = this.state;
    const lut = packGreys(buildLut(this.view.bits, shown, inverted, this.raster.table));
    const { words, samples } = this;
    const { left, right, top, bottom } = this.rectangle;
    for (let y = top; y < bottom; y++) {
      const offset = y * this.canvas.width;
      for (let i = offset + left, end = offset + right; i < end; i++) words[i] = lut[samples[i]];
    }
    this.context.putImageData(this.image, 0, 0);
  }

  drawOver() {
    const context = this.over.getContext("2d");
    context.clearRect(0, 0, this.over.width, this.over.height);
    const frame = this.frame();
    if (this.heat && this.viewer.heatShown) this.drawHeat(context, frame);
    const ratio = globalThis.devicePixelRatio || 1;
    for (const ruler of this.state.rulers) this.drawRuler(context, frame, ruler, ratio);
    if (this.measuring) this.drawRuler(context, frame, this.measuring, ratio);
  }

  drawHeat(context, frame) {
    const { columns, rows } = this.view;
    const corner = toScreen(frame, 0, 0);
    const end = toScreen(frame, columns, rows);
    context.save();
    context.globalAlpha = this.viewer.store.preferences.opacity;
    context.imageSmoothingEnabled = true;
    context.drawImage(this.heat.picture, corner.x, corner.y, end.x - corner.x, end.y - corner.y);
    context.restore();
    context.beginPath();
    for (const [x1, y1, x2, y2] of this.heat.lines) {
      const from = toScreen(frame, x1 * columns, y1 * rows);
      const to = toScreen(frame, x2 * columns, y2 * rows);
      context.moveTo(from.x, from.y);
      context.lineTo(to.x, to.y);
    }
    const ratio = globalThis.devicePixelRatio || 1;
    for (const [colour, width] of [["#0006", 3], [`rgb(${HEAT_HUE})`, 1.5]]) {
      context.strokeStyle = colour;
      context.lineWidth = width * ratio;
      context.stroke();
    }
  }

  drawRuler(context, frame, { from, to }, ratio) {
    const a = toScreen(frame, from.x, from.y);
    const b = toScreen(frame, to.x, to.y);
    const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
    const tick = { x: ((a.y - b.y) / length) * 5 * ratio, y: ((b.x - a.x) / length) * 5 * ratio };
    for (const [colour, width] of [["#000A", 4], [RULER_COLOUR, 1.5]]) {
      context.strokeStyle = colour;
      context.lineWidth = width * ratio;
      context.beginPath();
      context.moveTo(a.x, a.y);
      context.lineTo(b.x, b.y);
      for (const end of [a, b]) {
        context.moveTo(end.x - tick.x, end.y - tick.y);
        context.lineTo(end.x + tick.x, end.y + tick.y);
      }
      context.stroke();
    }
    this.drawLabel(context, describeLength(this.view, from, to), a, b, ratio);
  }

  drawLabel(context, words, a, b, ratio) {
    context.font = `600 ${14 * ratio}px system-ui, sans-serif`;
    const width = context.measureText(words).width + 12 * ratio;
    const height = 22 * ratio;
    const right = a.x > b.x ? a : b;
    const left = Math.max(0, Math.min(right.x + 8 * ratio, this.over.width - width));
    const top = Math.max(0, Math.min(right.y + 8 * ratio, this.over.height - height));
    context.fillStyle = "#101418D0";
    context.fillRect(left, top, width, height);
    context.fillStyle = RULER_COLOUR;
    context.textBaseline = "middle";
    context.fillText(words, left + 6 * ratio, top + height / 2 + ratio);
  }

  describe() {
    const { window: shown, place, rulers } = this.state;
    const frame = this.frame();
    const ratio = globalThis.devicePixelRatio || 1;
    const name = shown.onTable ? " of its table" : "";
    const size = Math.round(100 / Math.max(frame.stepX, frame.stepY) / ratio);
    const words = [
      `W/L ${Math.round(shown.width)}/${Math.round(shown.center)}${name}`,
      `zoom ${place.zoom.toFixed(place.zoom < 10 ? 2 : 1)} (${size} % size)`,
      describeSpacing(this.view),
    ];
    setText(this.lower, words.join(" · "));
    Object.assign(this.root.dataset, {
      film: this.view.film_id,
      width: shown.width,
      center: shown.center,
      shape: shown.function,
      inverted: this.state.inverted,
      zoom: place.zoom,
      x: place.x,
      y: place.y,
      rulers: rulers.map(({ from, to }) => describeLength(this.view, from, to)).join("; "),
      heat: Boolean(this.heat && this.viewer.heatShown),
    });
  }

  // What keys and buttons do.

  setWindow(shown) {
    this.state.window = shown;
    this.redraw("window");
    this.viewer.syncPresets();
  }

  setPlace(place) {
    this.state.place = place;
    this.redraw("place");
    this.viewer.followPlace(this, place);
  }

  invert() {
    this.state.inverted = !this.state.inverted;
    this.redraw("window");
  }

  reset() {
    Object.assign(this.state, { window: this.presets[0], inverted: false, place: WHOLE_FILM });
    this.redraw("place");
    this.viewer.followPlace(this, WHOLE_FILM);
  }

  dropRuler() {
    this.state.rulers.pop();
    this.redraw("over");
  }

  zoomBy(factor, point) {
    const { x, y } = point ?? { x: this.canvas.width / 2, y: this.canvas.height / 2 };
    this.setPlace(zoomAt(this.state.place, this.view, this.frame(), x, y, factor));
  }

  pan(right, down) {
    this.setPlace(panBy(this.state.place, this.view, this.frame(), right, down));
  }

  // Pointer.

  listen() {
    const on = (name, act, options) =>
      this.root.addEventListener(name, (event) => this.raster && act.call(this, event), options);
    on("pointerdown", this.press);
    on("pointermove", this.move);
    on("pointerup", this.release);
    on("pointercancel", this.release);
    on("lostpointercapture", this.release);
    on("pointerleave", () => setText(this.under, ""));
    on("pointerenter", () => this.viewer.activate(this));
    on("focus", () => this.viewer.activate(this));
    on("wheel", this.wheel, { passive: false });
    on("auxclick", (event) => event.preventDefault());
  }

  pointOf(event) {
    const box = this.root.getBoundingClientRect();
    const ratio = this.canvas.width / (box.width || 1);
    return { x: (event.clientX - box.left) * ratio, y: (event.clientY - box.top) * ratio, ratio };
  }

  press(event) {
    if (event.button > 1) return;
    if (event.button === 1) event.preventDefault();
    this.root.setPointerCapture(event.pointerId);
    this.viewer.activate(this);
    const point = this.pointOf(event);
    this.pointers.set(event.pointerId, point);
    if (this.pointers.size === 1) this.doing = this.chooseTool(event);
    if (this.pointers.size === 2) this.doing = "pinch";
    this.measuring = null;
    if (this.doing === "ruler") {
      const from = toFilm(this.frame(), point.x, point.y);
      this.measuring = { from, to: from };
    }
    this.root.classList.toggle("moving", this.doing === "pan");
  }

  chooseTool(event) {
    if (event.button === 1 || this.viewer.spaceHeld) return "pan";
    return this.viewer.ruling ? "ruler" : "window";
  }

  move(event) {
    const point = this.pointOf(event);
    this.readValue(point);
    const last = this.pointers.get(event.pointerId);
    if (!last) return;
    const right = point.x - last.x;
    const down = point.y - last.y;
    if (this.doing === "window") {
      this.setWindow(dragWindow(this.state.window, right / point.ratio, down / point.ratio, this.view.bits));
    } else if (this.doing === "pan") this.pan(right, down);
    else if (this.doing === "ruler") this.measure(point);
    else if (this.doing === "pinch") this.pinch(event.pointerId, last, point);
    this.pointers.set(event.pointerId, point);
  }

  measure(point) {
    this.measuring.to = toFilm(this.frame(), point.x, point.y);
    this.redraw("over");
  }

  pinch(pointerId, last, point) {
    const other = [...this.pointers].find(([id]) => id !== pointerId)?.[1];
    if (!other) return;
    const before = Math.hypot(last.x - other.x, last.y - other.y);
    const after = Math.hypot(point.x - other.x, point.y - other.y);
    this.pan((point.x - last.x) / 2, (point.y - last.y) / 2);
    if (before > 0) this.zoomBy(after / before, { x: (point.x + other.x) / 2, y: (point.y + other.y) / 2 });
  }

  release(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (this.measuring) this.keepRuler();
    this.doing = null;
    this.root.classList.remove("moving");
  }

  keepRuler() {
    const { from, to } = this.measuring;
    const { stepX, stepY } = this.frame();
    if (Math.hypot((to.x - from.x) / stepX, (to.y - from.y) / stepY) >= LEAST_RULER_PX) {
      this.state.rulers.push({ from, to });
    }
    this.measuring = null;
    this.redraw("over");
  }

  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 0 ? event.deltaY : event.deltaY * 30;
    const speed = event.ctrlKey ? 0.01 : 0.0016;
    this.zoomBy(Math.exp(-Math.max(-400, Math.min(400, lines)) * speed), this.pointOf(event));
  }

  readValue({ x, y }) {
    const point = toFilm(this.frame(), x, y);
    const column = Math.floor(point.x);
    const row = Math.floor(point.y);
    const { rows, columns, pixels } = this.raster.levels[0];
    const inside = column >= 0 && row >= 0 && column < columns && row < rows;
    setText(this.under, inside ? `${column}, ${row} · value ${pixels[row * columns + column]}` : "");
  }
}

// What the model saw: its exact pixels, enlarged without smoothing.
class TensorPane {
  constructor(viewer) {
    this.viewer = viewer;
    this.root = makeElement("div", "pane tensor", viewer.stage);
    this.canvas = makeElement("canvas", "film", this.root);
    this.canvas.setAttribute("role", "img");
    this.title = makeElement("div", "corner upper", this.root);
    this.note = makeElement("div", "corner lower", this.root);
  }

  show(packet) {
    this.packet = packet;
    setText(this.title, packet ? `What the model saw: ${packet.columns} × ${packet.rows}` : "");
    setText(this.note, packet ? "Squashed to a square; no window applies" : "On its way …");
    this.canvas.setAttribute("aria-label", "The picture the model was given, enlarged without smoothing");
    this.redraw();
  }

  redraw() {
    requestAnimationFrame(() => this.draw());
  }

  draw() {
    if (!this.canvas.clientWidth) return;
    fitCanvas(this.canvas);
    const context = this.canvas.getContext("2d", { alpha: false });
    context.fillStyle = "#101418";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.packet) return;
    const { rows, columns } = this.packet;
    const scale = Math.min(this.canvas.width / columns, this.canvas.height / rows);
    const left = Math.round((this.canvas.width - columns * scale) / 2);
    const top = Math.round((this.canvas.height - rows * scale) / 2);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.picture(), left, top, columns * scale, rows * scale);
  }

  picture() {
    if (this.pictured === this.packet) return this.small;
    const { rows, columns, pixels } = this.packet;
    this.small = document.createElement("canvas");
    this.small.width = columns;
    this.small.height = rows;
    const image = new ImageData(columns, rows);
    new Uint32Array(image.data.buffer).set(Uint32Array.from(pixels, (grey) => 0xff000000 | (grey * 0x010101)));
    this.small.getContext("2d").putImageData(image, 0, 0);
    this.pictured = this.packet;
    return this.small;
  }
}
