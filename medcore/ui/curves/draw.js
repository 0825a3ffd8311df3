// Drawing of one figure: axes, lines, bands, names at the ends of lines. Everything is an attribute of the SVG, so
// that a saved file looks as on the page.

const SVG = "http://www.w3.org/2000/svg";
const FONT = "Source Sans Pro, Source Sans 3, Segoe UI, Helvetica, Arial, sans-serif";
const INK = "#1A2433";
const QUIET = "#566173";
const GRID = "#E9EDF2";
const SIZE = { width: 600, left: 58, right: 126, top: 12, bottom: 44 };
const LABEL_STEP = 17;

function svg(tag, attributes = {}, text = null) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== null) element.textContent = text;
  return element;
}

function round1(value) {
  return Math.round(value * 10) / 10;
}

// Round steps that cut a range into about `wanted` parts.
function listTicks(low, high, wanted = 5) {
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough - 1e-12);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k += 1) ticks.push(k * step);
  return ticks;
}

function makeScale([low, high], [from, to]) {
  return (value) => from + ((value - low) / (high - low)) * (to - from);
}

// The path through points inside the frame; a line that leaves it is cut at the edge by the clip.
function pathOf(xs, ys, sx, sy) {
  let path = "";
  let pen = "M";
  for (let k = 0; k < xs.length; k += 1) {
    if (!Number.isFinite(ys[k]) || !Number.isFinite(xs[k])) {
      pen = "M";
      continue;
    }
    path += `${pen}${round1(sx(xs[k]))} ${round1(sy(ys[k]))}`;
    pen = "L";
  }
  return path;
}

function bandPath(band, sx, sy) {
  const known = [...band.x.keys()].filter((k) => Number.isFinite(band.lo[k]) && Number.isFinite(band.hi[k]));
  if (known.length < 2) return "";
  const point = (k, side) => `${round1(sx(band.x[k]))} ${round1(sy(band[side][k]))}`;
  return `M${known.map((k) => point(k, "hi")).join("L")}L${known.reverse().map((k) => point(k, "lo")).join("L")}Z`;
}

