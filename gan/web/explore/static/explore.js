// The page of `gan explore`: panels change the view, the view asks for a picture, the server draws it.

import { $, ask } from "/static/shell/shell.js";
import { anySeed } from "./controls.js";
import * as directions from "./directions.js";
import * as drag from "./drag.js";
import { connect } from "./link.js";
import * as map from "./map.js";
import * as mixing from "./mixing.js";
import * as noise from "./noise.js";
import * as path from "./path.js";
import { at } from "./place.js";
import * as placement from "./placement.js";
import * as project from "./project.js";
import * as save from "./save.js";
import * as seeds from "./seeds.js";
import * as stage from "./stage.js";
import * as store from "./store.js";
import * as tray from "./tray.js";

const PANELS = [seeds, placement, map, mixing, directions, noise, drag, project, path, tray];

function randomSeed() {
  store.change({ seed: anySeed(), latent: "", place: null });
}

function reset() {
  const { seed, label } = store.point();
  store.change({ ...store.initial(), seed, label });
}

function keys(event) {
  if (event.target.matches("input, select, textarea") && event.target.type !== "range") return;
  if (event.altKey || document.querySelector("dialog[open]")) return;
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    if (key === "z" || key === "y") {
      event.preventDefault();
      store.undo(key === "y" || event.shiftKey ? 1 : -1);
    }
    return;
  }
  if (event.target.type === "range" && key.startsWith("arrow")) return;
  const step = { arrowleft: -1, arrowright: 1 }[key];
  if (step) store.change({ seed: Math.max(0, store.point().seed + step), latent: "", place: null });
  else if (key === "r") randomSeed();
  else if (key === "f") $("favour").click();
  else if (key === "k") $("keyframe").click();
  else if (key === "s") save.save("png");
  else if (key === "?") $("keys").showModal();
  else return;
  event.preventDefault();
}

async function begin() {
  const { models, defaults } = await ask(at("/api/facts"));
  stage.build(models);
  stage.listen();
  stage.strip();
  for (const part of PANELS) part.build(models[0], models);
  save.build(models);
  $("undo").addEventListener("click", () => store.undo());
  $("redo").addEventListener("click", () => store.undo(1));
  $("random").addEventListener("click", randomSeed);
  $("reset").addEventListener("click", reset);
  $("help").addEventListener("click", () => $("keys").showModal());
  document.addEventListener("keydown", keys);
  store.onChange((_, { moving, point }) => point && stage.draw(moving));
  store.start(defaults, models[0].digest);
  if (store.foreign()) $("notice").textContent = "This address was made with other weights: the picture is another one.";
  connect();
}

begin().catch((error) => { $("problem").textContent = error.message; });
