// One field: what it contributes at each of its values, and how the risk answers when it alone is moved.

function chooser(view, label, value, options, set) {
  const select = html("select", { "aria-label": label, onchange: (event) => set(Number(event.target.value)) });
  for (const [key, name] of options) {
    const option = html("option", { value: key }, name);
    option.selected = key === value;
    select.append(option);
  }
  return html("label", {}, `${label} `, select);
}

function drawDependence(view) {
  const { data } = view;
  const j = view.field, field = data.fields[j], rows = shownRows(data);
  const partner = view.colour ?? field.partner, other = partner === null ? null : data.fields[partner];
  const width = view.half, left = 40, right = width - 8, top = 26, bottom = 250;
  const values = rows.map((i) => data.s[j][i]);
  const lo = Math.min(0, ...values), hi = Math.max(0.5, ...values);
  const title = `${field.label}: ${points(Math.min(...values))} to ${points(Math.max(...values))} points`;
  const svg = canvas(width, bottom + 64 + deep(field), title);
  const y = scale(lo, hi, bottom - 4, top);
  axisLeft(svg, left, y, lo, hi, "Contribution, percentage points", right);
  const x = fieldAxis(svg, field, left, right, bottom, field.blank > 0);
  for (const i of rows) {
    const value = data.x[j][i];
    const colour = other ? wordColour(other, data.x[partner][i]) : LOWERS;
    svg.append(dot(x(value) + shake(i) * x.spread(value), y(data.s[j][i]), 2.6, colour, i, { "data-of": j, "data-by": partner ?? undefined, "fill-opacity": 0.8 }));
  }
  if (other) legend(svg, other, left, bottom + 52 + deep(field), right - left);
  const tools = html("div", { class: "row" },
    chooser(view, "Field", j, ranked(data).map((k) => [k, data.fields[k].label]), (k) => view.choose(k)),
    chooser(view, "coloured by", partner ?? -1, data.fields.map((f, k) => [k, f.label]).filter(([k]) => k !== j), (k) => view.paint(k)));
  const why = other && partner === field.partner ? `Colour: the field it seems to act together with most. ` : "";
  figure(view, "dependence", title, [tools, svg, html("p", { class: "note" }, `${why}A dot is a patient; the same value can count differently in different patients. ${data.caption}`)], {
    svg,
    files: [["CSV", () => [["id", field.name, "shap_points", ...(other ? [other.name] : [])], ...data.p.map((_, i) => [data.ids[i], data.x[j][i], data.s[j][i], ...(other ? [data.x[partner][i]] : [])])]]],
  });
}

function legend(svg, field, left, y, width) {
  if (field.choices) {
    let at = left;
    svg.append(text(at, y, `${fit(field.label, 120, 12)}:`, { fill: QUIET, "font-size": 12 }));
    at += Math.min(field.label.length, 20) * 6 + 12;
    for (const code of codes(field)) {
      const words = fit(field.choices[String(code)], 90, 12);
      if (at + 16 + words.length * 6 > left + width) break;
      svg.append(dot(at + 4, y - 4, 4, wordColour(field, code), undefined), text(at + 12, y, words, { fill: QUIET, "font-size": 12 }));
      at += 24 + words.length * 6.2;
    }
    return;
  }
  const ends = [word(field, field.lo), word(field, field.hi)];
  const name = `${fit(field.label, width - 240, 12)}: ${ends[0]}`;
  svg.append(text(left, y, name, { fill: QUIET, "font-size": 12 }));
  const start = left + name.length * 5.9 + 8;
  for (let k = 0; k < 30; k += 1) svg.append(el("rect", { x: start + k * 2, y: y - 9, width: 2.2, height: 9, fill: mix(k / 29) }));
  svg.append(text(start + 67, y, ends[1] ?? "", { fill: QUIET, "font-size": 12 }));
}

function drawEffect(view) {
  const { data } = view;
  const j = view.field, field = data.fields[j], effect = data.effects[j];
  const width = view.half, left = 44, right = width - 8, top = 26, bottom = 250;
  const everything = [...effect.lo, ...effect.hi, ...effect.curves.flat()];
  const lo = Math.max(0, Math.min(...everything)), hi = Math.min(100, Math.max(...everything, lo + 1));
  const change = Math.max(...effect.mean) - Math.min(...effect.mean);
  const title = `Moved alone, ${field.label} changes the mean risk by ${round(change, 1)} points`;
  const svg = canvas(width, bottom + 38 + deep(field), title);
  const y = scale(lo, hi, bottom - 4, top);
  axisLeft(svg, left, y, lo, hi, "Risk", right, " %");
  const x = fieldAxis(svg, field, left, right, bottom, false);
  if (field.choices) drawSteps(svg, effect, x, y);
  else drawCurves(svg, effect, x, y);
  figure(view, "effect", title, [html("div", { class: "row" }, html("label", {}, "All else as it is. Not the effect of a treatment.")), svg,
    html("p", { class: "note" }, `${field.choices ? "Grey dots" : "Thin lines"}: ${effect.curves.length} of the patients. Blue: the mean of 60, with the 90 % range of the model rebuilt from resampled patients. Some combinations of values may not occur.`)], {
    svg,
    files: [["CSV", () => [[field.name, "mean_risk_percent", "lo", "hi", ...effect.curves.map((_, k) => `patient_${k + 1}`)], ...effect.grid.map((v, k) => [v, effect.mean[k], effect.lo[k], effect.hi[k], ...effect.curves.map((c) => c[k])])]]],
  });
}

const path = (xs, ys) => xs.map((x, k) => `${k ? "L" : "M"}${round(x, 1)} ${round(ys[k], 1)}`).join("");

function drawCurves(svg, effect, x, y) {
  const xs = effect.grid.map((value) => x(value));
  for (const curve of effect.curves) svg.append(el("path", { d: path(xs, curve.map(y)), fill: "none", stroke: BLANK, "stroke-width": 0.8, opacity: 0.45 }));
  const back = xs.slice().reverse();
  svg.append(el("path", { d: `${path(xs, effect.lo.map(y))}${path(back, effect.hi.map(y).reverse()).replace("M", "L")}Z`, fill: LOWERS, opacity: 0.18 }));
  svg.append(el("path", { d: path(xs, effect.mean.map(y)), fill: "none", stroke: LOWERS, "stroke-width": 2.4 }));
}

function drawSteps(svg, effect, x, y) {
  const many = effect.grid.length > 5;
  effect.grid.forEach((code, k) => {
    const at = x(code);
    effect.curves.forEach((curve, i) => svg.append(el("circle", { cx: round(at + shake(i) * x.spread(code), 1), cy: round(y(curve[k]), 1), r: 1.6, fill: BLANK, opacity: 0.6 })));
    svg.append(el("line", { x1: at, x2: at, y1: y(effect.lo[k]), y2: y(effect.hi[k]), stroke: LOWERS, "stroke-width": 7, opacity: 0.35 }));
    svg.append(el("circle", { cx: at, cy: y(effect.mean[k]), r: 4.5, fill: LOWERS }), many ? text(at, y(effect.hi[k]) - 5, Math.round(effect.mean[k]), { "font-size": 12, "font-weight": 600, "text-anchor": "middle" }) : text(at + 10, y(effect.mean[k]) + 4, percent(effect.mean[k]), { "font-size": 12, "font-weight": 600 }));
  });
}
