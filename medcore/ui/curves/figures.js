// The figures of the page. Each says how it is drawn, where a model stands on it at a cut-off, which cut-off lies
// nearest to the pointer, what it tells about a model there, and its figures as rows for a file.

const HEIGHT = 330;
const asPercent = (share) => `${Math.round(share * 1000) / 10}${UNIT}`;
const asCount = (count) => fixed(count, 0);

// The last cut-off at which some model still calls this share of all, rounded up: where the figure ends.
function lastUseful(page, least) {
  const { cuts } = page;
  let last = 1;
  for (const model of page.models) {
    const { sensitivity, specificity } = model.table;
    for (let k = 0; k < cuts.length; k += 1) {
      const called = page.prevalence * sensitivity[k] + (1 - page.prevalence) * (1 - specificity[k]);
      if (called > least) last = Math.max(last, k);
    }
  }
  const step = cuts[last] > 0.5 ? 0.1 : 0.05;
  return Math.min(1, Math.max(0.1, Math.ceil(cuts[last] / step - 1e-9) * step));
}

function nearestOnAxis(figure, page, px) {
  const t = figure.x.min + ((px - figure.frame.left) / figure.width) * (figure.x.max - figure.x.min);
  return nearestIndex(page.cuts, t);
}

// The cut-off whose points, of any model, lie nearest to the pointer.
function nearestPoint(figure, page, px, py, place) {
  let best = [Infinity, 1];
  for (let k = firstIndex(page.cuts); k <= lastIndex(page.cuts); k += 1) {
    for (const model of page.models) {
      const point = place(model, k);
      if (!point) continue;
      const away = Math.hypot(figure.sx(point[0]) - px, figure.sy(point[1]) - py);
      if (away < best[0]) best = [away, k];
    }
  }
  return best[1];
}

function withLimits(value, low, high, write) {
  const limits = range(low, high, write);
  return limits ? `${write(value)} (${limits})` : write(value);
}

function drawDecision(page) {
  const max = lastUseful(page, 0.03);
  const top = 1000 * page.prevalence;
  const figure = new Figure({
    name: "decision-curve",
    title: "Decision curve",
    describe: "Net benefit of each model by cut-off, with calling everyone and calling no one.",
    x: { min: 0, max, title: "cut-off (risk from which one acts)", write: asPercent },
    y: { min: -0.07 * top, max: 1.04 * top, title: `net cases found per 1,000 ${page.noun}`, write: asCount },
    height: HEIGHT,
  });
  const { cuts } = page;
  const within = (k) => cuts[k] > 0 && cuts[k] <= max + 1e-9 && cuts[k] < 1;
  const kept = [...cuts.keys()].filter(within);
  const xs = kept.map((k) => cuts[k]);
  figure.line([0, max], [0, 0], { color: QUIET, width: 1.2 });
  const all = xs.map((t) => treatAll(t, page.prevalence));
  figure.line([0, ...xs], [top, ...all], { color: QUIET, width: 1.2 });
  figure.note(figure.frame.left + 6, figure.sy(0) + 15, "call no one");
  nameTreatAll(figure, xs, all);
  const ends = [];
  figure.bands = new Map();
  figure.lines = new Map();
  for (const model of page.models) {
    const take = (name) => kept.map((k) => 1000 * model.table[name][k]);
    const band = { x: xs, lo: take("net_benefit_lo"), hi: take("net_benefit_hi") };
    figure.bands.set(model.id, figure.band(band, model.color, 0.03));
    const ys = take("net_benefit");
    figure.lines.set(model.id, figure.line(xs, ys, model));
    ends.push([model, xs[xs.length - 1], ys[ys.length - 1]]);
  }
  figure.nameEnds(ends);
  figure.place = (model, k) => [cuts[k], 1000 * model.table.net_benefit[k]];
  figure.pick = (px) => nearestOnAxis(figure, page, px);
  figure.head = "net cases found per 1,000";
  figure.tell = (model, k) => withLimits(...readAt(model, k, page.prevalence).netBenefit, (v) => fixed(v, 1));
  figure.extra = (k) => [["call everyone", fixed(treatAll(cuts[k], page.prevalence), 1)]];
  figure.vertical = (k) => cuts[k];
  figure.columns = ["cut_off", "net_benefit_per_1000", "lo", "hi", "treat_all_per_1000"];
  figure.rows = (model) => kept.map((k) => [cuts[k],
    ...["net_benefit", "net_benefit_lo", "net_benefit_hi"].map((name) => 1000 * model.table[name][k]),
    treatAll(cuts[k], page.prevalence)]);
  return figure;
}

