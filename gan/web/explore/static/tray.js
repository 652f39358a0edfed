// Favourites of this browser, one tray a model.

import { $, announce } from "/static/shell/shell.js";
import { make, panel, thumbnail } from "./controls.js";
import { job } from "./job.js";
import * as stage from "./stage.js";
import * as store from "./store.js";

const MOST = 60;

export function build(model) {
  const key = `explore-${model.digest.slice(0, 12)}`;
  const body = panel("panel-tray", "Favourites", "kept in this browser");
  const box = make("div", { class: "thumbs wrap", id: "tray", role: "group", "aria-label": "Favourites" });
  body.append(box);
  if (model.data) nearest(model, body);
  let kept = load();

  function load() {
    try {
      const found = JSON.parse(localStorage.getItem(key));
      return Array.isArray(found) ? found : [];
    } catch {
      return []; // storage is switched off, or holds something else
    }
  }

  function save() {
    try {
      localStorage.setItem(key, JSON.stringify(kept));
    } catch {
      announce("This browser keeps nothing: favourites end with this page.");
    }
    show();
  }

  $("favour").addEventListener("click", () => {
    const { point } = store.current();
    kept = [{ point, picture: thumbnail(stage.canvas()).toDataURL() }, ...kept].slice(0, MOST);
    body.parentElement.open = true;
    save();
    announce(`kept seed ${point.seed}`);
  });

  function show() {
    const cells = kept.map(({ point, picture }, place) => {
      const look = make("button", { type: "button", "aria-label": `Favourite ${place + 1}: show it`, onclick: () => store.show(point) },
        make("img", { src: picture, alt: "" }));
      const drop = make("button", { type: "button", class: "drop", "aria-label": `Favourite ${place + 1}: remove it`, onclick: () => { kept.splice(place, 1); save(); } }, "×");
      return make("div", { class: "cell" }, look, drop);
    });
    const empty = make("p", { class: "note" }, "Keep pictures with ★ Keep.");
    box.replaceChildren(...(cells.length ? cells : [empty]));
  }
  show();
}

// The training images that are nearest to the picture, by features.
function nearest(model, body) {
  const box = make("div", { class: "near", id: "near", role: "list", "aria-label": "Nearest training images" });
  const work = job("nearest", "Nearest training images", {
    asked: () => (box.replaceChildren(), { point: store.point() }),
    result: async ({ type, found }, bytes) => {
      const row = await createImageBitmap(new Blob([bytes], { type }));
      const side = row.width / found.length;
      box.replaceChildren(...found.map(([number, distance], place) => {
        const picture = make("canvas", { width: side, height: row.height, role: "img", "aria-label": `Training image ${number}` });
        picture.getContext("2d").drawImage(row, -place * side, 0);
        return make("figure", { role: "listitem" }, picture, make("figcaption", { class: "note" }, `${number} · ${distance.toPrecision(2)}`));
      }));
      row.close();
    },
  });
  body.append(work.element, box);
}
