// What every figure needs: drawing SVG, scales, words for values, colours, and files for the reader.

const INK = "#1A2433", QUIET = "#566173", LINE = "#C3CBD6", SOFT = "#E9EDF2", BLANK = "#8B96A5";
const LOW = [11, 92, 173], MIDDLE = [186, 174, 178], HIGH = [180, 80, 11];
const RAISES = "#B4500B", LOWERS = "#0B5CAD";
const WORD_COLOURS = ["#0B5CAD", "#B4500B", "#6B4C9A", "#2F6F6B", "#8A6D1D", "#1A2433", "#9A4B78", "#5B7083"];
const FONT = '"Source Sans", "Source Sans 3", system-ui, sans-serif';

function el(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function html(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made[name] = value;
    else if (value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function canvas(width, height, label) {
  return el("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, "font-family": FONT, "font-size": 13, fill: INK });
}

const text = (x, y, words, more = {}) => el("text", { x, y, ...more }, words);

function fit(words, pixels, size = 13) {
  const most = Math.max(4, Math.floor(pixels / (size * 0.5)));
  return words.length <= most ? words : `${words.slice(0, most - 1).trimEnd()}…`;
}

function scale(from, to, start, end) {
  const factor = (end - start) / (to - from || 1);
  return (value) => start + (value - from) * factor;
}

function ticks(from, to, about = 5) {
  const raw = (to - from || 1) / about;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= raw);
  const found = [];
  for (let k = Math.ceil(from / step - 1e-9); k * step <= to + step * 1e-9; k += 1) found.push(Number((k * step).toPrecision(10)));
  return found;
}

const minus = (words) => String(words).replace(/^-/, "−");
const round = (value, decimals) => Number(value).toFixed(decimals);
const tidy = (value) => minus(Number(Number(value).toPrecision(6)));
function points(value, decimals = 1) {
  const words = round(Math.abs(value), decimals);
  return Number(words) === 0 ? "0" : (value > 0 ? "+" : "−") + words;
}
function percent(value) {
  if (value > 0 && value < 1) return "< 1 %";
  if (value < 100 && value > 99) return "> 99 %";
  return `${Math.round(value)} %`;
}
function word(field, value) {
  if (value === null || value === undefined) return "not entered";
  if (field.choices) return field.choices[String(Math.round(value))] ?? tidy(value);
  const decimals = Number.isInteger(value) ? Math.min(field.decimals, 1) : field.decimals;
  return `${minus(round(value, decimals))} ${field.unit}`.trim();
}
const codes = (field) => field.seen ?? Object.keys(field.choices).map(Number).sort((a, b) => a - b);
const titled = (field) => (field.unit ? `${field.label} (${field.unit})` : field.label);

function mix(share) {
  const [a, b, t] = share < 0.5 ? [LOW, MIDDLE, share * 2] : [MIDDLE, HIGH, share * 2 - 1];
  return `rgb(${a.map((part, i) => Math.round(part + (b[i] - part) * t)).join(",")})`;
}
function colourOf(field, value) {
  if (value === null) return null;
  if (field.choices) {
    const all = codes(field);
    return all.length === 2 ? [mix(0), mix(1)][all.indexOf(value)] : mix(all.indexOf(value) / Math.max(all.length - 1, 1));
  }
  return mix(Math.min(1, Math.max(0, (value - field.lo) / (field.hi - field.lo))));
}
function wordColour(field, value) {
  if (value === null) return null;
  return field.choices && codes(field).length > 2 ? WORD_COLOURS[codes(field).indexOf(value) % WORD_COLOURS.length] : colourOf(field, value);
}
function dot(x, y, r, colour, row, more = {}) {
  const paint = colour === null ? { fill: "#fff", stroke: BLANK, "stroke-width": 1 } : { fill: colour };
  return el("circle", { cx: round(x, 1), cy: round(y, 1), r, ...paint, "data-row": row, ...more });
}

// A number between -.5 and .5 that is always the same for the same row.
const shake = (row) => (((row + 1) * 2654435761) % 4294967296) / 4294967296 - 0.5;

function axisBottom(svg, x, y, from, to, title, { about = 5, grid = 0, suffix = "" } = {}) {
  for (const tick of ticks(from, to, about)) {
    if (grid) svg.append(el("line", { x1: x(tick), x2: x(tick), y1: y - grid, y2: y, stroke: tick === 0 ? BLANK : SOFT }));
    svg.append(text(x(tick), y + 15, tidy(tick) + suffix, { "text-anchor": "middle", fill: QUIET, "font-size": 12 }));
  }
  svg.append(text((x(from) + x(to)) / 2, y + 32, title, { "text-anchor": "middle", fill: QUIET, "font-size": 12.5 }));
}
function axisLeft(svg, x, y, from, to, title, right, suffix = "") {
  for (const tick of ticks(from, to, 5)) {
    svg.append(el("line", { x1: x, x2: right, y1: y(tick), y2: y(tick), stroke: tick === 0 ? BLANK : SOFT }));
    svg.append(text(x - 5, y(tick) + 4, tidy(tick) + suffix, { "text-anchor": "end", fill: QUIET, "font-size": 12 }));
  }
  svg.append(text(x - 36, y(to) - 9, title, { fill: QUIET, "font-size": 12.5 }));
}

// Room for slanted words under a field with many choices.
const deep = (field) => (field.choices && codes(field).length > 5 ? 30 : 0);

// A field's own axis: numbers over the range that most patients have, words side by side, blanks in a lane of their own.
function fieldAxis(svg, field, left, right, bottom, hasBlank) {
  const edge = hasBlank ? right - 58 : right;
  if (hasBlank) svg.append(text(right - 24, bottom + 15, "blank", { "text-anchor": "middle", fill: QUIET, "font-size": 12 }));
  const lane = right - 24;
  if (field.choices) {
    const all = codes(field);
    const width = (edge - left) / all.length, slanted = deep(field) > 0;
    all.forEach((code, i) => {
      const at = left + width * (i + 0.5);
      const label = fit(field.choices[String(code)], slanted ? 80 : width - 4, 12.5);
      const place = slanted ? { transform: `rotate(-32 ${round(at + 6, 1)} ${bottom + 14})`, "text-anchor": "end" } : { "text-anchor": "middle" };
      const drawn = text(slanted ? at + 6 : at, bottom + (slanted ? 14 : 15), label, { ...place, fill: QUIET, "font-size": 12 });
      drawn.append(el("title", {}, field.choices[String(code)]));
      svg.append(drawn);
    });
    if (!slanted) svg.append(text((left + edge) / 2, bottom + 32, titled(field), { "text-anchor": "middle", fill: QUIET, "font-size": 12.5 }));
    const place = (value) => (value === null ? lane : left + width * (all.indexOf(value) + 0.5));
    return Object.assign(place, { spread: (value) => (value === null ? 30 : Math.min(60, width * 0.6)), from: NaN, to: NaN });
  }
  const x = scale(field.axis[0], field.axis[1], left + 4, edge - 4);
  axisBottom(svg, x, bottom, field.axis[0], field.axis[1], titled(field));
  const place = (value) => (value === null ? lane : Math.min(edge, Math.max(left, x(value))));
  return Object.assign(place, { spread: (value) => (value === null ? 30 : 0) });
}

function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const fileName = (data, figure, kind) => `medcore-${figure}-${data.model}-${data.sha256.slice(0, 12)}.${kind}`;

function cell(value) {
  let words = value === null || value === undefined ? "" : String(value);
  if (/^[=+\-@\t\r]/.test(words) && !/^[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?$/.test(words)) words = `'${words}`;
  return /[",\n\r]/.test(words) ? `"${words.replaceAll('"', '""')}"` : words;
}
function saveCsv(data, figure, rows) {
  const head = [["# model", data.model], ["# sha256", data.sha256], ["# patients", `${data.patients} (${data.origin})`], ["# note", data.caption]];
  const words = [...head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n");
  save(fileName(data, figure, "csv"), new Blob(["\ufeff", words, "\r\n"], { type: "text/csv;charset=utf-8" }));
}

// The drawing with its title, the model and its hash: what stands around it on the page would be lost otherwise.
function wrapUp(data, svg, title) {
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const whole = canvas(width, height + 62, title);
  whole.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  whole.setAttribute("width", width);
  whole.setAttribute("height", height + 62);
  whole.append(
    el("title", {}, title),
    el("metadata", {}, `model ${data.model}; sha256 ${data.sha256}; ${data.patients}; ${data.caption}`),
    el("rect", { width, height: height + 62, fill: "#fff" }),
    text(4, 18, fit(title, width * 1.05, 16), { "font-size": 16, "font-weight": 600 }),
  );
  const drawing = el("g", { transform: "translate(0 26)" });
  drawing.append(...svg.cloneNode(true).childNodes);
  whole.append(drawing,
    text(4, height + 42, `${data.model} · sha256 ${data.sha256.slice(0, 12)} · ${data.patients}`, { fill: QUIET, "font-size": 11 }),
    text(4, height + 56, data.caption, { fill: QUIET, "font-size": 11 }));
  return whole;
}
function saveSvg(data, figure, svg, title) {
  const words = new XMLSerializer().serializeToString(wrapUp(data, svg, title));
  save(fileName(data, figure, "svg"), new Blob([words], { type: "image/svg+xml" }));
}
async function savePng(data, figure, svg, title) {
  const whole = wrapUp(data, svg, title);
  const words = new XMLSerializer().serializeToString(whole);
  const picture = new Image();
  picture.src = URL.createObjectURL(new Blob([words], { type: "image/svg+xml" }));
  await picture.decode();
  const board = document.createElement("canvas");
  board.width = 2 * whole.getAttribute("width");
  board.height = 2 * whole.getAttribute("height");
  board.getContext("2d").drawImage(picture, 0, 0, board.width, board.height);
  URL.revokeObjectURL(picture.src);
  board.toBlob((blob) => save(fileName(data, figure, "png"), blob), "image/png");
}

// A figure: title, buttons for its files, then its parts. `rows` makes its table when asked.
function figure(view, name, title, parts, { svg = null, files = [] } = {}) {
  const tools = html("div", { class: "tools" });
  for (const [label, rows, suffix] of files) {
    tools.append(html("button", { type: "button", onclick: () => saveCsv(view.data, `${name}${suffix ?? ""}`, rows()), title: `${title}: as a table` }, label));
  }
  if (svg) {
    tools.append(
      html("button", { type: "button", onclick: () => saveSvg(view.data, name, svg, title), title: "As a drawing" }, "SVG"),
      html("button", { type: "button", onclick: () => savePng(view.data, name, svg, title), title: "As a picture" }, "PNG"));
  }
  const place = view.root.querySelector(`[data-figure="${name}"]`);
  place.replaceChildren(html("div", { class: "head" }, html("h2", {}, title), tools), ...parts.filter(Boolean));
}
