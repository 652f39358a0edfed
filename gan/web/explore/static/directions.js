// Sliders along directions in latent space, computed on the spot or read from a file.

import { ask } from "/static/shell/shell.js";
import { choice, make, panel, row, slider } from "./controls.js";
import { at } from "./place.js";
import * as store from "./store.js";

const NAMES = { pca: "PCA", sefa: "SeFa", file: "file" };
const FAR = 4; // standard deviations that a slider reaches

export function build(model) {
  const body = panel("panel-directions", "Directions", "sliders in standard deviations");
  const methods = choice("Method", model.methods.map((method) => [method, NAMES[method]]), (method) => {
    store.change({ method, amounts: [] });
  });
  const box = make("div", { class: "sliders" });
  const note = make("p", { class: "note" });
  const clear = make("button", { type: "button", id: "directions-clear", onclick: () => store.change({ amounts: [], layers: null }) }, "All to 0");
  if (model.methods.length > 1) body.append(row("Method", methods.element));
  body.append(box, note);
  const range = model.styled ? layers(model, body) : null;
  body.append(make("div", { class: "row ends" }, make("span", { class: "note" }), clear));
  let sliders = [], loaded = "", loading = "";

  // The sliders of a method, once somebody looks.
  async function load(method) {
    if (loaded === method || loading === method) return;
    loading = method;
    note.textContent = "computing …";
    try {
      const { names, explained, space } = await ask(at("/api/directions", { method }));
      if (loading !== method) return;
      loaded = method;
      sliders = names.map((name, index) => slider(name, {
        min: -FAR, max: FAR, step: 0.05, initial: 0, title: explained[index] === null ? name : `explains ${(100 * explained[index]).toFixed(1)} %`,
      }, (value, moving) => set(index, value, moving)));
      box.replaceChildren(...sliders.map(({ element }) => element));
      const told = explained.reduce((sum, part) => sum + part, 0);
      note.textContent = told ? `They explain ${(100 * told).toFixed(0)} % of ${method === "sefa" ? "what the layers do with w" : `the variance of ${space}`}.` : "";
      show(store.point());
    } catch (error) {
      note.textContent = error.message;
    } finally {
      loading = "";
    }
  }

  function set(index, value, moving) {
    const amounts = Array.from({ length: Math.max(store.point().amounts.length, index + 1) }, (_, i) => store.point().amounts[i] || 0);
    amounts[index] = value;
    while (amounts.length && amounts.at(-1) === 0) amounts.pop();
    store.change({ amounts, method: loaded }, moving);
  }

  function show(point) {
    methods.show(point.method);
    range?.show(point);
    if (loaded === point.method) sliders.forEach((part, index) => part.show(point.amounts[index] || 0));
    else if (body.parentElement.open) load(point.method);
  }

  body.parentElement.addEventListener("toggle", () => show(store.point()));
  store.onChange(({ point }) => {
    if (point.amounts.length) body.parentElement.open = true;
    show(point);
  });
}

// Which layers the directions change: two fields, from and to.
function layers(model, body) {
  const last = model.layers.length - 1;
  const field = (label) => make("input", { type: "number", min: 0, max: last, step: 1, "aria-label": label });
  const from = field("First layer of directions"), to = field("Last layer of directions");
  const take = () => {
    const first = Math.min(Math.max(Number(from.value) || 0, 0), last);
    const stop = Math.min(Math.max(Number(to.value) || 0, first), last);
    store.change({ layers: first === 0 && stop === last ? null : [first, stop] });
  };
  from.addEventListener("change", take);
  to.addEventListener("change", take);
  body.append(row("On layers", make("div", { class: "pair" }, from, make("span", {}, "to"), to)));
  return {
    show: ({ layers: shown }) => {
      [from.value, to.value] = shown || [0, last];
    },
  };
}
