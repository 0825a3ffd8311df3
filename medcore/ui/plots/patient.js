// One patient: from the average risk to theirs, field by field, and the patients judged most alike.

function drawPatient(view) {
  const { data } = view;
  const i = view.row, width = 372, labels = 196, top = 24, height = 20;
  const order = data.fields.map((_, j) => j).sort((a, b) => Math.abs(data.s[b][i]) - Math.abs(data.s[a][i]));
  const bottom = top + (order.length + 1) * height;
  const title = `${data.ids[i][0].toUpperCase()}${data.ids[i].slice(1)}: risk ${percent(data.p[i])}`;
  const svg = canvas(width, bottom + 24, `From the average ${percent(data.base)} to ${percent(data.p[i])}`);
  let at = data.base, least = Math.min(data.base, data.p[i]), most = Math.max(data.base, data.p[i]);
  for (const j of order) {
    at += data.s[j][i];
    least = Math.min(least, at);
    most = Math.max(most, at);
  }
  const x = scale(least - 1, most + 1, labels, width - 44);
  svg.append(el("line", { x1: x(data.base), x2: x(data.base), y1: top - 6, y2: bottom - height + 4, stroke: LINE, "stroke-dasharray": "3 3" }));
  svg.append(text(Math.max(labels + 30, Math.min(x(data.base), width - 60)), top - 10, `average ${percent(data.base)}`, { "text-anchor": "middle", fill: QUIET, "font-size": 12 }));
  at = data.base;
  order.forEach((j, k) => {
    const field = data.fields[j], step = data.s[j][i], y = top + (k + 0.5) * height;
    const said = word(field, data.x[j][i]);
    const name = fit(field.label, labels - 12 - said.length * 6, 12.5);
    const label = el("text", { x: labels - 8, y: y + 4, "text-anchor": "end", "font-size": 12.5, "data-field": j }, `${name} `, el("tspan", { fill: QUIET }, fit(said, 92, 12)), el("title", {}, `${field.label}: ${said}`));
    const [from, to] = [x(Math.min(at, at + step)), x(Math.max(at, at + step))];
    svg.append(label, el("rect", { x: from, y: y - 6, width: Math.max(to - from, 0.8), height: 12, fill: step > 0 ? RAISES : LOWERS }));
    svg.append(text(width - 2, y + 4, points(step), { "text-anchor": "end", "font-size": 12, fill: Math.abs(step) < 0.05 ? BLANK : INK }));
    at += step;
    svg.append(el("line", { x1: x(at), x2: x(at), y1: y + 6, y2: y + height - 6, stroke: LINE }));
  });
  const y = bottom - 6;
  svg.append(text(labels - 8, y + 4, "this patient", { "text-anchor": "end", "font-weight": 600 }), el("line", { x1: x(at), x2: x(at), y1: y - 8, y2: y + 6, stroke: INK, "stroke-width": 2 }));
  svg.append(text(x(at) + (x(at) > width - 100 ? -6 : 6), y + 4, percent(data.p[i]), { "font-weight": 600, "text-anchor": x(at) > width - 100 ? "end" : "start" }));
  const number = html("input", { type: "number", min: 1, max: data.p.length, value: i + 1, "aria-label": "Number of the patient", onchange: (event) => view.pick(Math.round(Number(event.target.value)) - 1) });
  const tools = html("div", { class: "row" }, html("label", {}, "Patient ", number, ` of ${data.p.length}`),
    html("button", { type: "button", onclick: () => view.pick(i - 1), "aria-label": "Previous patient" }, "‹ previous"),
    html("button", { type: "button", onclick: () => view.pick(i + 1), "aria-label": "Next patient" }, "next ›"));
  const outcome = data.y ? ` ${data.y[i] ? "Had" : "Did not have"} the outcome.` : "";
  const made = data.made_up ? " A made-up patient." : "";
  figure(view, "patient", title, [tools, svg, html("p", { class: "note" }, `Percentage points from the average risk, largest first.${made}${outcome}`)], {
    svg,
    files: [["CSV", () => [["field", "label", "value", "unit", "shap_points"], ...order.map((j) => [data.fields[j].name, data.fields[j].label, data.fields[j].choices ? word(data.fields[j], data.x[j][i]) : data.x[j][i], data.fields[j].unit, data.s[j][i]]), ["", "average risk", data.base, "%", ""], ["", "risk", data.p[i], "%", ""]]]],
  });
}

function nearest(data, i, most) {
  const gap = (k) => Math.sqrt(data.s.reduce((sum, column) => sum + (column[k] - column[i]) ** 2, 0));
  return data.p.map((_, k) => [k, k === i ? Infinity : gap(k)]).sort((a, b) => a[1] - b[1]).slice(0, Math.min(most, data.p.length - 1));
}

function drawSimilar(view) {
  const { data } = view;
  const found = nearest(data, view.row, 5);
  if (!found.length) {
    figure(view, "similar", "No other patient", []);
    return;
  }
  const lead = data.fields.map((_, j) => j).sort((a, b) => Math.abs(data.s[b][view.row]) - Math.abs(data.s[a][view.row])).slice(0, 2);
  const head = ["Patient", "Risk", ...(data.y ? ["Outcome"] : []), ...lead.map((j) => data.fields[j].label), "Gap"];
  const rows = found.map(([k, gap]) => html("tr", {},
    html("td", {}, html("button", { type: "button", onclick: () => view.pick(k) }, data.ids[k].replace("made-up ", ""))),
    html("td", { class: "n" }, percent(data.p[k])),
    ...(data.y ? [html("td", { class: "n" }, data.y[k] ? "yes" : "no")] : []),
    ...lead.map((j) => html("td", {}, word(data.fields[j], data.x[j][k]))),
    html("td", { class: "n" }, round(gap, 1))));
  const table = html("table", {}, html("tr", {}, ...head.map((name, k) => html("th", { class: k === 1 || k === head.length - 1 ? "n" : "" }, name))), ...rows);
  figure(view, "similar", "Judged most alike", [table, html("p", { class: "note" }, "Nearest by contributions. Gap: their distance, percentage points.")], {
    files: [["CSV", () => [["id", "risk_percent", "gap_points", ...data.fields.map((f) => f.name)], ...nearest(data, view.row, 20).map(([k, gap]) => [data.ids[k], data.p[k], round(gap, 3), ...data.x.map((c) => c[k])])]]],
  });
}
