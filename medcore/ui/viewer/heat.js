// The map over the film: one hue where a part raises the score, a second where it lowers it (SHAP values only),
// stronger where it does more, with a line at half of the maximum.

const HEAT_HUE = [0xff, 0xb4, 0x54];
const LOWER_HUE = [0x6c, 0xb6, 0xff];
const HEAT_CELL = 16;

// Value of a grid at (u, v) in 0..1 of the film, interpolated between the centres of its cells.
function sampleGrid(grid, u, v) {
  const rows = grid.length;
  const columns = grid[0].length;
  const y = Math.min(rows - 1, Math.max(0, v * rows - 0.5));
  const x = Math.min(columns - 1, Math.max(0, u * columns - 0.5));
  const top = Math.floor(y);
  const left = Math.floor(x);
  const bottom = Math.min(top + 1, rows - 1);
  const right = Math.min(left + 1, columns - 1);
  const across = x - left;
  const mix = (row) => grid[row][left] * (1 - across) + grid[row][right] * across;
  return mix(top) * (1 - (y - top)) + mix(bottom) * (y - top);
}

// Grid of the server -> enlarged values -1..1 of its largest, picture and contour; null where all are 0.
function makeHeat(grid) {
  const most = Math.max(...grid.map((row) => Math.max(...row.map(Math.abs))));
  if (!(most > 0)) return null;
  const columns = Math.min(512, grid[0].length * HEAT_CELL);
  const rows = Math.min(512, grid.length * HEAT_CELL);
  const values = new Float32Array(rows * columns);
  for (let y = 0, i = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, i++) {
      values[i] = sampleGrid(grid, (x + 0.5) / columns, (y + 0.5) / rows) / most;
    }
  }
  return { rows, columns, values, picture: paintHeat(values, rows, columns), lines: traceContour(values, rows, columns, 0.5) };
}

function paintHeat(values, rows, columns) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let i = 0; i < values.length; i++) {
    image.data.set(values[i] < 0 ? LOWER_HUE : HEAT_HUE, 4 * i);
    image.data[4 * i + 3] = Math.round(255 * Math.abs(values[i]));
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

// Marching squares: pieces of line [x1, y1, x2, y2] in 0..1 of the film along value = level.
function traceContour(values, rows, columns, level) {
  const pieces = [];
  for (let y = 0; y + 1 < rows; y++) {
    for (let x = 0; x + 1 < columns; x++) {
      const corners = [values[y * columns + x], values[y * columns + x + 1],
        values[(y + 1) * columns + x + 1], values[(y + 1) * columns + x]];
      const cuts = cutEdges(corners, level).map(([dx, dy]) => [(x + 0.5 + dx) / columns, (y + 0.5 + dy) / rows]);
      for (let k = 0; k + 1 < cuts.length; k += 2) pieces.push([...cuts[k], ...cuts[k + 1]]);
    }
  }
  return pieces;
}

// Points where the level cuts the edges of a unit square, in order around it.
function cutEdges([nw, ne, se, sw], level) {
  const edges = [[nw, ne, (t) => [t, 0]], [ne, se, (t) => [1, t]], [sw, se, (t) => [t, 1]], [nw, sw, (t) => [0, t]]];
  return edges.filter(([a, b]) => a < level !== b < level).map(([a, b, place]) => place((level - a) / (b - a)));
}
