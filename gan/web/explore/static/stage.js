// The pictures: one canvas a model, redrawn as the server answers; and thumbnails of them.

import { $ } from "/static/shell/shell.js";
import { make, thumbnail } from "./controls.js";
import { hear, send } from "./link.js";
import * as store from "./store.js";

const SHARP = 128; // pixels up to which a picture is shown without smoothing
const LARGEST = 16; // pixels of the screen for one of the picture, at most
const figures = [];
const resting = []; // functions that hear of a picture at rest: (step, canvas, header)
let painting = Promise.resolve(); // pictures are painted in the order in which they come
let serial = 0, asked = null, waiting = false;
let wanted = new Map(); // serial -> step of the history that the picture belongs to

export function onRest(heard) {
  resting.push(heard);
}

export function canvas(side = 0) {
  return figures[side].canvas;
}

export function build(models) {
  for (const [side, model] of models.entries()) {
    const canvas = make("canvas", { width: model.width, height: model.height, role: "img", "aria-label": "no picture yet" });
    canvas.classList.toggle("sharp", Math.max(model.width, model.height) <= SHARP);
    const overlay = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    overlay.setAttribute("viewBox", `0 0 ${model.width} ${model.height}`);
    overlay.setAttribute("class", "overlay");
    overlay.setAttribute("aria-hidden", "true");
    const frame = make("div", { class: "frame" }, canvas, overlay);
    frame.style.aspectRatio = `${model.width} / ${model.height}`;
    const caption = make("figcaption", { class: "note" });
    const figure = make("figure", {}, frame, caption);
    figure.style.setProperty("--ratio", model.width / model.height);
    figure.style.maxWidth = `${model.width * LARGEST}px`;
    $("figures").append(figure);
    figures.push({ canvas, overlay, caption, model, shown: 0 });
  }
  $("figures").dataset.count = models.length;
}

export function overlay() {
  return figures[0].overlay;
}

// Ask for the picture of the point, at the next frame; of many within one frame the last alone.
export function draw(moving) {
  asked = { moving, step: store.history().steps[store.history().at] };
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    const { moving, step } = asked;
    serial += 1;
    if (!moving) wanted = new Map([[serial, step]]);
    document.body.dataset.asked = serial;
    send({ do: "draw", serial, moving, point: store.point() });
  });
}

// Show a picture that belongs to no point of this page's, such as a job's progress.
export function lend(bytes, type) {
  painting = painting.then(() => paint(figures[0], bytes, type));
}

async function paint(figure, bytes, type) {
  const bitmap = await createImageBitmap(new Blob([bytes], { type }));
  const { canvas } = figure, context = canvas.getContext("2d");
  context.imageSmoothingEnabled = bitmap.width !== canvas.width && !canvas.classList.contains("sharp");
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
}

function heardPicture(header, bytes) {
  painting = painting.then(async () => {
    const figure = figures[header.side];
    if (header.serial < figure.shown) return;
    figure.shown = header.serial;
    await paint(figure, bytes, header.type);
    figure.canvas.dataset.serial = header.serial;
    figure.canvas.dataset.moving = header.moving;
    $("problem").textContent = "";
    const { point } = store.current();
    figure.canvas.setAttribute("aria-label", `Picture of seed ${point.seed} by ${figure.model.name}`);
    const name = point.latent ? "own latent" : `seed ${point.seed}`;
    figure.caption.textContent = `${name} · ${figure.model.width}×${figure.model.height}${figures.length > 1 ? ` · ${figure.model.name}` : ""}`;
    figure.caption.title = figure.caption.textContent;
    if (!header.moving && wanted.has(header.serial) && header.side === 0) {
      const step = wanted.get(header.serial);
      for (const heard of resting) heard(step, figure.canvas, header);
    }
  });
}

export function listen() {
  hear("picture", heardPicture);
  hear("error", ({ error }) => { $("problem").textContent = error; });
  hear("hello", () => draw(false));
}

// The history as a strip of thumbnails.
export function strip() {
  const box = $("history");
  const thumbs = new Map(); // step -> canvas
  const show = () => {
    const { steps, at } = store.history();
    for (const step of thumbs.keys()) if (!steps.includes(step)) thumbs.delete(step);
    const cells = steps.map((step, place) => {
      const cell = make("button", {
        type: "button", role: "option", "aria-selected": String(place === at), tabindex: place === at ? 0 : -1,
        "aria-label": `Step ${place + 1} of ${steps.length}, seed ${step.view.point.seed}`, onclick: () => store.go(place),
      });
      if (thumbs.has(step)) cell.append(thumbs.get(step));
      return cell;
    });
    box.replaceChildren(...cells);
    const cell = cells[at];
    if (cell) box.scrollLeft = cell.offsetLeft - box.clientWidth / 2 + cell.clientWidth / 2;
    $("undo").disabled = at === 0;
    $("redo").disabled = at === steps.length - 1;
  };
  box.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    store.undo(way);
    box.querySelector('[aria-selected="true"]')?.focus();
  });
  store.onChange((_, { step }) => step && show());
  onRest((step, canvas) => {
    if (!step) return;
    thumbs.set(step, thumbnail(canvas));
    show();
  });
}
