// Where a picture comes from: seed, class, truncation.

import { list, make, panel, row, seedField, slider } from "./controls.js";
import * as store from "./store.js";

export function build(model) {
  const body = panel("panel-seed", "Sample", ["seed", model.styled && "truncation", model.labels.length && "class"].filter(Boolean).join(", "), { open: true });
  const shown = [];
  const add = (part, key, read = (value) => value) => {
    shown.push((point) => part.show(read(point[key])));
    return part.element;
  };
  body.append(row("Seed", add(seedField("Seed", (seed) => store.change({ seed, latent: "", place: null })), "seed")));
  if (model.labels.length) {
    const options = [["", "drawn by the seed"], ...model.labels.map((name, number) => [String(number), name])];
    const classes = list("Class", options, (text) => store.change({ label: text === "" ? null : Number(text) }));
    body.append(row("Class", add(classes, "label", (label) => (label === null ? "" : String(label)))));
  }
  if (model.styled) {
    const psi = { min: -1, max: 2, step: 0.01, initial: 1, title: "1 is none, 0 the average" };
    body.append(add(slider("Truncation ψ", psi, (psi, moving) => store.change({ psi }, moving)), "psi"));
    const count = model.layers.length;
    const cutoff = { min: 0, max: count, step: 1, initial: count, title: "How many of the layers are truncated, from the first on" };
    const set = (value, moving) => store.change({ psi_cutoff: value >= count ? null : Math.max(0, Math.round(value)) }, moving);
    body.append(add(slider("ψ on first", cutoff, set), "psi_cutoff", (value) => value ?? count));
  }
  if (!model.styled) {
    body.append(make("p", { class: "note" }, `A ${model.family} model has no style space: no truncation, mixing, map or dragging.`));
  }
  store.onChange(({ point }) => shown.forEach((show) => show(point)));
}
