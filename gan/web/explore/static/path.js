// Keyframes, the path through them, and its video.

import { $ } from "/static/shell/shell.js";
import { choice, download, list, make, panel, row, slider, thumbnail } from "./controls.js";
import { job } from "./job.js";
import * as stage from "./stage.js";
import * as store from "./store.js";

const MOST = 64;

export function build(model) {
  const body = panel("panel-path", "Path", "keyframes and video");
  const frames = make("div", { class: "thumbs", id: "keyframes", "aria-label": "Keyframes", role: "group" });
  const kinds = choice("Kind of path", ["cubic", "linear", "spherical"].map((kind) => [kind, kind]), (kind) => store.changeView({ kind }));
  const whole = (value) => Math.max(1, Math.round(value));
  const steps = slider("Frames each", { min: 2, max: 60, step: 1, initial: 24, title: "From one keyframe to the next" },
    (value, moving) => moving || store.changeView({ steps: whole(value) }));
  const fps = slider("Per second", { min: 1, max: 60, step: 1, initial: 24, title: "Frames per second" },
    (value, moving) => moving || store.changeView({ fps: whole(value) }));
  const loop = make("input", { type: "checkbox", id: "path-loop" });
  loop.addEventListener("change", () => store.changeView({ loop: loop.checked }));
  const formats = list("Format", model.videos.map((suffix) => [suffix, suffix.slice(1).toUpperCase()]), () => {});
  const shown = make("div", { class: "result" });
  let address = null;
  const made = job("film", "Make video", {
    asked: () => ({ view: store.current(), suffix: formats.element.value }),
    progress: (header, bytes) => bytes.length && stage.lend(bytes, header.type),
    result: ({ name, type }, bytes) => {
      const blob = new Blob([bytes], { type });
      if (address) URL.revokeObjectURL(address);
      address = URL.createObjectURL(blob);
      const save = make("button", { type: "button", id: "film-save", onclick: () => download(name, blob) }, `Save ${name}`);
      const picture = type.startsWith("image/") ? make("img", { src: address, alt: "The path as a video" }) : null;
      shown.replaceChildren(...[picture, save].filter(Boolean));
    },
    ended: () => stage.draw(false),
  });
  body.append(frames, row("Way", kinds.element), steps.element, fps.element,
    row("Closed", make("label", { class: "check" }, loop, " back to the first")), row("Format", formats.element), made.element, shown);
  const thumbs = new Map(); // text of a point -> canvas
  const text = JSON.stringify;

  $("keyframe").addEventListener("click", () => {
    const { keyframes, point } = store.current();
    if (keyframes.length >= MOST) return;
    thumbs.set(text(point), thumbnail(stage.canvas()));
    body.parentElement.open = true;
    store.changeView({ keyframes: [...keyframes, point] });
  });
  stage.onRest((_, canvas) => {
    const key = text(store.point());
    if (thumbs.has(key) || !store.current().keyframes.some((frame) => text(frame) === key)) return;
    thumbs.set(key, thumbnail(canvas)); // of a path that came with the address, as its keyframes are looked at
    show(store.current());
  });

  function show({ keyframes, kind, steps: count, fps: rate, loop: closed }) {
    kinds.show(kind);
    steps.show(count);
    fps.show(rate);
    loop.checked = closed;
    made.begin.disabled = keyframes.length < 2;
    const cells = keyframes.map((frame, place) => {
      const look = make("button", { type: "button", "aria-label": `Keyframe ${place + 1}: show it`, onclick: () => store.show(frame) });
      look.append(thumbs.get(text(frame)) || make("span", { class: "note" }, String(place + 1)));
      const rest = keyframes.filter((_, other) => other !== place);
      const drop = make("button", { type: "button", class: "drop", "aria-label": `Keyframe ${place + 1}: remove it`, onclick: () => store.changeView({ keyframes: rest }) }, "×");
      return make("div", { class: "cell" }, look, drop);
    });
    const empty = make("p", { class: "note" }, "Add two pictures or more with + Keyframe.");
    frames.replaceChildren(...(cells.length ? cells : [empty]));
  }
  store.onChange((view) => show(view));
}
