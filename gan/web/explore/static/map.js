// A map of w by its two principal axes: dots are seeds, the mark is the picture, and goes where it is dragged.

import { ask } from "/static/shell/shell.js";
import { hear } from "./link.js";
import { make, panel } from "./controls.js";
import { at } from "./place.js";
import * as store from "./store.js";

const SPAN = 3.6; // standard deviations from the middle to the edge
const STEP = 0.1; // of an arrow key

function shape(name, attributes, parent) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent?.append(made);
  return made;
}

export function build(model) {
  if (!model.styled) return;
  const body = panel("panel-map", "Map of w", "click or drag to move", { open: true });
  const svg = shape("svg", {
    viewBox: `${-SPAN} ${-SPAN} ${2 * SPAN} ${2 * SPAN}`, class: "map", tabindex: 0, role: "application",
    "aria-label": "Map of w: arrow keys move the picture along the two principal axes",
  });
  for (const ring of [1, 2, 3]) shape("circle", { r: ring, class: "ring" }, svg);
  shape("path", { d: `M${-SPAN} 0H${SPAN}M0 ${-SPAN}V${SPAN}`, class: "axis" }, svg);
  const dots = shape("g", {}, svg);
  const mark = shape("g", { class: "mark" }, svg);
  shape("circle", { r: 0.16 }, mark);
  shape("circle", { r: 0.05, class: "pip" }, mark);
  const words = make("span", { class: "note", "aria-live": "polite" });
  const back = make("button", { type: "button", id: "map-back", "aria-label": "Back to the seed", title: "Back to the seed", onclick: () => store.change({ place: null }) }, "Back");
  const near = make("button", { type: "button", id: "map-near", title: "Take the seed that is nearest to the mark", onclick: () => nearest() }, "Nearest seed");
  body.append(svg, make("div", { class: "row ends" }, words, near, back));
  let places = [], here = [0, 0];

  ask(at("/api/map")).then(({ dots: found }) => {
    places = found;
    for (const [x, y] of found) shape("circle", { cx: x, cy: -y, r: 0.045, class: "dot" }, dots);
  }).catch((error) => { words.textContent = error.message; });

  function nearest() {
    const far = places.map(([x, y]) => Math.hypot(x - here[0], y - here[1]));
    const seed = far.indexOf(Math.min(...far));
    if (seed >= 0) store.change({ seed, latent: "", place: null });
  }

  function put(x, y, moving) {
    const inside = (value) => Math.min(Math.max(value, -SPAN), SPAN);
    const place = [inside(x), inside(y)].map((value) => Number(value.toFixed(3)));
    store.change({ place }, moving);
    show(place);
  }

  function show([x, y]) {
    here = [x, y];
    mark.setAttribute("transform", `translate(${x} ${-y})`);
    words.textContent = `${x.toFixed(2)}σ, ${y.toFixed(2)}σ`;
  }

  function where(event) {
    const box = svg.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width * 2 - 1) * SPAN, (1 - (event.clientY - box.top) / box.height * 2) * SPAN];
  }

  let held = false;
  svg.addEventListener("pointerdown", (event) => {
    held = true;
    svg.setPointerCapture(event.pointerId);
    put(...where(event), true);
  });
  svg.addEventListener("pointermove", (event) => held && put(...where(event), true));
  for (const end of ["pointerup", "pointercancel"]) {
    svg.addEventListener(end, (event) => {
      if (!held) return;
      held = false;
      put(...where(event), false);
    });
  }
  svg.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    put(here[0] + way[0] * STEP, here[1] + way[1] * STEP, false);
  });
  store.onChange(({ point }) => { back.disabled = point.place === null; });
  hear("picture", ({ side, place }) => { if (side === 0 && place && !held) show(place); });
}