// Along its line, below it.
function nameTreatAll(figure, xs, all) {
  const found = all.findIndex((value) => value < figure.y.max * 0.5);
  const k = Math.min(xs.length - 2, Math.max(1, found < 0 ? Math.floor(xs.length / 2) : found));
  const at = (i) => [figure.sx(xs[i]), figure.sy(all[i])];
  const [[x, y], [x0, y0], [x1, y1]] = [at(k), at(k - 1), at(k + 1)];
  const turn = (Math.atan2(y1 - y0, x1 - x0) * 180) / Math.PI;
  figure.note(0, 14, "call everyone", {
    transform: `translate(${round1(x)} ${round1(y)}) rotate(${round1(turn)})`, "text-anchor": "middle",
  });
}

function drawCalibration(page) {
  const max = lastUseful(page, 0.01);
  const strip = 14 * page.models.length + 6;
  const figure = new Figure({
    name: "calibration",
    title: "Calibration",
    describe: "Observed share by predicted risk, smooth and in tenths, with the distribution of risks below.",
    x: { min: 0, max, title: "predicted risk", write: asPercent },
    y: { min: 0, max: highestObserved(page, max), title: "observed share with the outcome", write: asPercent },
    height: HEIGHT,
    below: strip,
  });
  figure.line([0, 1], [0, 1], { color: QUIET, width: 1.2 });
  const ends = [];
  figure.bands = new Map();
  figure.lines = new Map();
  figure.tenths = new Map();
  for (const model of page.models) {
    const { calibration: curve } = model;
    figure.bands.set(model.id, figure.band(curve, model.color, 0.08));
    figure.lines.set(model.id, figure.line(curve.x, curve.y, model));
    figure.tenths.set(model.id, drawTenths(figure, model));
    const end = Math.min(max, curve.x[curve.x.length - 1]);
    ends.push([model, end, interpolate(curve.x, curve.y, end)]);
  }
  figure.nameEnds(ends);
  figure.note(figure.frame.right - 4, figure.frame.bottom - 8, "thin line: observed as predicted", { "text-anchor": "end" });
  drawStrips(figure, page, strip);
  figure.place = (model, k) => {
    const y = interpolate(model.calibration.x, model.calibration.y, page.cuts[k]);
    return Number.isFinite(y) ? [page.cuts[k], y] : null;
  };
  figure.pick = (px) => nearestOnAxis(figure, page, px);
  figure.head = "observed where predicted so";
  figure.tell = (model, k) => {
    const at = ["y", "lo", "hi"].map((part) => interpolate(model.calibration.x, model.calibration[part], page.cuts[k]));
    return Number.isFinite(at[0]) ? withLimits(...at, (v) => percent(v)) : "no patients here";
  };
  figure.vertical = (k) => page.cuts[k];
  figure.columns = ["kind", "predicted", "observed", "lo", "hi", "n", "n_events"];
  figure.rows = (model) => [
    ...[...model.calibration.x.keys()].map((k) =>
      ["smooth", ...["x", "y", "lo", "hi"].map((part) => model.calibration[part][k]), "", ""]),
    ...model.bins.map((bin) => ["tenth", ...bin]),
  ];
  return figure;
}

function highestObserved(page, max) {
  let highest = max;
  for (const { calibration, bins } of page.models) {
    for (let k = 0; k < calibration.x.length; k += 1) {
      if (calibration.x[k] <= max) highest = Math.max(highest, calibration.y[k]);
    }
    for (const bin of bins) highest = Math.max(highest, bin[1] || 0);
  }
  return highest > 0.85 ? 1 : Math.ceil(highest * 20) / 20;
}

function drawTenths(figure, model) {
  const group = svg("g", { visibility: "hidden" });
  const { min, max } = figure.y;
  for (const [mean, observed, lo, hi] of model.bins) {
    if (mean > figure.x.max || observed < min || observed > max) continue;  // beyond the axes, as the line is
    const x = round1(figure.sx(mean));
    const ends = { y1: round1(figure.sy(Math.max(lo, min))), y2: round1(figure.sy(Math.min(hi, max))) };
    const whisker = { x1: x, x2: x, ...ends, stroke: model.color };
    group.append(svg("line", whisker));
    const dot = { cx: x, cy: round1(figure.sy(observed)), r: 3, fill: "#fff", stroke: model.color, "stroke-width": 1.4 };
    group.append(svg("circle", dot));
  }
  figure.over.append(group);
  return group;
}

