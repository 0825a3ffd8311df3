// The table of models: figures that stay, figures that follow the cut-off, and the rest on request.

function node(tag, className = "", text = null) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== null) element.textContent = text;
  return element;
}

function fillCell(cell, value, limits) {
  cell.firstChild.data = value;
  cell.lastChild.textContent = limits;
}

function makeCell(className = "") {
  const cell = node("td", className, DASH);
  cell.append(node("small"));
  return cell;
}

function writeMetric(metric, places) {
  if (!metric || metric[0] === null) return [DASH, ""];
  const [value, lo, hi] = metric.map((part) => (part === null ? NaN : part));
  return [fixed(value, places), range(lo, hi, (part) => fixed(part, places))];
}

const STAY = [["brier", "Brier", 3], ["calibration_slope", "Cal. slope", 2], ["auroc", "AUROC", 3]];
const FOLLOW = [
  ["netBenefit", "Net benefit", (at) => [fixed(at[0], 1), range(at[1], at[2], (v) => fixed(v, 1))]],
  ["found", "Found", (at) => [whole(at[0]), range(at[1], at[2], whole)]],
  ["missed", "Missed", (at) => [whole(at[0]), range(at[1], at[2], whole)]],
  ["falseAlarms", "False alarms", (at) => [whole(at[0]), range(at[1], at[2], whole)]],
  ["ppv", "PPV", (at) => [percent(at[0]), range(at[1], at[2], (v) => percent(v))]],
  ["npv", "NPV", (at) => [percent(at[0]), range(at[1], at[2], (v) => percent(v))]],
];
const REST_STAY = [
  ["auprc", "AUPRC", 3], ["log_loss", "Log loss", 3], ["ece", "ECE", 3], ["calibration_intercept", "Cal. intercept", 2],
];
const REST_FOLLOW = [
  ["sensitivity", "Sensitivity", percent], ["specificity", "Specificity", percent],
  ["positive", "LR+", (v) => fixed(v, 2)], ["negative", "LR−", (v) => fixed(v, 3)],
];
const REST_PLAIN = [["f1", "F1"], ["mcc", "MCC"]];

class Board {
  constructor(table, page, onFocus) {
    this.page = page;
    this.rows = new Map();
    const head = node("tr");
    for (const [name, unit] of this.listHeads()) {
      const cell = node("th", "", name);
      cell.scope = "col";
      if (unit) cell.append(node("small", "", unit));
      head.append(cell);
    }
    table.tHead.replaceChildren(head);
    table.tBodies[0].replaceChildren(...page.models.flatMap((model) => this.makeRows(model, onFocus)));
  }

  listHeads() {
    const per = "per 1,000";
    return [
      ["Model", ""], ["Net benefit", per], ...STAY.map(([, label]) => [label, ""]), ["Found", per], ["Missed", per],
      ["False alarms", per], ["PPV", "at the cut-off"], ["NPV", "at the cut-off"], ["Time", "ms a case"], ["", ""],
    ];
  }

  makeRows(model, onFocus) {
    const row = node("tr");
    const follow = Object.fromEntries(FOLLOW.map(([name]) => [name, makeCell("follow")]));
    const stay = STAY.map(([name, , places]) => {
      const cell = makeCell();
      fillCell(cell, ...writeMetric(model.board[name], places));
      return cell;
    });
    const time = makeCell();
    const more = node("button", "more", "more");
    more.type = "button";
    more.setAttribute("aria-expanded", "false");
    more.setAttribute("aria-label", `more about ${model.name}`);
    const last = node("td");
    last.append(more);
    const { netBenefit, ...others } = follow;
    row.append(this.makeName(model, onFocus), netBenefit, ...stay, ...Object.values(others), time, last);
    const [rest, restCells] = this.makeRest(model);
    more.onclick = () => {
      rest.hidden = !rest.hidden;
      more.setAttribute("aria-expanded", String(!rest.hidden));
      more.textContent = rest.hidden ? "more" : "less";
    };
    this.rows.set(model.id, { row, follow, time, restCells });
    this.setTime(model);
    return [row, rest];
  }

  makeName(model, onFocus) {
    const name = node("th");
    name.scope = "row";
    const button = node("button", "name");
    button.type = "button";
    button.title = "Show this model's band and tenths in the figures";
    const stub = svg("svg", { width: 26, height: 10, "aria-hidden": "true" });
    const line = svg("path", { d: "M0 5h26", stroke: model.color, "stroke-width": 2.4 });
    if (model.dash) line.setAttribute("stroke-dasharray", model.dash);
    stub.append(line);
    button.append(stub, node("span", "", model.title));
    button.onclick = () => onFocus(model.id);
    name.append(button, node("small", "", model.standing));
    return name;
  }

  makeRest(model) {
    const rest = node("tr", "rest");
    rest.hidden = true;
    const cell = node("td");
    cell.colSpan = this.listHeads().length;
    const list = node("dl");
    const restCells = {};
    const add = (label, value, limits = "") => {
      const pair = node("div");
      const text = node("dd", "", value);
      text.append(node("small", "", limits));
      pair.append(node("dt", "", label), text);
      list.append(pair);
      return text;
    };
    for (const [name, label, places] of REST_STAY) add(label, ...writeMetric(model.board[name], places));
    for (const [name, label] of [...REST_FOLLOW, ...REST_PLAIN]) restCells[name] = add(label, DASH);
    for (const [label, text] of model.details) add(label, text);
    add("Version", model.version);
    cell.append(list, node("p", "hash", `${model.id} · SHA-256 ${model.sha256}`));
    rest.append(cell);
    return [rest, restCells];
  }

  setTime(model) {
    const ms = model.milliseconds;
    fillCell(this.rows.get(model.id).time, ms === null ? DASH : fixed(ms, ms < 9.95 ? 1 : 0), "");
  }

  setFocus(id) {
    for (const [one, { row }] of this.rows) {
      row.classList.toggle("focused", one === id);
      row.querySelector(".name").setAttribute("aria-pressed", String(one === id));
    }
  }

  // `readings` hold what each model does at the cut-off.
  follow(readings) {
    for (const [id, at] of readings) {
      const { follow, restCells } = this.rows.get(id);
      const count = countWhole(at, this.page.prevalence);
      for (const [name, , write] of FOLLOW) {
        const [value, limits] = write(at[name]);
        fillCell(follow[name], name in count ? String(count[name]) : value, limits);
      }
      for (const [name, , write] of REST_FOLLOW) {
        const [value, lo, hi] = at[name];
        fillCell(restCells[name], write(value), range(lo, hi, (part) => write(part)));
      }
      for (const [name] of REST_PLAIN) fillCell(restCells[name], fixed(at[name], 3), "");
    }
  }
}
