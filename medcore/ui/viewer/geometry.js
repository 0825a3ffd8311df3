// Where the film lies on the screen. A place is { zoom, x, y }: zoom 1 = the whole film, (x, y) = the point of the film
// (0..1 of its width and height) in the middle of the screen. Independent of the size of the screen.

const ZOOM_LEAST = 0.25;
const ZOOM_MOST = 64;
const WHOLE_FILM = Object.freeze({ zoom: 1, x: 0.5, y: 0.5 });

// Sides of one pixel, the shorter as 1: films need not have square pixels.
function pixelShape(spacing) {
  if (!spacing) return { x: 1, y: 1 };
  const least = Math.min(spacing[0], spacing[1]);
  return { x: spacing[1] / least, y: spacing[0] / least };
}

// Film pixels per screen pixel and the film's point at the upper left corner of the screen.
function frameOf(place, film, width, height) {
  const shape = pixelShape(film.spacing_mm);
  const fit = Math.min(width / (film.columns * shape.x), height / (film.rows * shape.y));
  const stepX = 1 / (fit * place.zoom * shape.x);
  const stepY = 1 / (fit * place.zoom * shape.y);
  return {
    width,
    height,
    stepX,
    stepY,
    originX: place.x * film.columns - (width / 2) * stepX,
    originY: place.y * film.rows - (height / 2) * stepY,
  };
}

function toFilm(frame, x, y) {
  return { x: frame.originX + x * frame.stepX, y: frame.originY + y * frame.stepY };
}

function toScreen(frame, x, y) {
  return { x: (x - frame.originX) / frame.stepX, y: (y - frame.originY) / frame.stepY };
}

function keepOnFilm(place) {
  const within = (value) => Math.min(1, Math.max(0, value));
  return { zoom: place.zoom, x: within(place.x), y: within(place.y) };
}

// Zoom so that the film's point under (x, y) stays there.
function zoomAt(place, film, frame, x, y, factor) {
  const zoom = Math.min(ZOOM_MOST, Math.max(ZOOM_LEAST, place.zoom * factor));
  const change = place.zoom / zoom;
  const point = toFilm(frame, x, y);
  return keepOnFilm({
    zoom,
    x: (point.x - (x - frame.width / 2) * frame.stepX * change) / film.columns,
    y: (point.y - (y - frame.height / 2) * frame.stepY * change) / film.rows,
  });
}

// Move the film by (right, down) screen pixels.
function panBy(place, film, frame, right, down) {
  return keepOnFilm({
    zoom: place.zoom,
    x: place.x - (right * frame.stepX) / film.columns,
    y: place.y - (down * frame.stepY) / film.rows,
  });
}

// Length of a line between two points of the film, in words.
function describeLength(film, from, to) {
  const across = to.x - from.x;
  const down = to.y - from.y;
  if (!film.spacing_mm) return `${Math.hypot(across, down).toFixed(0)} px`;
  const length = Math.hypot(across * film.spacing_mm[1], down * film.spacing_mm[0]);
  const words = `${length.toFixed(length < 100 ? 1 : 0)} mm`;
  return film.spacing_at === "detector" ? `${words} at the detector` : words;
}

function describeSpacing(film) {
  if (!film.spacing_mm) return "px spacing unknown";
  const [row, column] = film.spacing_mm.map((mm) => String(Number(mm.toPrecision(3))));
  const words = `px spacing ${row === column ? row : `${row} × ${column}`} mm`;
  return film.spacing_at === "detector" ? `${words} at the detector` : words;
}
