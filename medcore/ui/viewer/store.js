// Films of this browser page: pixels by name, and what the reader set on each. Outlives every rerun and page change.

const MAGIC = "MCV1";
const MEMORY_LIMIT = 384 * 1024 * 1024;
const PACKETS_KEY = Symbol.for("medcore.viewer.packets");
const STORE_KEY = Symbol.for("medcore.viewer.store");

function readHeader(bytes) {
  if (!bytes || bytes.length < 8 || String.fromCharCode(...bytes.subarray(0, 4)) !== MAGIC) {
    throw new Error("the message does not start as a film does");
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset + 4, 4).getUint32(0, true);
  if (8 + length > bytes.length) throw new Error("the message ends within its header");
  return { header: JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))), start: 8 + length };
}

function isCount(value, most) {
  return Number.isInteger(value) && value >= 1 && value <= most;
}

// Bytes as Python packed them -> { kind, film_id, rows, columns, bits, pixels, table }.
function unpackPacket(bytes) {
  const { header, start } = readHeader(bytes);
  const { rows, columns, bits } = header;
  if (!header.film_id || !isCount(rows, 65535) || !isCount(columns, 65535) || !isCount(bits, 16)) {
    throw new Error("the film's size is missing or impossible");
  }
  const count = rows * columns;
  const wide = bits > 8 ? 2 : 1;
  const tableLength = header.table ? 2 ** bits : 0;
  if (bytes.length !== start + count * wide + tableLength * 2) throw new Error("the film's size and its pixels differ");
  const copy = (from, size) => bytes.slice(from, from + size).buffer;
  const pixels = wide === 2 ? new Uint16Array(copy(start, count * 2)) : new Uint8Array(copy(start, count));
  const table = tableLength ? new Uint16Array(copy(start + count * wide, tableLength * 2)) : null;
  return { kind: header.kind, film_id: header.film_id, rows, columns, bits, pixels, table };
}

class FilmStore {
  constructor() {
    this.films = new Map();
    this.tensors = new Map();
    this.states = new Map();
    this.preferences = { opacity: 0.4 };
    this.fault = "";
    this.listeners = new Set();
    this.sequence = 0;
    this.recent = [];
  }

  // Take one packet; a damaged one leaves a sentence instead of a film.
  add(bytes) {
    try {
      const packet = unpackPacket(bytes);
      if (packet.kind === "tensor") this.tensors.set(packet.film_id, packet);
      else this.films.set(packet.film_id, makeRaster(packet));
    } catch (error) {
      this.fault = `The film arrived damaged: ${error.message}. Open it again.`;
    }
    this.forget();
    for (const listener of this.listeners) listener();
  }

  // The film's raster, marked as just used.
  find(filmId) {
    const raster = this.films.get(filmId);
    if (raster) {
      this.films.delete(filmId);
      this.films.set(filmId, raster);
    }
    return raster;
  }

  // Drop the films not used for longest while there are too many; the two newest always stay.
  forget() {
    let used = 0;
    for (const raster of this.films.values()) used += raster.byteLength;
    for (const [filmId, raster] of this.films) {
      if (used <= MEMORY_LIMIT || this.films.size <= 2) return;
      used -= raster.byteLength;
      this.films.delete(filmId);
    }
  }
}

function openStore() {
  const store = (globalThis[STORE_KEY] ??= new FilmStore());
  const packets = (globalThis[PACKETS_KEY] ??= { waiting: [], take: null });
  packets.take = () => {
    for (const bytes of packets.waiting.splice(0)) store.add(bytes);
  };
  packets.take();
  return store;
}
