// What one cut-off does: counts and shares with their 95 % limits, from the tables that were sent.

const EDGE = 1e-12;

function unpackSeries(values, scale) {
  return Float64Array.from(values, (value) => (value === null ? NaN : value / scale));
}

function unpackTable(table, scale, benefitScale) {
  return Object.fromEntries(Object.entries(table).map(([name, values]) =>
    [name, unpackSeries(values, name.startsWith("net_benefit") ? benefitScale : scale)]));
}

function unpackBand(band, scale) {
  return Object.fromEntries(Object.entries(band).map(([name, values]) => [name, unpackSeries(values, scale)]));
}

// Index of the cut-off nearest to t among those at which net benefit is defined.
function nearestIndex(cuts, t) {
  let best = firstIndex(cuts);
  for (let k = best; k <= lastIndex(cuts); k += 1) {
    if (Math.abs(cuts[k] - t) < Math.abs(cuts[best] - t) - EDGE) best = k;
  }
  return best;
}

function firstIndex(cuts) {
  return cuts.findIndex((cut) => cut > 0);
}

function lastIndex(cuts) {
  let k = cuts.length - 1;
  while (k > 0 && cuts[k] >= 1) k -= 1;
  return k;
}

function toRatio(cut) {
  return (1 - cut) / cut;
}

function toCutOff(ratio) {
  return 1 / (1 + ratio);
}

// Limits of a / b for independent shares, from the limits of each (method of variance estimates recovery on the
// log scale, Zou and Donner 2008). Where a share is zero the logarithm has no value: the outermost limits, cautiously.
function ratioLimits(a, b) {
  const value = a[0] / b[0];
  if (!(a[0] > 0) || !(b[0] > 0)) return [value, a[1] / b[2], a[2] / b[1]];
  const down = Math.hypot(Math.log(a[0] / a[1]), Math.log(b[2] / b[0]));
  const up = Math.hypot(Math.log(a[2] / a[0]), Math.log(b[0] / b[1]));
  return [value, a[1] > 0 ? value * Math.exp(-down) : 0, b[1] > 0 ? value * Math.exp(up) : Infinity];
}

function oddsToShare(odds) {
  return odds === Infinity ? 1 : odds / (1 + odds);
}

// Predictive value from a likelihood ratio and the odds before the test, the latter taken as known.
function predictive(likelihoodRatio, odds) {
  return likelihoodRatio.map((ratio) => oddsToShare(ratio * odds));
}

function complement([value, lo, hi]) {
  return [1 - value, 1 - hi, 1 - lo];
}

function times([value, lo, hi], factor) {
  return [value * factor, lo * factor, hi * factor];
}

// Everything the page says about one model at cut-off number k.
function readAt(model, k, prevalence) {
  const take = (name) => [name, `${name}_lo`, `${name}_hi`].map((part) => model.table[part][k]);
  const sensitivity = take("sensitivity");
  const specificity = take("specificity");
  const [missedShare, falseShare] = [complement(sensitivity), complement(specificity)];
  const [ill, well] = [1000 * prevalence, 1000 * (1 - prevalence)];
  const odds = prevalence / (1 - prevalence);
  const positive = ratioLimits(sensitivity, falseShare);
  const negative = ratioLimits(missedShare, specificity);
  const called = sensitivity[0] * ill + falseShare[0] * well;
  const ppv = called > 0 ? predictive(positive, odds) : [NaN, NaN, NaN];
  const npv = called < 1000 ? complement(predictive(negative, odds)) : [NaN, NaN, NaN];
  return {
    cutOff: model.table.cut_off[k], sensitivity, specificity, netBenefit: times(take("net_benefit"), 1000),
    found: times(sensitivity, ill), missed: times(missedShare, ill), falseAlarms: times(falseShare, well),
    spared: times(specificity, well), ppv, npv, positive, negative, f1: f1At(sensitivity[0], falseShare[0], ill, well),
    mcc: mccAt(sensitivity[0], falseShare[0], ill, well),
  };
}

// 95 % limits of what a model finds, and of its false alarms, less the leading model's, as shares of either outcome;
// null where the two were not measured on the same rows.
function differAt(paired, leadId, modelId, k) {
  const same = paired.find((one) => one.first === leadId && one.second === modelId);
  if (same) return { found: [same.found_lo[k], same.found_hi[k]], alarms: [same.alarms_lo[k], same.alarms_hi[k]] };
  const turned = paired.find((one) => one.first === modelId && one.second === leadId);
  if (!turned) return null;
  return { found: [-turned.found_hi[k], -turned.found_lo[k]], alarms: [-turned.alarms_hi[k], -turned.alarms_lo[k]] };
}

function f1At(sensitivity, falseShare, ill, well) {
  const called = sensitivity * ill + falseShare * well;
  return (2 * sensitivity * ill) / (called + ill);
}

function mccAt(sensitivity, falseShare, ill, well) {
  const [tp, fp] = [sensitivity * ill, falseShare * well];
  const [fn, tn] = [ill - tp, well - fp];
  const below = Math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn));
  return below > 0 ? (tp * tn - fp * fn) / below : NaN;
}

function treatAll(cut, prevalence) {
  return 1000 * (prevalence - (1 - prevalence) * (cut / (1 - cut)));
}

// Expected cost of a wrong call, as a share of its largest, where missing a case weighs pc / (1 - pc) times a false
// alarm per patient of each kind (Drummond and Holte 2006).
function costAt(sensitivity, specificity, pc) {
  return (1 - sensitivity) * pc + (1 - specificity) * (1 - pc);
}

// Where the chosen cut-off and prevalence stand on the cost curve's axis.
function probabilityCost(cut, prevalence) {
  const ill = prevalence * (1 - cut);
  return ill / (ill + (1 - prevalence) * cut);
}

// Value of a line at x, straight between its points; NaN outside.
function interpolate(xs, ys, x) {
  if (!xs.length || x < xs[0] - EDGE || x > xs[xs.length - 1] + EDGE) return NaN;
  let k = 1;
  while (k < xs.length - 1 && xs[k] < x) k += 1;
  if (k >= xs.length) return ys[0];
  const span = xs[k] - xs[k - 1];
  return span <= 0 ? ys[k] : ys[k - 1] + ((ys[k] - ys[k - 1]) * (x - xs[k - 1])) / span;
}
