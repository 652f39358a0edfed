// A job of this tab: its button, its progress, its end. One is at work at a time.

import { announce } from "/static/shell/shell.js";
import { hear, send } from "./link.js";
import { make } from "./controls.js";

// What a job has on the page. progress(header, bytes) and result(header, bytes) hear what the server says.
export function job(name, label, { asked, progress = () => {}, result, ended = () => {} }) {
  const begin = make("button", { type: "button", id: `${name}-start`, class: "main" }, label);
  const stop = make("button", { type: "button", id: `${name}-stop`, hidden: true }, "Stop");
  const bar = make("progress", { max: 1, value: 0, hidden: true, "aria-label": `Progress of: ${label}` });
  const words = make("span", { class: "note", role: "status", id: `${name}-words` });
  const element = make("div", { class: "job" }, make("div", { class: "row ends" }, begin, stop, words), bar);
  let began = 0;

  const end = (text) => {
    begin.disabled = false;
    stop.hidden = bar.hidden = true;
    words.textContent = text;
    if (text) announce(text);
    ended();
  };
  begin.addEventListener("click", () => {
    const message = asked();
    if (!message) return;
    if (!send({ do: "start", job: name, ...message })) return;
    began = performance.now();
    begin.disabled = true;
    stop.hidden = bar.hidden = false;
    bar.value = 0;
    words.textContent = "";
  });
  stop.addEventListener("click", () => send({ do: "stop" }));
  hear("progress", (header, bytes) => {
    if (header.job !== name || !begin.disabled) return;
    bar.value = header.share;
    const left = header.share > 0.02 ? (performance.now() - began) / 1000 * (1 / header.share - 1) : null;
    words.textContent = left === null ? header.words : `${header.words}, ${Math.ceil(left)} s left`;
    progress(header, bytes);
  });
  hear("result", (header, bytes) => {
    if (header.job !== name) return;
    end(header.words || "");
    result(header, bytes);
  });
  hear("end", (header) => header.job === name && end(header.error || "stopped"));
  hear("refused", (header) => header.job === name && end(header.error));
  hear("lost", () => begin.disabled && end("the connection was lost"));
  return { element, begin };
}
