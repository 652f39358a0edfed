// Projection: a picture of one's own becomes styles of the model, step by step.

import { choice, list, make, panel, row, slider } from "./controls.js";
import { job } from "./job.js";
import { tab } from "./link.js";
import { at, place } from "./place.js";
import * as stage from "./stage.js";
import * as store from "./store.js";

const STEPS = { min: 10, max: 1000, step: 10, initial: 200, title: "More are better and slower" };
const TUNING = { min: 10, max: 1000, step: 10, initial: 350, title: "More are nearer to the picture, and slower" };
const RATE = { min: 0.0001, max: 0.02, step: 0.0001, initial: 0.01, title: "0.0003 for large models" };

export function build(model) {
  const body = panel("panel-project", "Project", "a picture of your own");
  let upload = null, space = model.styled ? "w+" : "z", steps = STEPS.initial, address = null;
  let tune_steps = TUNING.initial, tune_rate = RATE.initial;

  const file = make("input", { type: "file", id: "upload", accept: "image/png,image/jpeg,image/webp", "aria-label": "Picture to project" });
  const words = make("span", {}, "Drop a PNG, JPEG or WebP here, or click");
  const seen = make("img", { alt: "The upload, as the model takes it", hidden: true });
  const zone = make("label", { class: "drop-zone", for: "upload" }, file, seen, words);
  const error = make("p", { class: "error", role: "alert", id: "upload-error" });
  const spaces = choice("Space", model.spaces.map((name) => [name, name]), (name) => {
    space = name;
    spaces.show(name);
    tuning.hidden = name !== "pti";
  });
  const measure = list("Distance", model.distances.map((name) => [name, name]), () => {});
  measure.show(model.distances.includes("efficientnet-lite0") ? "efficientnet-lite0" : model.distances[0]);
  const count = slider("Steps", STEPS, (value) => { steps = whole(value); count.show(steps); });
  const whole = (value) => Math.min(Math.max(1, Math.round(value)), 5000);
  const tunings = slider("Tuning steps", TUNING, (value) => { tune_steps = whole(value); tunings.show(tune_steps); });
  const rate = slider("Tuning rate", RATE, (value) => { tune_rate = Math.min(Math.max(1e-6, value), 0.1); rate.show(tune_rate); });
  const tuning = make("div", { class: "sliders", hidden: true },
    make("p", { class: "note" }, "Pivotal tuning: w, and then the model is tuned, written to a folder, and shown here."), tunings.element, rate.element);
  const work = job("project", "Project", {
    asked: () => ({ upload, space, steps, distance: measure.element.value, ...(space === "pti" ? { tune_steps, tune_rate } : {}) }),
    progress: (header, bytes) => bytes.length && stage.lend(bytes, header.type),
    result: (header) => {
      store.show(header.point);
      if (header.link) place.go(`/${header.link}`);
    },
    ended: () => stage.draw(false),
  });
  work.begin.disabled = true;
  spaces.show(space);
  body.append(zone, error, row("Space", spaces.element), row("Distance", measure.element), count.element, tuning, work.element);

  async function send(picture) {
    error.textContent = "";
    try {
      const response = await fetch(at("/api/upload", { tab: tab.number }), { method: "POST", body: picture });
      if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error || (response.status === 413 ? "This file is too large." : `The server answered ${response.status}.`));
      upload = response.headers.get("x-upload");
      if (address) URL.revokeObjectURL(address);
      address = URL.createObjectURL(await response.blob());
      seen.src = address;
      seen.hidden = false;
      words.textContent = picture.name;
      work.begin.disabled = false;
    } catch (problem) {
      error.textContent = problem.message;
    }
  }

  file.addEventListener("change", () => file.files[0] && send(file.files[0]));
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    if (event.dataTransfer.files[0]) send(event.dataTransfer.files[0]);
  });
}
