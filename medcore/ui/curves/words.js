// The words of the page that follow the cut-off.

const DASH = "–";
const MINUS = "−";
const UNIT = "\u00a0%";

function percent(share, digits = null) {
  if (!Number.isFinite(share)) return DASH;
  const value = 100 * share;
  const places = digits ?? (value < 9.95 && Math.abs(value - Math.round(value)) > 0.049 ? 1 : 0);
  return `${value.toFixed(places)}${UNIT}`;
}

// A cut-off, exact to a tenth of a per cent.
function cutText(cut) {
  return `${Math.round(cut * 1000) / 10}${UNIT}`;
}

function whole(count) {
  return Number.isFinite(count) ? String(Math.round(count)) : DASH;
}

function fixed(value, places) {
  if (value === Infinity) return "∞";
  if (!Number.isFinite(value)) return DASH;
  const text = value.toFixed(places);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", MINUS);
}

function range(low, high, write) {
  if (!Number.isFinite(low) || !(Number.isFinite(high) || high === Infinity)) return "";
  const b = write(high);
  const a = b.endsWith(UNIT) ? write(low).replace(UNIT, "") : write(low);
  return a.startsWith(MINUS) || b.startsWith(MINUS) ? `${a} to ${b}` : `${a}${DASH}${b}`;
}

function ratioText(cut) {
  const ratio = toRatio(cut);
  return ratio >= 9.95 || Math.abs(ratio - Math.round(ratio)) < 0.02 ? String(Math.round(ratio)) : ratio.toPrecision(2);
}

function signed(number, one, many = one) {
  if (number === 0) return `±0 ${many}`;
  return `${number > 0 ? "+" : MINUS}${Math.abs(number)} ${Math.abs(number) === 1 ? one : many}`;
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// Cases of 1,000, and what a model makes of them, in whole numbers that add up.
function countWhole(at, prevalence) {
  const ill = Math.round(1000 * prevalence);
  const found = Math.round(at.found[0]);
  const falseAlarms = Math.round(at.falseAlarms[0]);
  return { ill, well: 1000 - ill, found, missed: ill - found, falseAlarms, spared: 1000 - ill - falseAlarms };
}

// Limits of a count of 1,000 in brackets: "(90–95)"; nothing where they are not known.
function within([, lo, hi]) {
  const text = range(lo, hi, whole);
  return text ? ` (${text})` : "";
}

function sayLead(model, at, use, prevalence, noun) {
  const count = countWhole(at, prevalence);
  const cut = cutText(at.cutOff);
  if (use === "rule out") {
    return `Below ${cut}, ${model.name} spares ${count.spared}${within(at.spared)} of ${count.well} healthy per 1,000 ` +
      `${noun} a work-up and misses ${count.missed}${within(at.missed)} of ${count.ill} cases.`;
  }
  return `At ${cut}, ${model.name} finds ${count.found}${within(at.found)} of ${count.ill} cases per 1,000 ${noun} ` +
    `with ${count.falseAlarms}${within(at.falseAlarms)} false alarm${count.falseAlarms === 1 ? "" : "s"}.`;
}

function sayReference(at, prevalence) {
  const benefit = at.netBenefit[0];
  const all = treatAll(at.cutOff, prevalence);
  const best = Math.max(0, all);
  if (!(benefit <= best + 0.05)) return "";
  return ` Calling ${all >= 0 ? "everyone" : "no one"} does ${benefit < best - 0.05 ? "better" : "as well"} here.`;
}

// A difference between two models, its limits, and whether both together leave anything to choose.
function sayOther(model, at, lead, use, prevalence, limits = null) {
  const [own, first] = [countWhole(at, prevalence), countWhole(lead, prevalence)];
  const of = limits && { found: limits.found.map((share) => 1000 * prevalence * share),
    alarms: limits.alarms.map((share) => 1000 * (1 - prevalence) * share) };
  const turn = (pair) => pair && [-pair[1], -pair[0]];
  const parts = use === "rule out"
    ? [[own.spared - first.spared, turn(of?.alarms), "spared"], [own.missed - first.missed, turn(of?.found), "missed"]]
    : [[own.found - first.found, of?.found, "found"],
      [own.falseAlarms - first.falseAlarms, of?.alarms, "false alarm", "false alarms"]];
  const open = of && parts.every(([, pair]) => pair[0] < 0 && pair[1] > 0);
  const words = parts.map(([by, pair, one, many]) => signed(by, one, many) + between(pair));
  return `${capital(model.name)}: ${words.join(", ")}${open ? ": no clear difference" : ""}.`;
}

function between(pair) {
  if (!pair?.every(Number.isFinite)) return "";
  const write = (value) => (Math.round(value) > 0 ? "+" : "") + fixed(value, 0);
  return ` (${write(pair[0])} to ${write(pair[1])})`;
}

function sayRatio(cut, use) {
  return use === "rule out"
    ? `I accept missing 1 case to spare ${ratioText(cut)} healthy ones a work-up`
    : `I accept ${ratioText(cut)} false alarms for 1 case found`;
}
