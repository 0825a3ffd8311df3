// The compare page's figures as a whole: the cut-off and everything that follows it. The server hears of a cut-off
// once it has rested.

const REST_MS = 400;
const HOVER_INK = "#566173";

function openPage(data) {
  const { scale, net_benefit_scale: benefitScale } = data;
  const models = data.models.map((model) => ({
    ...model,
    table: unpackTable(model.table, scale, benefitScale),
    roc: unpackBand(model.roc, scale),
    pr: unpackBand(model.pr, scale),
    calibration: unpackBand(model.calibration, scale),
    bins: model.bins.map(([mean, observed, lo, hi, n, events]) =>
      [...[mean, observed, lo, hi].map((value) => (value === null ? NaN : value / scale)), n, events]),
    histogram: { ...model.histogram, edges: unpackSeries(model.histogram.edges, scale) },
  }));
  const paired = data.paired.map(({ first, second, ...limits }) =>
    ({ first, second, ...unpackBand(limits, data.pair_scale) }));
  return { ...data, models, paired, cuts: models[0].table.cut_off };
}

class Curves {
  constructor(root) {
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    this.slider = this.find(".slider");
    this.ratio = this.find(".ratio");
    this.tip = this.find(".tip");
    this.listen();
  }

  // A run of the page: the same comparison keeps the cut-off, what is open and what is in focus.
  update({ data, setStateValue }) {
    this.send = setStateValue;
    if (this.signature !== data.signature) {
      this.signature = data.signature;
      this.begin(data);
    }
    this.setTimes(JSON.parse(data.milliseconds));
  }

  begin(data) {
    const payload = JSON.parse(data.payload);
    const before = this.page && this.page.condition === payload.condition ? this.page.cuts[this.k] : null;
    this.page = openPage(payload);
    this.use = (before !== null && this.use) || data.use;
    this.k = nearestIndex(this.page.cuts, before ?? data.cut_off);
    this.focus = this.page.models.some((model) => model.id === this.focus) ? this.focus : this.page.models[0].id;
    this.slider.min = firstIndex(this.page.cuts);
    this.slider.max = lastIndex(this.page.cuts);
    this.board = new Board(this.find(".board"), this.page, (id) => this.setFocus(id));
    this.writeFrame();
    this.figures = [];
    this.drawInto(".first", [drawDecision(this.page), drawCalibration(this.page)]);
    this.drawn = new Set();
    this.openTab(this.tab ?? "roc");
    this.setFocus(this.focus);
    if (this.k !== nearestIndex(this.page.cuts, data.cut_off) || this.use !== data.use) this.waitForRest();
  }

  writeFrame() {
    const { page } = this;
    const restated = Math.abs(page.prevalence - page.prevalence_study) > 1e-9;
    const share = percent(page.prevalence_study);
    const rows = page.n_patients !== page.n ? ` of ${page.n_patients} patients` : "";
    this.find(".board caption").textContent =
      `${capital(page.source)}. ${page.n_events} of ${page.n} ${page.noun}${rows} with the outcome (${share}). ` +
      "Small and in brackets: 95 % limits." +
      (restated ? ` Restated for a prevalence of ${percent(page.prevalence)}.` : "");
    const warnings = this.find(".warnings");
    warnings.replaceChildren(...page.warnings.map((text) => node("li", "", text)));
    warnings.hidden = !page.warnings.length;
  }

  drawInto(selector, figures) {
    this.find(selector).replaceChildren(...figures.map((figure) => this.frame(figure)));
    this.figures.push(...figures);
  }

  frame(figure) {
    const frame = node("figure");
    const head = node("figcaption");
    head.append(node("h3", "", figure.title));
    const tools = node("span", "tools");
    for (const kind of ["svg", "png", "csv"]) {
      const button = node("button", "", kind.toUpperCase());
      button.type = "button";
      button.setAttribute("aria-label", `Save ${figure.title} as ${kind.toUpperCase()}`);
      button.onclick = () => saveFigure(figure, this.page, this.k, this.use, kind);
      tools.append(button);
    }
    head.append(tools);
    figure.marks = svg("g", { class: "marks" });
    figure.hover = svg("g", { class: "hover" });
    figure.svg.insertBefore(figure.marks, figure.names);
    figure.svg.append(figure.hover);
    this.makeMarks(figure);
    figure.svg.onpointermove = (event) => this.hoverAt(figure, event);
    figure.svg.onpointerleave = () => this.hoverAt(null);
    figure.svg.onclick = (event) => this.moveTo(this.pick(figure, event));
    frame.append(head, figure.svg);
    return frame;
  }

