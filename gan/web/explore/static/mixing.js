// Style mixing: some layers take the styles of another seed.

import { make, panel, row, seedField } from "./controls.js";
import * as store from "./store.js";

export function build(model) {
  if (!model.styled) return;
  const body = panel("panel-mix", "Style mixing", "layers of another seed");
  const seed = seedField("Other seed", (mix_seed) => store.change({ mix_seed }));
  const count = model.layers.length;
  const chips = model.layers.map((name, layer) =>
    make("button", { type: "button", class: "chip", "aria-pressed": "false", "aria-label": `Layer ${layer}, ${name}`, onclick: () => toggle(layer) },
      make("b", {}, String(layer)), make("span", {}, name)));
  const third = Math.max(1, Math.round(count / 3));
  const parts = { coarse: [0, third], middle: [third, 2 * third], fine: [2 * third, count], none: [0, 0] };
  const presets = Object.entries(parts).map(([name, [first, stop]]) =>
    make("button", { type: "button", onclick: () => set(Array.from({ length: stop - first }, (_, i) => first + i)) }, name));
  body.append(
    row("From seed", seed.element),
    make("div", { class: "chips", role: "group", "aria-label": "Layers of the other seed" }, ...chips),
    make("div", { class: "choice", role: "group", "aria-label": "Ranges of layers" }, ...presets),
  );
  store.onChange(({ point }) => {
    seed.show(point.mix_seed);
    chips.forEach((chip, layer) => chip.setAttribute("aria-pressed", String(point.mix_layers.includes(layer))));
  });
}

function set(mix_layers) {
  store.change({ mix_layers });
}

function toggle(layer) {
  const { mix_layers } = store.point();
  const rest = mix_layers.filter((other) => other !== layer);
  set(rest.length < mix_layers.length ? rest : [...rest, layer].sort((a, b) => a - b));
}
