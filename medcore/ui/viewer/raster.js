// A film's pixels, halved step by step, and their resampling to the screen. Values stay stored values (16 bit) here.

const LEVELS_DOWN_TO = 64;

// Unpacked packet -> pixels at full and at halved sizes, with the histogram of its values.
function makeRaster({ film_id, rows, columns, bits, pixels, table }) {
  const histogram = new Uint32Array(65536);
  for (let i = 0; i < pixels.length; i++) histogram[pixels[i]]++;
  let low = 0;
  while (!histogram[low]) low++;
  let high = 65535;
  while (!histogram[high]) high--;
  if (high >= 2 ** bits) throw new Error(`a value of ${high} does not fit into ${bits} bits`);
  const levels = [{ rows, columns, pixels }];
  while (Math.min(levels.at(-1).rows, levels.at(-1).columns) > LEVELS_DOWN_TO) levels.push(halve(levels.at(-1)));
  const byteLength = levels.reduce((sum, level) => sum + level.pixels.byteLength, 0);
  return { film_id, rows, columns, bits, table, low, high, histogram: histogram.subarray(0, 2 ** bits), levels, byteLength };
}

// Mean of every 2 x 2 pixels; an odd last row or column is dropped from its square.
function halve({ rows, columns, pixels }) {
  const half = { rows: (rows + 1) >> 1, columns: (columns + 1) >> 1, pixels: null };
  const out = new pixels.constructor(half.rows * half.columns);
  for (let y = 0, i = 0; y < half.rows; y++) {
    const upper = 2 * y * columns;
    const lower = Math.min(2 * y + 1, rows - 1) * columns;
    for (let x = 0; x < half.columns; x++, i++) {
      const left = 2 * x;
      const right = left + 1 < columns ? left + 1 : left;
      out[i] = (pixels[upper + left] + pixels[upper + right] + pixels[lower + left] + pixels[lower + right] + 2) >> 2;
    }
  }
  half.pixels = out;
  return half;
}

// Weights of one axis: output i covers [origin + i * step, + step) of the source. Reducing averages what is covered,
// enlarging interpolates between the two nearest; at a step of 1 the two are the same. Outputs whose middle lies
// off the source are left out: only from..to - 1 are on it.
function weighAxis(outputs, origin, step, length) {
  const taps = step > 1 ? Math.floor(step) + 2 : 2;
  const first = new Int32Array(outputs);
  const weights = new Float32Array(outputs * taps);
  let from = outputs;
  let to = 0;
  for (let i = 0; i < outputs; i++) {
    const middle = origin + (i + 0.5) * step;
    if (middle < 0 || middle >= length) continue;
    from = Math.min(from, i);
    to = i + 1;
    const span = Math.max(step, 1);
    const left = middle - span / 2;
    const start = Math.floor(left);
    first[i] = Math.min(Math.max(start, 0), Math.max(length - taps, 0));
    for (let k = 0; k < taps; k++) {
      const share = Math.min(left + span, start + k + 1) - Math.max(left, start + k);
      if (share <= 0) continue;
      const source = Math.min(Math.max(start + k, 0), length - 1);
      weights[i * taps + source - first[i]] += share / span;
    }
  }
  return { taps: Math.min(taps, length), stride: taps, first, weights, from, to };
}

// Draw the part of a film seen through `frame` ({ width, height, originX, originY, stepX, stepY }, in film pixels per
// screen pixel) into `out` (Uint16Array of width * height). Returns the rectangle that lies on the film.
function resample(raster, frame, out) {
  const reduction = Math.min(frame.stepX, frame.stepY);
  const depth = Math.min(Math.max(0, Math.floor(Math.log2(reduction) + 1e-9)), raster.levels.length - 1);
  const { rows, columns, pixels } = raster.levels[depth];
  const scale = 2 ** -depth;
  const across = weighAxis(frame.width, frame.originX * scale, frame.stepX * scale, columns);
  const down = weighAxis(frame.height, frame.originY * scale, frame.stepY * scale, rows);
  const rectangle = { left: across.from, right: across.to, top: down.from, bottom: down.to };
  if (across.from >= across.to || down.from >= down.to) return { left: 0, right: 0, top: 0, bottom: 0 };
  const start = across.first[across.from];
  const end = Math.min(columns, across.first[across.to - 1] + across.taps);
  const line = new Float32Array(columns + across.stride);
  const sum = across.stride === 2 ? sumPairs : sumColumns;
  for (let y = down.from; y < down.to; y++) {
    sumRows(line, pixels, columns, down, y, start, end);
    sum(out, y * frame.width, line, across);
  }
  return rectangle;
}

function sumRows(line, pixels, columns, down, y, start, end) {
  line.fill(0, start, end);
  for (let k = 0; k < down.taps; k++) {
    const weight = down.weights[y * down.stride + k];
    if (weight === 0) continue;
    const row = (down.first[y] + k) * columns;
    for (let x = start; x < end; x++) line[x] += weight * pixels[row + x];
  }
}

function sumColumns(out, offset, line, { taps, stride, first, weights, from, to }) {
  for (let x = from; x < to; x++) {
    const source = first[x];
    let sum = 0.5;
    for (let k = 0; k < taps; k++) sum += weights[x * stride + k] * line[source + k];
    out[offset + x] = sum;
  }
}

// The same for two taps, which is every enlargement: several times as fast without the inner loop.
function sumPairs(out, offset, line, { first, weights, from, to }) {
  for (let x = from; x < to; x++) {
    const source = first[x];
    out[offset + x] = 0.5 + weights[2 * x] * line[source] + weights[2 * x + 1] * line[source + 1];
  }
}