// One row of bars a model between the frame and the axis: where its risks lie (root of the count, so that few show).
function drawStrips(figure, page, strip) {
  const top = figure.frame.bottom + 5;
  page.models.forEach((model, row) => {
    const { edges, events, others } = model.histogram;
    const most = Math.sqrt(Math.max(...events.map((count, k) => count + others[k])));
    const ground = top + 14 * (row + 1) - 1;
    const bars = svg("g", { fill: model.color, "fill-opacity": 0.55 });
    for (let k = 0; k < events.length; k += 1) {
      if (edges[k] >= figure.x.max) break;
      const tall = most > 0 ? (12 * Math.sqrt(events[k] + others[k])) / most : 0;
      const [left, right] = [figure.sx(edges[k]), Math.min(figure.frame.right, figure.sx(edges[k + 1]))];
      const size = { x: round1(left), width: round1(Math.max(0.5, right - left - 0.7)), height: round1(tall) };
      if (tall > 0) bars.append(svg("rect", { ...size, y: round1(ground - tall) }));
    }
    figure.axes.append(bars);
  });
  figure.axes.append(svg("text", { x: figure.frame.right + 8, y: top + strip / 2 + 2, fill: QUIET }, "where risks lie"));
}

function drawRoc(page) {
  const figure = new Figure({
    name: "roc",
    title: "ROC curve",
    describe: "Share of cases found by share of false alarms among those without the outcome.",
    x: { min: 0, max: 1, title: "false alarms among those without the outcome (1 − specificity)", write: asPercent },
    y: { min: 0, max: 1, title: "cases found (sensitivity)", write: asPercent },
    height: 400,
  });
  figure.line([0, 1], [0, 1], { color: QUIET, width: 1.2 });
  figure.note(figure.sx(0.62), figure.sy(0.56), "no better than chance");
  drawPaths(figure, page, "roc");
  figure.place = (model, k) => [1 - model.table.specificity[k], model.table.sensitivity[k]];
  figure.pick = (px, py) => nearestPoint(figure, page, px, py, figure.place);
  figure.head = "found · false alarms, of each kind";
  figure.tell = (model, k) => `${percent(model.table.sensitivity[k])} · ${percent(1 - model.table.specificity[k])}`;
  figure.columns = ["one_minus_specificity", "sensitivity", "lo", "hi"];
  figure.rows = (model) => bandRows(model.roc);
  return figure;
}

function drawPrecisionRecall(page) {
  const figure = new Figure({
    name: "precision-recall",
    title: "Precision and recall",
    describe: "Share of true alarms by share of cases found.",
    x: { min: 0, max: 1, title: "cases found (recall, sensitivity)", write: asPercent },
    y: { min: 0, max: 1, title: "true among alarms (precision, PPV)", write: asPercent },
    height: 400,
  });
  figure.line([0, 1], [page.prevalence, page.prevalence], { color: QUIET, width: 1.2 });
  const low = page.prevalence < 0.9;
  figure.note(figure.frame.left + 6, figure.sy(page.prevalence) + (low ? -5 : 15), "calling everyone");
  drawPaths(figure, page, "pr");
  figure.place = (model, k) => {
    const { sensitivity, ppv } = readAt(model, k, page.prevalence);
    return Number.isFinite(ppv[0]) ? [sensitivity[0], ppv[0]] : null;
  };
  figure.pick = (px, py) => nearestPoint(figure, page, px, py, figure.place);
  figure.head = "true among alarms · found";
  figure.tell = (model, k) => {
    const at = readAt(model, k, page.prevalence);
    return `${withLimits(...at.ppv, (v) => percent(v))} · ${percent(at.sensitivity[0])}`;
  };
  figure.columns = ["recall", "precision", "lo", "hi"];
  figure.rows = (model) => bandRows(model.pr);
  return figure;
}

function bandRows(band) {
  return [...band.x.keys()].map((k) => ["x", "y", "lo", "hi"].map((part) => band[part][k]));
}

function drawPaths(figure, page, name) {
  figure.bands = new Map();
  figure.lines = new Map();
  const ends = [];
  for (const model of page.models) {
    const curve = model[name];
    figure.bands.set(model.id, figure.band(curve, model.color, 0.06));
    figure.lines.set(model.id, figure.line(curve.x, curve.y, model));
    ends.push([model, curve.x[curve.x.length - 1], curve.y[curve.y.length - 1]]);
  }
  figure.nameEnds(ends);
}

