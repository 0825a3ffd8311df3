// Keys: which name a key press has, and whether it belongs to the viewer or to someone who is typing.

const KEY_HELP = [
  ["drag", "window: right = wider, down = darker"],
  ["wheel, + −", "zoom at the pointer"],
  ["space + drag, middle button", "pan"],
  ["arrows", "pan, with Shift window, when the film has the focus"],
  ["touch", "one finger: window; two: zoom and pan"],
  ["I", "invert"],
  ["0", "reset window, zoom and pan"],
  ["L", "ruler: drag a line; Delete takes the last away"],
  ["H", "heat map while held"],
  ["M", "what the model saw, beside the film"],
  ["B", "prior film beside this one"],
  ["F", "full screen"],
  ["1 2 3 4", "your reading: normal, pneumonia, other, unsure"],
  ["A, O", "agree with the model, override it"],
  ["N, P", "next film, previous film"],
  ["?", "this card; Esc closes it"],
];
const TYPING_INPUTS = /^(?:text|search|number|email|password|tel|url|date|time|datetime-local|month|week)$/;

// Name of a key press: digits by their place on the keyboard where no shift is needed to mean them.
function nameKey(event) {
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
  if (digit && (!event.shiftKey || /^\d$/.test(event.key))) return digit[1];
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}

// Whether keys go into a field: then none of them is ours.
function isTyping(event) {
  const target = event.composedPath()[0];
  if (!(target instanceof Element)) return false;
  if (target.tagName === "INPUT") return TYPING_INPUTS.test(target.type);
  if (target.tagName === "TEXTAREA" || target.tagName === "SELECT" || target.isContentEditable) return true;
  return target.closest("[role=textbox], [role=combobox], [role=listbox], [role=searchbox]") !== null;
}

// Whether a window of the page lies over the viewer.
function isCovered(root) {
  const dialogs = document.querySelectorAll("[role=dialog], dialog[open]");
  return [...dialogs].some((dialog) => !dialog.contains(root.host ?? root) && dialog.checkVisibility());
}