  makeMarks(figure) {
    const { top, bottom } = figure.frame;
    const upright = (more) => svg("line", { y1: top, y2: bottom + figure.below, visibility: "hidden", ...more });
    figure.mark = upright({ stroke: INK, "stroke-width": 1.2 });
    figure.hoverLine = upright({ stroke: HOVER_INK, "stroke-dasharray": "2 3" });
    figure.beyond = svg("text", { x: figure.frame.right - 4, y: top + 14, "text-anchor": "end", visibility: "hidden" });
    figure.marks.append(figure.mark, figure.beyond);
    figure.hover.append(figure.hoverLine);
    figure.points = new Map();
    for (const model of this.page.models) {
      const dot = (more) => svg("circle", { r: 4.5, stroke: "#fff", "stroke-width": 1.2, visibility: "hidden", ...more });
      const pair = [dot({ fill: model.color }), dot({ fill: "#fff", stroke: model.color, "stroke-width": 1.6, r: 4 })];
      figure.marks.append(pair[0]);
      figure.hover.append(pair[1]);
      figure.points.set(model.id, pair);
    }
  }

  pick(figure, event) {
    const box = figure.svg.getBoundingClientRect();
    const zoom = SIZE.width / box.width;
    return figure.pick((event.clientX - box.left) * zoom, (event.clientY - box.top) * zoom);
  }

  place(figure, k, which) {
    const line = which ? figure.hoverLine : figure.mark;
    const x = figure.vertical && k !== null ? figure.vertical(k) : NaN;
    this.put(line, x >= figure.x.min && x <= figure.x.max, { x1: figure.sx(x), x2: figure.sx(x) });
    if (!which) {
      this.put(figure.beyond, x > figure.x.max, {});
      if (x > figure.x.max) figure.beyond.textContent = `cut-off ${cutText(x)} →`;
    }
    for (const model of this.page.models) {
      const point = k === null ? null : figure.place(model, k);
      const inside = point && point.every(Number.isFinite) && point[0] <= figure.x.max + 1e-9 &&
        point[1] >= figure.y.min && point[1] <= figure.y.max;
      this.put(figure.points.get(model.id)[which], inside, point && { cx: figure.sx(point[0]), cy: figure.sy(point[1]) });
    }
  }

