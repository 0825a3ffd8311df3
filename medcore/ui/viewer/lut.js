// From stored values to grey: DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3, one table entry per possible value.

const TABLE_TOP = 65535;

// Brightness 0..1 of x under LINEAR, LINEAR_EXACT or SIGMOID.
function brightnessOf(x, { center, width, function: shape }) {
  if (shape === "SIGMOID") return 1 / (1 + Math.exp((-4 * (x - center)) / width));
  const exact = shape === "LINEAR_EXACT";
  const middle = exact ? center : center - 0.5;
  const span = exact ? width : width - 1;
  if (x <= middle - span / 2) return 0;
  if (x > middle + span / 2) return 1;
  return (x - middle) / span + 0.5;
}

// Grey 0..255 for each of the 2 ** bits values. A window with onTable acts on what the film's own table gives.
function buildLut(bits, window, inverted = false, table = null) {
  const lut = new Uint8Array(2 ** bits);
  const through = window.onTable && table;
  for (let value = 0; value < lut.length; value++) {
    const grey = Math.floor(brightnessOf(through ? table[value] : value, window) * 255 + 0.5);
    lut[value] = inverted ? 255 - grey : grey;
  }
  return lut;
}

// The same as opaque RGBA pixels, for little-endian canvases (all there are).
function packGreys(lut) {
  const packed = new Uint32Array(lut.length);
  for (let value = 0; value < lut.length; value++) packed[value] = 0xff000000 | (lut[value] * 0x010101);
  return packed;
}

// Smallest stored value that at least this share of the film's pixels do not exceed.
function findPercentile(histogram, share) {
  let total = 0;
  for (const count of histogram) total += count;
  let seen = 0;
  for (let value = 0; value < histogram.length; value++) {
    seen += histogram[value];
    if (seen >= total * share && seen > 0) return value;
  }
  return histogram.length - 1;
}

function spanWindow(low, high, shape, name) {
  return { center: (low + high) / 2, width: Math.max(1, high - low), function: shape, name, onTable: false };
}

// The ways to show a film that the menu offers; the first is the default.
function listPresets(view, raster) {
  const presets = view.windows.map((window, index) => ({
    ...window,
    onTable: false,
    name: window.name || (index === 0 ? "Film's window" : `Film's window ${index + 1}`),
  }));
  if (raster.table) {
    const whole = { center: (TABLE_TOP + 1) / 2, width: TABLE_TOP + 1, function: "LINEAR" };
    presets.unshift({ ...whole, onTable: true, name: "Film's own table" });
  }
  const at = (share) => findPercentile(raster.histogram, share);
  presets.push(spanWindow(raster.low, raster.high, "LINEAR_EXACT", "Full range"));
  presets.push(spanWindow(at(0.01), at(0.99), "LINEAR_EXACT", "Auto 1–99 %"));
  presets.push(spanWindow(at(0.01), at(0.99), "SIGMOID", "Soft"));
  return presets;
}

// The window after a drag of (right, down) CSS pixels: right widens, down raises the centre (darker).
function dragWindow(window, right, down, bits) {
  const range = window.onTable ? TABLE_TOP + 1 : 2 ** bits;
  const width = Math.min(4 * range, Math.max(1, window.width * Math.exp(right / 250)));
  const center = Math.min(2 * range, Math.max(-range, window.center + (down * window.width) / 400));
  return { ...window, width, center, name: "" };
}
