// Per-pixel noise: which, and how strong in each layer.

import { choice, make, panel, row, seedField, slider } from "./controls.js";
import * as store from "./store.js";

const STRENGTH = { min: 0, max: 4, step: 0.05, initial: 1, title: "times the trained strength" };

export function build(model) {
  if (!model.noise.length) return;
  const body = panel("panel-noise", "Noise", "per pixel, by layer");
  const kinds = choice("Noise", [["const", "trained"], ["random", "drawn"], ["none", "none"]], (noise) => store.change({ noise }));
  const seed = seedField("Noise seed", (noise_seed) => store.change({ noise: "random", noise_seed }));
  const layers = model.noise.map((size, layer) => slider(`${layer}: ${size}`, STRENGTH, (value, moving) => {
    const now = store.point().noise_layers;
    const noise_layers = model.noise.map((_, other) => (other === layer ? value : now[other] ?? 1));
    store.change({ noise_layers: noise_layers.every((each) => each === 1) ? [] : noise_layers }, moving);
  }));
  const clear = make("button", { type: "button", onclick: () => store.change({ noise_layers: [] }) }, "All as trained");
  body.append(row("Noise", kinds.element), row("Drawn by", seed.element), make("div", { class: "sliders" }, ...layers.map(({ element }) => element)),
    make("div", { class: "row ends" }, make("span", { class: "note" }), clear));
  store.onChange(({ point }) => {
    kinds.show(point.noise);
    seed.show(point.noise_seed);
    layers.forEach((part, layer) => part.show(point.noise_layers[layer] ?? 1));
  });
}
