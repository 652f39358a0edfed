// Files and the link of what is shown.

import { $, announce } from "/static/shell/shell.js";
import { download } from "./controls.js";
import { at, place } from "./place.js";
import * as store from "./store.js";

export function build(models) {
  for (const button of document.querySelectorAll("[data-save]")) {
    button.addEventListener("click", () => save(button.dataset.save));
  }
  $("save-latent").hidden = !models[0].styled;
  $("share").hidden = !place.href; // a frame of a notebook has no address
  $("share").addEventListener("click", share);
}

export async function save(kind) {
  try {
    const response = await fetch(at("/api/save"), {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ kind, point: store.point() }),
    });
    if (!response.ok) throw new Error((await response.json()).error);
    const name = /filename="([^"]+)"/.exec(response.headers.get("content-disposition"))[1];
    download(name, await response.blob());
    announce(`saved ${name}`);
  } catch (error) {
    $("problem").textContent = error.message;
  }
}

async function share() {
  const text = place.href;
  try {
    await navigator.clipboard.writeText(text);
    flash("Copied");
  } catch {
    flash("It is in the address bar"); // the browser does not let pages write to the clipboard
  }
}

function flash(text) {
  const before = "Copy link";
  $("share").textContent = text;
  announce(text);
  setTimeout(() => { $("share").textContent = before; }, 1500);
}
