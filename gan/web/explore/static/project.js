// Projection: a picture of one's own becomes styles of the model, step by step.

import { choice, list, make, panel, row, slider } from "./controls.js";
import { job } from "./job.js";
import { tab } from "./link.js";
import * as stage from "./stage.js";
import * as store from "./store.js";

const STEPS = { min: 10, max: 1000, step: 10, initial: 200, title: "More are better and slower" };

export function build(model) {
  if (!model.styled) return;
  const body = panel("panel-project", "Project", "a picture of your own");
  let upload = null, space = "w+", steps = STEPS.initial, address = null;

  const file = make("input", { type: "file", id: "upload", accept: "image/png,image/jpeg,image/webp", "aria-label": "Picture to project" });
  const words = make("span", {}, "Drop a PNG, JPEG or WebP here, or click");
  const seen = make("img", { alt: "The upload, as the model takes it", hidden: true });
  const zone = make("label", { class: "drop-zone", for: "upload" }, file, seen, words);
  const error = make("p", { class: "error", role: "alert", id: "upload-error" });
  const spaces = choice("Space", ["w", "w+"].map((name) => [name, name]), (name) => { space = name; spaces.show(name); });
  const measure = list("Distance", model.distances.map((name) => [name, name]), () => {});
  measure.show(model.distances.includes("efficientnet-lite0") ? "efficientnet-lite0" : model.distances[0]);
  const count = slider("Steps", STEPS, (value) => { steps = Math.min(Math.max(1, Math.round(value)), 5000); count.show(steps); });
  const work = job("project", "Project", {
    asked: () => ({ upload, space, steps, distance: measure.element.value }),
    progress: (header, bytes) => bytes.length && stage.lend(bytes, header.type),
    result: (header) => store.show(header.point),
    ended: () => stage.draw(false),
  });
  work.begin.disabled = true;
  spaces.show(space);
  body.append(zone, error, row("Space", spaces.element), row("Distance", measure.element), count.element, work.element);

  async function send(picture) {
    error.textContent = "";
    try {
      const response = await fetch(`/api/upload?tab=${encodeURIComponent(tab.number)}`, { method: "POST", body: picture });
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
