// The part of the picture that may move while points are dragged: a rectangle, drawn on it or typed.

import { make } from "./controls.js";

const EDGES = ["left", "top", "right", "bottom"];

// where(event): the place on the picture. begun(): it is about to be drawn. changed(): after every change.
// Returns {element, marks(), value(), stop()}; value is the first and last column and row that may move, [left,
// top, right, bottom], or null for all of them.
export function area(model, frame, where, begun, changed) {
  let edges = null, from = null, drawing = false;
  const draw = make("button", { type: "button", id: "area-draw", "aria-pressed": "false", onclick: () => setDrawing(!drawing) }, "Draw on the picture");
  const whole = make("button", { type: "button", id: "area-clear", onclick: () => put(null) }, "All may move");
  const fields = EDGES.map((name, i) => {
    const field = make("input", { type: "number", step: 1, "aria-label": `What may move, ${name}` });
    field.addEventListener("change", () => {
      const next = edges || full();
      next[i] = Number(field.value) || 0;
      put(next);
    });
    return field;
  });
  const element = make("div", { class: "area" },
    make("p", { class: "note" }, "What may move: all, or a rectangle outside of which the picture is kept."),
    make("div", { class: "choice", role: "group", "aria-label": "What may move" }, draw, whole),
    make("div", { class: "pair edges" }, ...fields));

  function full() {
    return [0, 0, model.width - 1, model.height - 1];
  }

  function setDrawing(on) {
    drawing = on;
    draw.setAttribute("aria-pressed", String(on));
    frame.classList.toggle("drawing", on);
    if (on) begun();
  }

  function put(next) {
    const most = full();
    const inside = next?.map((value, i) => Math.round(Math.min(Math.max(value, 0), most[i % 2 + 2])));
    edges = inside ? [Math.min(inside[0], inside[2]), Math.min(inside[1], inside[3]), Math.max(inside[0], inside[2]), Math.max(inside[1], inside[3])] : null;
    if (edges && edges.every((value, i) => value === most[i])) edges = null;
    show();
    changed();
  }

  function show() {
    (edges || full()).forEach((value, i) => { fields[i].value = value; });
    whole.disabled = !edges;
  }

  frame.addEventListener("pointerdown", (event) => {
    if (!drawing) return;
    event.preventDefault();
    frame.setPointerCapture(event.pointerId);
    from = where(event);
  });
  frame.addEventListener("pointermove", (event) => from && put([...from, ...where(event)]));
  frame.addEventListener("pointerup", (event) => {
    if (!from) return;
    put([...from, ...where(event)]);
    from = null;
    setDrawing(false);
  });
  frame.addEventListener("pointercancel", () => { from = null; });

  // What lies outside, to be laid over the picture: [name, attributes] of shapes of SVG.
  function marks() {
    if (!edges) return [];
    const [left, top, right, bottom] = [edges[0], edges[1], edges[2] + 1, edges[3] + 1];
    const d = `M0 0H${model.width}V${model.height}H0ZM${left} ${top}V${bottom}H${right}V${top}Z`;
    return [["path", { d, class: "kept", "fill-rule": "evenodd" }]];
  }

  show();
  return { element, marks, value: () => edges, stop: () => setDrawing(false) };
}