function drawCost(page) {
  const figure = new Figure({
    name: "cost-curve",
    title: "Cost curve",
    describe: "Expected cost of wrong calls by how much cases weigh, each model at its best cut-off.",
    x: { min: 0, max: 1, title: "weight of cases (share of cases times harm of missing one)", write: asPercent },
    y: { min: 0, max: 0.5, title: "cost of wrong calls, share of the largest", write: asPercent },
    height: 400,
  });
  const pcs = Array.from({ length: 201 }, (_, k) => k / 200);
  figure.line([0, 0.5, 1], [0, 0.5, 0], { color: QUIET, width: 1.2 });
  figure.note(figure.sx(0.3), figure.sy(0.34), "call everyone", { "text-anchor": "end" });
  figure.note(figure.sx(0.7), figure.sy(0.34), "call no one");
  figure.bands = new Map();
  figure.lines = new Map();
  const best = new Map();
  const ends = [];
  for (const model of page.models) {
    const ys = pcs.map((pc) => lowestCost(model, pc));
    best.set(model.id, ys);
    figure.lines.set(model.id, figure.line(pcs, ys, model));
    ends.push([model, 1, ys[200]]);
  }
  figure.nameEnds(ends);
  const weigh = (k) => probabilityCost(page.cuts[k], page.prevalence);
  figure.place = (model, k) => [weigh(k), costAt(model.table.sensitivity[k], model.table.specificity[k], weigh(k))];
  figure.pick = (px) => {
    const pc = (px - figure.frame.left) / figure.width;
    const odds = (pc / (1 - pc)) * ((1 - page.prevalence) / page.prevalence);
    return nearestIndex(page.cuts, 1 / (1 + odds));
  };
  figure.vertical = weigh;
  figure.head = "cost here · at the best cut-off";
  figure.tell = (model, k) => `${percent(figure.place(model, k)[1])} · ${percent(lowestCost(model, weigh(k)))}`;
  figure.columns = ["weight_of_cases", "lowest_cost"];
  figure.rows = (model) => pcs.map((pc, k) => [pc, best.get(model.id)[k]]);
  return figure;
}

function lowestCost(model, pc) {
  const { sensitivity, specificity } = model.table;
  let lowest = Math.min(pc, 1 - pc);
  for (let k = 0; k < sensitivity.length; k += 1) {
    lowest = Math.min(lowest, costAt(sensitivity[k], specificity[k], pc));
  }
  return lowest;
}

// Risks of those with and without the outcome, one small figure a model on one axis.
function drawHistograms(page) {
  const max = lastUseful(page, 0.002);
  return page.models.map((model) => {
    const { edges, events, others } = model.histogram;
    const [ill, well] = [sum(events), sum(others)];
    const share = (counts, total) => counts.map((count) => (total > 0 ? count / total : 0));
    const [up, down] = [share(events, ill), share(others, well)];
    const most = Math.max(0.01, ...up, ...down);
    const figure = new Figure({
      name: `risks-${model.id}`,
      title: `Risks by ${model.name}`,
      describe: "Distribution of the risks of those with the outcome (above) and without (below).",
      x: { min: 0, max, title: "risk", write: asPercent },
      y: { min: -most * 1.08, max: most * 1.08, title: "share of each group", write: (v) => asPercent(Math.abs(v)) },
      height: 240,
    });
    const bar = (k, tall, color) => {
      const [left, right] = [figure.sx(edges[k]), figure.sx(edges[k + 1])];
      const [a, b] = [figure.sy(Math.max(0, tall)), figure.sy(Math.min(0, tall))];
      return svg("rect", { x: round1(left), width: round1(Math.max(0.5, right - left - 1)), y: round1(a),
        height: round1(b - a), fill: color });
    };
    for (let k = 0; k < events.length; k += 1) {
      figure.under.append(bar(k, up[k], model.color), bar(k, -down[k], "#AEB8C4"));
    }
    figure.line([0, max], [0, 0], { color: QUIET, width: 1 });
    const right = figure.frame.right + 8;
    figure.note(right, figure.sy(most * 0.45), `${ill} with`);
    figure.note(right, figure.sy(-most * 0.55), `${well} without`);
    Object.assign(figure, {
      only: model, bands: new Map(), lines: new Map(), vertical: (k) => page.cuts[k], place: () => null,
      pick: (px) => nearestOnAxis(figure, page, px), head: "found · false alarms, of each kind",
      tell: (one, k) => `${percent(one.table.sensitivity[k])} · ${percent(1 - one.table.specificity[k])}`,
      columns: ["risk_from", "risk_to", "with_outcome", "without"],
      rows: () => [...events.keys()].map((k) => [edges[k], edges[k + 1], events[k], others[k]]),
    });
    return figure;
  });
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
