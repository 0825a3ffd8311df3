// What fields do together, what shuffling says beside SHAP, and groups of patients judged for like reasons.

function fieldButton(view, j) {
  return html("button", { type: "button", onclick: () => view.choose(j) }, view.data.fields[j].label);
}

function drawPairs(view) {
  const { data } = view;
  if (!data.pairs.length) {
    figure(view, "pairs", "No pair of fields acts together visibly", [html("p", { class: "note" }, data.pairs_note || "Every contribution follows from its own field's value.")]);
    return;
  }
  const [a, b] = data.pairs[0];
  const longest = data.pairs[0][2];
  const rows = data.pairs.map(([i, j, size]) => html("tr", {},
    html("td", {}, fieldButton(view, i), " with ", fieldButton(view, j)),
    html("td", { class: "n" }, html("span", { class: "bar", style: `width:${Math.max(1, (size / longest) * 70)}px` }), ` ${round(size, 1)}`)));
  const table = html("table", {}, html("tr", {}, html("th", {}, "Pair"), html("th", { class: "n" }, "Points")), ...rows);
  figure(view, "pairs", `${data.fields[a].label} and ${data.fields[b].label} act together most`, [table,
    html("p", { class: "note" }, "Typical size of what the two contributions hold that depends on both fields, estimated from the contributions.")], {
    files: [["CSV", () => [["field", "with", "strength_points"], ...data.pairs.map(([i, j, size]) => [data.fields[i].name, data.fields[j].name, size])]]],
  });
}

function drawShuffle(view) {
  const { data } = view;
  const order = ranked(data).slice(0, 10);
  const width = view.half, labels = Math.min(170, width * 0.36), top = 30, height = 24;
  const bottom = top + order.length * height;
  const svg = canvas(width, bottom + 8, "Importance by SHAP and by shuffling");
  const middle = labels + (width - labels) / 2;
  const name = data.shuffle_kind === "loss" ? "Shuffled: AUROC lost" : "Shuffled: points";
  const most = [0, 1].map((k) => Math.max(0.01, ...order.map((j) => (k ? data.fields[j].shuffle[2] : data.fields[j].weight[2]))));
  svg.append(text(labels, 14, "SHAP: points", { fill: QUIET, "font-size": 12.5 }), text(middle + 8, 14, name, { fill: QUIET, "font-size": 12.5 }));
  const places = data.fields.map((_, j) => j).sort((p, q) => data.fields[q].shuffle[0] - data.fields[p].shuffle[0]);
  order.forEach((j, k) => {
    const field = data.fields[j], y = top + (k + 0.5) * height;
    svg.append(text(labels - 8, y + 4, fit(field.label, labels - 10), { "text-anchor": "end", "data-field": j }));
    [field.weight, field.shuffle].forEach(([value, lo, hi], side) => {
      const start = side ? middle + 8 : labels;
      const x = scale(0, most[side], start, start + (width - labels) / 2 - 62);
      svg.append(el("rect", { x: start, y: y - 6, width: Math.max(0.5, x(Math.max(value, 0)) - start), height: 12, fill: side ? "#A79BB8" : "#7C8CA3" }));
      svg.append(el("line", { x1: x(Math.max(lo, 0)), x2: x(Math.max(hi, 0)), y1: y, y2: y, stroke: INK, "stroke-width": 1.5 }));
      svg.append(text(x(Math.max(hi, 0)) + 5, y + 4, side ? `${round(value, 1)} (${places.indexOf(j) + 1}.)` : round(value, 1), { fill: QUIET, "font-size": 12 }));
    });
  });
  const title = data.differences.length ? "SHAP and shuffling put some fields in another order" : "SHAP and shuffling put the fields in much the same order";
  const list = data.differences.map((words) => html("p", {}, words));
  const how = data.shuffle_kind === "loss"
    ? "SHAP: mean size. Shuffled: how much AUROC, in hundredths, falls when the field's values are mixed between patients."
    : "SHAP: mean size. Shuffled: how far the risk moves when the field's values are mixed between patients. It is not a loss of accuracy: these patients have no outcome.";
  figure(view, "shuffle", title, [svg, ...list, html("p", { class: "note" }, how)], {
    svg,
    files: [["CSV", () => [["field", "mean_abs_shap_points", "lo", "hi", `shuffled_${data.shuffle_kind}_points`, "lo", "hi"], ...ranked(data).map((j) => [data.fields[j].name, ...data.fields[j].weight, ...data.fields[j].shuffle])]]],
  });
}

function drawGroups(view) {
  const { data } = view;
  if (!data.groups.length) {
    figure(view, "groups", "No groups of patients", [html("p", { class: "note" }, data.groups_note)]);
    return;
  }
  const apart = data.groups[0].apart;
  const how = apart >= 0.5 ? "clearly apart" : apart >= 0.25 ? "with blurred borders" : "that run into each other";
  const events = data.groups[0].events !== null;
  const rows = data.groups.map((group, g) => html("tr", {},
    html("td", { class: "n" }, `${g + 1}`), html("td", { class: "n" }, `${group.n}`), html("td", { class: "n" }, percent(group.p)),
    ...(events ? [html("td", { class: "n" }, percent(group.events))] : []),
    html("td", {}, group.traits.join("; ")),
    html("td", { class: "n" }, html("button", { type: "button", onclick: () => view.pick(data.group.findIndex((own, i) => own === g && i > -1 && i === typical(data, g))) }, "typical patient"))));
  const head = ["Group", "Patients", "Mean risk", ...(events ? ["Had the outcome"] : []), "What sets them apart", ""];
  const table = html("table", {}, html("tr", {}, ...head.map((name, k) => html("th", { class: k < head.length - 2 ? "n" : "" }, name))), ...rows);
  figure(view, "groups", `${data.groups.length} groups of patients judged for like reasons, ${how}`, [table,
    html("p", { class: "note" }, `Grouped by their contributions, not by their values. ${data.caption}`)], {
    files: [["CSV", () => [["group", "patients", "mean_risk_percent", "what_sets_them_apart"], ...data.groups.map((g, k) => [k + 1, g.n, g.p, g.traits.join("; ")])]],
      ["CSV of patients", () => [["id", "group", "risk_percent"], ...data.p.map((p, i) => [data.ids[i], data.group[i] + 1, p])], "-patients"]],
  });
}

// The member nearest to the mean of its group.
function typical(data, g) {
  const members = data.group.map((own, i) => (own === g ? i : -1)).filter((i) => i >= 0);
  const center = data.s.map((column) => members.reduce((sum, i) => sum + column[i], 0) / members.length);
  const gap = (i) => data.s.reduce((sum, column, j) => sum + (column[i] - center[j]) ** 2, 0);
  return members.reduce((best, i) => (gap(i) < gap(best) ? i : best), members[0]);
}