  put(element, visible, attributes) {
    element.setAttribute("visibility", visible ? "visible" : "hidden");
    if (visible) for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, round1(value));
  }

  // The pointer over one figure marks the same cut-off on all and says what each model does there.
  hoverAt(figure, event) {
    const k = figure ? this.pick(figure, event) : null;
    for (const one of this.figures) this.place(one, k, 1);
    this.tip.hidden = !figure;
    if (!figure) return;
    const table = node("table");
    const add = (name, text, color) => {
      const row = node("tr");
      const head = node("th", "", name);
      if (color) head.style.color = color;
      row.append(head, node("td", "", text));
      table.append(row);
    };
    for (const model of figure.only ? [figure.only] : this.page.models) add(model.name, figure.tell(model, k), model.color);
    for (const [name, text] of figure.extra?.(k) ?? []) add(name, text);
    this.tip.replaceChildren(node("b", "", `cut-off ${cutText(this.page.cuts[k])} · ${figure.head}`), table);
    const section = this.find(".curves").getBoundingClientRect();
    const [x, y] = [event.clientX - section.left, event.clientY - section.top];
    const wide = this.tip.offsetWidth;
    this.tip.style.left = `${Math.max(0, x + 18 + wide > section.width ? x - 18 - wide : x + 18)}px`;
    this.tip.style.top = `${y + 14}px`;
  }

  setFocus(id) {
    this.focus = id;
    this.board.setFocus(id);
    for (const figure of this.figures) this.showFocus(figure);
    this.refresh();
  }

  showFocus(figure) {
    for (const model of this.page.models) {
      const own = model.id === this.focus;
      figure.bands.get(model.id)?.setAttribute("fill-opacity", own ? 0.16 : 0.03);
      figure.lines.get(model.id)?.setAttribute("stroke-width", own ? 2.4 : 1.6);
      figure.tenths?.get(model.id)?.setAttribute("visibility", own ? "visible" : "hidden");
    }
  }

  openTab(name) {
    this.tab = name;
    for (const button of this.root.querySelectorAll("[role=tab]")) {
      const open = button.dataset.tab === name;
      button.setAttribute("aria-selected", String(open));
      button.tabIndex = open ? 0 : -1;
      this.find(`.${button.dataset.tab}-tab`).hidden = !open;
    }
    if (this.drawn.has(name)) return;
    this.drawn.add(name);
    const draw = { roc: () => [drawRoc(this.page), drawPrecisionRecall(this.page)], risks: () => drawHistograms(this.page),
      cost: () => [drawCost(this.page)] };
    const figures = draw[name]();
    this.drawInto(`.${name}-panel`, figures);
    for (const figure of figures) {
      this.showFocus(figure);
      this.place(figure, this.k, 0);
    }
  }

  // Redraw all that follows the cut-off.
  refresh() {
    const { page, k, use } = this;
    const readings = new Map(page.models.map((model) => [model.id, readAt(model, k, page.prevalence)]));
    const cut = page.cuts[k];
    this.slider.value = k;
    this.slider.setAttribute("aria-valuetext", `cut-off ${cutText(cut)}: ${sayRatio(cut, use)}`);
    if (this.root.activeElement !== this.ratio) this.ratio.value = ratioText(cut);
    this.find(".before").textContent = use === "rule out" ? "I accept missing 1 case to spare" : "I accept";
    const alarms = `false alarm${ratioText(cut) === "1" ? "" : "s"} for 1 case found`;
    this.find(".after").textContent = use === "rule out" ? "healthy ones a work-up" : alarms;
    this.find(".cut").textContent = cutText(cut);
    for (const radio of this.root.querySelectorAll("[name=use]")) radio.checked = radio.value === use;
    this.board.follow(readings);
    this.writeVerdict(readings);
    for (const figure of this.figures) this.place(figure, k, 0);
  }

  writeVerdict(readings) {
    const { page, use } = this;
    const lead = page.models.find((model) => model.id === this.focus);
    const at = readings.get(lead.id);
    const first = sayLead(lead, at, use, page.prevalence, page.noun) + sayReference(at, page.prevalence);
    const others = page.models.filter((model) => model !== lead)
      .map((model) => sayOther(model, readings.get(model.id), at, use, page.prevalence,
        differAt(page.paired, lead.id, model.id, this.k)));
    this.find(".lead").textContent = first;
    this.find(".others").textContent = others.join(" ");
    this.verdict = [first, ...others].join(" ");
  }

  moveTo(k, use = this.use) {
    this.k = Math.min(lastIndex(this.page.cuts), Math.max(firstIndex(this.page.cuts), k));
    this.use = use;
    const start = performance.now();
    this.refresh();
    this.redrawMs = performance.now() - start;
    this.find(".curves").dataset.redrawMs = this.redrawMs.toFixed(2);
    this.waitForRest();
  }

  waitForRest() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.rest(), REST_MS);
  }

  rest() {
    this.find(".live").textContent = this.verdict;
    this.send?.("choice", { condition: this.page.condition, cut_off: this.page.cuts[this.k], use: this.use });
  }

  setTimes(milliseconds) {
    for (const model of this.page.models) {
      const ms = milliseconds?.[model.id];
      if (ms === undefined || ms === model.milliseconds) continue;
      model.milliseconds = ms;
      this.board.setTime(model);
    }
  }

  listen() {
    this.slider.oninput = () => this.moveTo(Number(this.slider.value));
    this.ratio.onchange = () => this.takeRatio();
    this.ratio.onkeydown = (event) => { if (event.key === "Enter") this.takeRatio(); };
    for (const radio of this.root.querySelectorAll("[name=use]")) radio.onchange = () => this.moveTo(this.k, radio.value);
    const tabs = [...this.root.querySelectorAll("[role=tab]")];
    tabs.forEach((button, k) => {
      button.onclick = () => this.openTab(button.dataset.tab);
      button.onkeydown = (event) => {
        const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!by) return;
        const next = tabs[(k + by + tabs.length) % tabs.length];
        this.openTab(next.dataset.tab);
        next.focus();
      };
    });
  }

  takeRatio() {
    const number = Number(this.ratio.value.trim().replace(",", "."));
    const good = Number.isFinite(number) && number > 0 && this.ratio.value.trim() !== "";
    this.ratio.setAttribute("aria-invalid", String(!good));
    this.find(".wrong").hidden = good;
    if (!good) return;
    this.moveTo(nearestIndex(this.page.cuts, toCutOff(number)));
    this.ratio.value = ratioText(this.page.cuts[this.k]);
  }
}

function mountCurves(component) {
  const root = component.parentElement;
  root.medcoreCurves ??= new Curves(root);
  root.medcoreCurves.update(component);
  return () => clearTimeout(root.medcoreCurves.resting);
}
