// Puts the figures on the page and keeps what is chosen: field, colour, patient. Nothing goes back to the server.

function makeView(root) {
  const view = { root, data: null, field: 0, colour: null, row: 0, width: 0, half: 0 };
  view.draw = () => { drawFields(view); view.drawField(); drawPairs(view); drawShuffle(view); drawGroups(view); view.drawRow(); };
  view.drawField = () => { drawDependence(view); drawEffect(view); };
  view.drawRow = () => { drawPatient(view); drawSimilar(view); view.mark(); };
  view.choose = (j) => { view.field = j; view.colour = null; drawFields(view); view.drawField(); view.mark(); };
  view.paint = (j) => { view.colour = j; drawDependence(view); view.mark(); };
  view.pick = (i) => {
    if (!Number.isInteger(i) || !(i >= 0) || i >= view.data.p.length) return;
    view.row = i;
    view.drawRow();
    root.querySelector(".live").textContent = `${view.data.ids[i]}: risk ${percent(view.data.p[i])}`;
  };
  view.mark = () => {
    for (const old of root.querySelectorAll("circle.chosen")) { old.classList.remove("chosen"); old.setAttribute("r", old.dataset.r); old.removeAttribute("stroke-width"); if (old.getAttribute("fill") !== "#fff") old.removeAttribute("stroke"); }
    for (const dotted of root.querySelectorAll(`.left circle[data-row="${view.row}"]`)) {
      dotted.dataset.r ??= dotted.getAttribute("r");
      dotted.classList.add("chosen");
      dotted.setAttribute("r", 4.5);
      dotted.setAttribute("stroke", INK);
      dotted.setAttribute("stroke-width", 1.6);
      dotted.parentNode.append(dotted);
    }
  };
  view.measure = () => {
    const width = Math.max(300, Math.round(root.querySelector(".left").clientWidth));
    const changed = width !== view.width;
    view.width = width;
    view.half = Math.round(root.querySelector(".two section").clientWidth) || width;
    return changed;
  };
  listen(view);
  return view;
}

function describeDot(view, target) {
  const { data } = view;
  const i = Number(target.dataset.row), j = Number(target.dataset.of), by = target.dataset.by;
  const lines = [`${data.ids[i]} · risk ${percent(data.p[i])}`, `${data.fields[j].label}: ${word(data.fields[j], data.x[j][i])}`, `${points(data.s[j][i])} points`];
  if (by !== undefined) lines.splice(2, 0, `${data.fields[by].label}: ${word(data.fields[by], data.x[by][i])}`);
  return lines.join("\n");
}

function listen(view) {
  const { root } = view, tip = root.querySelector(".tip");
  root.addEventListener("click", (event) => {
    const target = event.target.closest?.("[data-row], [data-field]");
    if (!target || event.target.closest("button")) return;
    if (target.dataset.row !== undefined) view.pick(Number(target.dataset.row));
    else view.choose(Number(target.dataset.field));
  });
  root.addEventListener("keydown", (event) => {
    const target = event.target.closest?.("[data-field][tabindex]");
    if (!target || (event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    view.choose(Number(target.dataset.field));
    root.querySelector(`[data-figure=fields] text[data-field="${view.field}"]`)?.focus();
  });
  root.addEventListener("pointermove", (event) => {
    const target = event.target.closest?.("circle[data-of]");
    tip.hidden = !target;
    if (!target) return;
    tip.textContent = describeDot(view, target);
    tip.style.left = `${Math.min(event.clientX + 14, window.innerWidth - 312)}px`;
    tip.style.top = `${event.clientY + 14}px`;
  });
  root.addEventListener("pointerleave", () => { tip.hidden = true; });
  new ResizeObserver(() => { if (view.data && view.measure()) view.draw(); }).observe(root);
}

// The range of a field's axis: where its values lie, a few far ones left at the edge.
function addAxes(data) {
  data.fields.forEach((field, j) => {
    const known = data.x[j].filter((value) => value !== null).sort((a, b) => a - b);
    const at = (share) => known[Math.min(known.length - 1, Math.max(0, Math.round(share * (known.length - 1))))];
    const ends = known.length ? [at(0.005), at(0.995)] : [field.lo, field.hi];
    if (field.choices) field.seen = [...new Set([...known, ...data.effects[j].grid])].sort((a, b) => a - b);
    field.axis = [Math.min(ends[0], ...data.effects[j].grid), Math.max(ends[1], ...data.effects[j].grid)];
  });
}

export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".plots");
  const view = (root.medcoreView ??= makeView(root));
  if (view.key === data.key) return;
  view.key = data.key;
  view.data = data.found;
  addAxes(view.data);
  view.colour = null;
  view.field = ranked(view.data)[0];
  const wanted = (view.data.base + Math.max(...view.data.p)) / 2;
  view.row = view.data.p.reduce((best, p, i) => (Math.abs(p - wanted) < Math.abs(view.data.p[best] - wanted) ? i : best), 0);
  view.measure();
  view.draw();
}
