// All fields at once: mean size of the contributions with its interval, and every patient's contribution beside it.

const FIELDS_SHOWN = 12, DOTS_SHOWN = 500;

function ranked(data) {
  return data.fields.map((_, j) => j).sort((a, b) => data.fields[b].weight[0] - data.fields[a].weight[0]);
}

function shownRows(data) {
  const n = data.p.length;
  if (n <= DOTS_SHOWN) return [...Array(n).keys()];
  return [...Array(DOTS_SHOWN).keys()].map((i) => Math.floor((i * n) / DOTS_SHOWN));
}

// Dots that would cover each other are stacked up and down from the middle of the row, closer together where many are.
function swarm(places, step, most) {
  const filled = new Map();
  const levels = places.map((x) => {
    const bin = Math.round(x / step);
    const k = filled.get(bin) ?? 0;
    filled.set(bin, k + 1);
    return (k % 2 ? -1 : 1) * Math.ceil(k / 2);
  });
  const gap = Math.min(2.4, most / Math.max(1, ...levels));
  return levels.map((level) => level * gap);
}

function drawFields(view) {
  const { data } = view;
  const order = ranked(data).slice(0, FIELDS_SHOWN);
  const rows = shownRows(data);
  const width = view.width, labels = Math.min(230, width * 0.26), bars = Math.min(190, width * 0.2), gap = 46;
  const height = 30, top = 22, bottom = top + order.length * height;
  const title = `${data.fields[order[0]].label} moves the risk most: ${round(data.fields[order[0]].weight[0], 1)} percentage points on average`;
  const svg = canvas(width, bottom + 62, title);
  const longest = Math.max(...order.map((j) => data.fields[j].weight[2]), 0.1);
  const bar = scale(0, longest, labels, labels + bars);
  let extreme = 0.5;
  for (const j of order) for (const i of rows) extreme = Math.max(extreme, Math.abs(data.s[j][i]));
  const left = labels + bars + gap;
  const x = scale(-extreme, extreme, left, width - 10);
  svg.append(text(labels, 12, "Mean size, with 95 % interval", { fill: QUIET, "font-size": 12.5 }));
  svg.append(text(left, 12, "Each patient", { fill: QUIET, "font-size": 12.5 }));
  axisBottom(svg, x, bottom, -extreme, extreme, "lowers the risk  ←  percentage points  →  raises it", { about: 8, grid: bottom - top });
  axisBottom(svg, bar, bottom, 0, longest, "percentage points", { about: 3, grid: bottom - top });
  order.forEach((j, k) => {
    const field = data.fields[j], y = top + (k + 0.5) * height;
    const [value, lo, hi] = field.weight;
    const chosen = j === view.field;
    const label = text(labels - 8, y + 4, fit(field.label, labels - 10), { "text-anchor": "end", "data-field": j, tabindex: 0, role: "button", "font-weight": chosen ? 600 : 400, fill: chosen ? LOWERS : INK });
    label.append(el("title", {}, `${field.label}: show below`));
    svg.append(label, el("rect", { x: labels, y: y - 7, width: Math.max(bar(value) - labels, 0.5), height: 14, fill: "#7C8CA3", "data-field": j }));
    svg.append(el("line", { x1: bar(lo), x2: bar(hi), y1: y, y2: y, stroke: INK, "stroke-width": 1.5 }));
    svg.append(text(bar(hi) + 5, y + 4, round(value, 1), { fill: QUIET, "font-size": 12 }));
    const places = rows.map((i) => x(data.s[j][i]));
    const offsets = swarm(places, 2.6, height / 2 - 3);
    rows.forEach((i, k2) => svg.append(dot(places[k2], y + offsets[k2], 2.1, colourOf(field, data.x[j][i]), i, { "data-of": j, "fill-opacity": 0.85 })));
  });
  const bandTop = bottom + 44;
  for (let k = 0; k < 60; k += 1) svg.append(el("rect", { x: left + k * 2, y: bandTop, width: 2.2, height: 9, fill: mix(k / 59) }));
  svg.append(text(left - 5, bandTop + 9, "low", { "text-anchor": "end", fill: QUIET, "font-size": 12 }));
  svg.append(text(left + 126, bandTop + 9, "high value of the field", { fill: QUIET, "font-size": 12 }));
  svg.append(dot(left + 276, bandTop + 4.5, 3, null, undefined), text(left + 284, bandTop + 9, "blank", { fill: QUIET, "font-size": 12 }));
  const rest = data.fields.length - order.length;
  const fewer = rows.length < data.p.length ? ` ${rows.length} of ${data.p.length} drawn.` : "";
  const note = `Average risk ${percent(data.base)}. ${rest > 0 ? `${rest} ${rest === 1 ? "field" : "fields"} with less effect not drawn, but in the table. ` : ""}Click a dot for that patient, a name for that field.${fewer} ${data.caption}`;
  figure(view, "fields", title, [svg, html("p", { class: "note" }, note)], {
    svg,
    files: [
      ["CSV", () => [["field", "label", "unit", "mean_abs_shap_points", "lo", "hi"], ...ranked(data).map((j) => [data.fields[j].name, data.fields[j].label, data.fields[j].unit, ...data.fields[j].weight])]],
      ["CSV of patients", () => patientTable(data), "-patients"],
    ],
  });
}

function patientTable(data) {
  const head = ["id", "risk_percent", ...(data.y ? ["label"] : []), ...data.fields.map((f) => f.name), ...data.fields.map((f) => `shap_points:${f.name}`)];
  return [head, ...data.p.map((p, i) => [data.ids[i], p, ...(data.y ? [data.y[i]] : []), ...data.x.map((c) => c[i]), ...data.s.map((c) => c[i])])];
}