// Heights for names that want to stand at `wanted`, at least a line apart and inside the frame, in their order.
function spreadLabels(wanted, top, bottom, step = LABEL_STEP) {
  const order = wanted.map((y, k) => [y, k]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const places = order.map(([y]) => y);
  for (let k = 1; k < places.length; k += 1) places[k] = Math.max(places[k], places[k - 1] + step);
  const over = places.length ? places[places.length - 1] - bottom : 0;
  if (over > 0) {
    places[places.length - 1] -= over;
    for (let k = places.length - 2; k >= 0; k -= 1) places[k] = Math.min(places[k], places[k + 1] - step);
  }
  if (places.length && places[0] < top) {
    places[0] = top;
    for (let k = 1; k < places.length; k += 1) places[k] = Math.max(places[k], places[k - 1] + step);
  }
  const result = new Array(wanted.length);
  order.forEach(([, original], k) => { result[original] = places[k]; });
  return result;
}

class Figure {
  constructor({ name, title, describe, x, y, height, bottom = SIZE.bottom, below = 0 }) {
    Object.assign(this, { name, title, x, y, height, below });
    this.frame = { left: SIZE.left, right: SIZE.width - SIZE.right, top: SIZE.top, bottom: height - bottom - below };
    this.sx = makeScale([x.min, x.max], [this.frame.left, this.frame.right]);
    this.sy = makeScale([y.min, y.max], [this.frame.bottom, this.frame.top]);
    this.svg = svg("svg", {
      xmlns: SVG, viewBox: `0 0 ${SIZE.width} ${height}`, width: SIZE.width, height, role: "img",
      "font-family": FONT, "font-size": 13, fill: INK,
    });
    this.svg.append(svg("title", {}, title), svg("desc", {}, describe));
    this.svg.append(svg("rect", { width: SIZE.width, height, fill: "#fff" }));
    const clip = `${name}-clip`;
    const rect = { x: this.frame.left, y: this.frame.top, width: this.width, height: this.tall };
    const defs = svg("defs");
    defs.append(svg("clipPath", { id: clip }));
    defs.firstChild.append(svg("rect", rect));
    this.axes = svg("g");
    this.under = svg("g", { "clip-path": `url(#${clip})` });
    this.over = svg("g", { "clip-path": `url(#${clip})` });
    this.names = svg("g");
    this.svg.append(defs, this.axes, this.under, this.over, this.names);
    this.drawAxes();
  }

  get width() { return this.frame.right - this.frame.left; }

  get tall() { return this.frame.bottom - this.frame.top; }

  drawAxes() {
    const { left, right, top, bottom } = this.frame;
    for (const tick of listTicks(this.y.min, this.y.max, this.tall > 220 ? 5 : 4)) {
      const y = round1(this.sy(tick));
      this.axes.append(svg("line", { x1: left, x2: right, y1: y, y2: y, stroke: GRID }));
      this.axes.append(svg("text", { x: left - 8, y: y + 4.5, "text-anchor": "end", fill: QUIET }, this.y.write(tick)));
    }
    for (const tick of listTicks(this.x.min, this.x.max, 6)) {
      const x = round1(this.sx(tick));
      this.axes.append(svg("line", { x1: x, x2: x, y1: bottom, y2: bottom + 4, stroke: QUIET }));
      const place = { x, y: bottom + 18 + this.below, "text-anchor": "middle", fill: QUIET };
      this.axes.append(svg("text", place, this.x.write(tick)));
    }
    this.axes.append(svg("line", { x1: left, x2: right, y1: bottom, y2: bottom, stroke: QUIET }));
    const across = { x: (left + right) / 2, y: bottom + 37 + this.below, "text-anchor": "middle" };
    this.axes.append(svg("text", across, this.x.title));
    const upright = `translate(13 ${(top + bottom) / 2}) rotate(-90)`;
    this.axes.append(svg("text", { transform: upright, "text-anchor": "middle" }, this.y.title));
  }

  line(xs, ys, { color, dash = "", width = 1.8, where = this.over }) {
    const path = svg("path", { d: pathOf(xs, ys, this.sx, this.sy), fill: "none", stroke: color, "stroke-width": width });
    if (dash) path.setAttribute("stroke-dasharray", dash);
    path.setAttribute("stroke-linejoin", "round");
    where.append(path);
    return path;
  }

  band(band, color, opacity) {
    const path = svg("path", { d: bandPath(band, this.sx, this.sy), fill: color, "fill-opacity": opacity });
    this.under.append(path);
    return path;
  }

  note(x, y, text, more = {}) {
    const halo = { stroke: "#fff", "stroke-width": 3, "stroke-opacity": 0.8, "paint-order": "stroke" };
    this.names.append(svg("text", { x, y, fill: QUIET, ...halo, ...more }, text));
  }

  // Names right of the frame, each with a piece of its line; `ends` are [model, x, y] in data units.
  nameEnds(ends) {
    const { right, top, bottom } = this.frame;
    const clamp = (y) => Math.min(bottom, Math.max(top, y));
    const wanted = ends.map(([, , y]) => clamp(this.sy(y)));
    const places = spreadLabels(wanted, top + 6, bottom - 2);
    ends.forEach(([model, x], k) => {
      const y = round1(places[k]);
      const from = `M${round1(Math.min(right, this.sx(x)))} ${round1(wanted[k])}L${right + 6} ${y}`;
      this.names.append(svg("path", { d: from, fill: "none", stroke: model.color, "stroke-opacity": 0.45 }));
      const stub = svg("path", { d: `M${right + 6} ${y}h18`, fill: "none", stroke: model.color, "stroke-width": 2 });
      if (model.dash) stub.setAttribute("stroke-dasharray", model.dash);
      this.names.append(stub, svg("text", { x: right + 28, y: y + 4.5, fill: model.color }, model.name));
    });
  }
}
