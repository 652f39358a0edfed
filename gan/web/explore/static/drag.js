// Drag-to-edit (DragGAN): handles and targets on the picture; the server moves the styles step by step.

import { area } from "./area.js";
import { make, panel, slider } from "./controls.js";
import { job } from "./job.js";
import * as stage from "./stage.js";
import * as store from "./store.js";

const MOST = 16;
const RATES = { min: 0.001, max: 0.05, step: 0.001, initial: 0.01, title: "How far styles go in a step" };

export function build(model) {
  if (!model.styled) return;
  const body = panel("panel-drag", "Drag", "points on the picture");
  const canvas = stage.canvas(), frame = canvas.parentElement, overlay = stage.overlay();
  let pairs = [], half = null, placing = false, rate = RATES.initial;

  const place = make("button", { type: "button", id: "drag-place", "aria-pressed": "false", onclick: () => setPlacing(!placing) }, "Place points");
  const add = make("button", { type: "button", id: "drag-add", onclick: () => put([...middle(), ...middle()]) }, "Add by numbers");
  const clear = make("button", { type: "button", id: "drag-clear", onclick: () => { pairs = []; half = null; show(); } }, "Clear");
  const rows = make("div", { class: "pairs" });
  const speed = slider("Step size", RATES, (value) => { rate = Math.max(0.0001, value); speed.show(rate); });
  const movable = area(model, frame, where, () => setPlacing(false), () => show());
  const dragging = job("drag", "Drag", {
    asked: () => (setPlacing(false), movable.stop(), { point: store.point(), pairs, rate, area: movable.value() }),
    progress: (header, bytes) => {
      follow(header.handles);
      if (bytes.length) stage.lend(bytes, header.type);
    },
    result: (header) => {
      follow(header.handles);
      store.show(header.point);
    },
    ended: () => stage.draw(false),
  });
  body.append(
    make("p", { class: "note" }, "Click what is to move, then where it is to go."),
    make("div", { class: "choice", role: "group", "aria-label": "Points" }, place, add, clear), rows, movable.element, speed.element, dragging.element,
  );

  function middle() {
    return [(model.width - 1) / 2, (model.height - 1) / 2];
  }

  function setPlacing(on) {
    if (on) movable.stop();
    placing = on;
    place.setAttribute("aria-pressed", String(on));
    frame.classList.toggle("placing", on);
  }

  function put(pair) {
    if (pairs.length < MOST) pairs = [...pairs, pair.map((value) => Number(value.toFixed(2)))];
    show();
  }

  function follow(handles) {
    if (!handles) return;
    pairs = pairs.map((pair, i) => (handles[i] ? [...handles[i].map((value) => Number(value.toFixed(2))), pair[2], pair[3]] : pair));
    show();
  }

  function show() {
    dragging.begin.disabled = pairs.length === 0;
    rows.replaceChildren(...pairs.map((pair, i) => pairRow(pair, i)));
    const size = Math.max(model.width, model.height) / 100;
    const parts = movable.marks().map(([name, attributes]) => mark(name, attributes));
    parts.push(...pairs.flatMap(([x, y, u, v]) => [
      mark("line", { x1: x + 0.5, y1: y + 0.5, x2: u + 0.5, y2: v + 0.5, class: "way", "stroke-width": size * 0.5 }),
      mark("circle", { cx: u + 0.5, cy: v + 0.5, r: size * 1.4, class: "target", "stroke-width": size * 0.4 }),
      mark("circle", { cx: x + 0.5, cy: y + 0.5, r: size * 1.4, class: "handle", "stroke-width": size * 0.4 }),
    ]));
    if (half) parts.push(mark("circle", { cx: half[0] + 0.5, cy: half[1] + 0.5, r: size * 1.4, class: "handle", "stroke-width": size * 0.4 }));
    overlay.replaceChildren(...parts);
  }

  function pairRow(pair, i) {
    const names = ["handle x", "handle y", "target x", "target y"];
    const fields = pair.map((value, axis) => {
      const field = make("input", { type: "number", step: 0.5, value, "aria-label": `Pair ${i + 1}, ${names[axis]}` });
      field.addEventListener("change", () => {
        pairs[i][axis] = Math.min(Math.max(Number(field.value) || 0, -0.5), (axis % 2 ? model.height : model.width) - 0.5);
        show();
      });
      return field;
    });
    const drop = make("button", { type: "button", class: "small", "aria-label": `Pair ${i + 1}: remove it`, onclick: () => { pairs.splice(i, 1); show(); } }, "×");
    return make("div", { class: "pair points" }, make("span", {}, `${i + 1}`), fields[0], fields[1], make("span", {}, "→"), fields[2], fields[3], drop);
  }

  function where(event) {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * model.width - 0.5, (event.clientY - box.top) / box.height * model.height - 0.5];
  }

  frame.addEventListener("pointerdown", (event) => {
    if (!placing) return;
    event.preventDefault();
    if (half) {
      put([...half, ...where(event)]);
      half = null;
    } else {
      half = where(event);
    }
    show();
  });
  body.parentElement.addEventListener("toggle", () => {
    setPlacing(body.parentElement.open && pairs.length === 0);
    overlay.toggleAttribute("hidden", !body.parentElement.open);
  });
  show();
}

function mark(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
