// The rating page: one trial at a time, answered by key, button or touch, saved before the next is shown.

import { $, announce, ask } from "/static/shell/shell.js";

const CROSS = 500; // milliseconds of the cross before a picture with a limited time
const home = location.pathname.replace(/\/$/, "");
const images = [...document.querySelectorAll(".picture img")];
const flags = [...document.querySelectorAll("[data-flag]")];
const answerButtons = [...document.querySelectorAll("[data-answer]")];

let state = null;
let begun = false; // the rater has read what to do
let ready = false; // an answer is wanted
let since = 0; // when the picture was shown

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });
const frame = () => new Promise((done) => { requestAnimationFrame(done); });
const path = (trial, side) => `${home}/picture/${trial}/${side}`;

function problem(error) {
  $("problem").textContent = error ? error.message : "";
}

function show(name) {
  for (const id of ["start", "trial", "end"]) $(id).hidden = id !== name;
}

function allow(wanted) {
  ready = wanted;
  for (const button of [...answerButtons, ...flags]) button.disabled = !wanted;
  if ($("next")) $("next").disabled = !wanted;
  $("undo").disabled = !wanted && state?.trial !== null || state?.last === null || !begun;
}

// ---- pictures

// A picture decoded and in place, so that it appears at once.
async function place(image, source) {
  image.classList.add("waiting");
  image.src = source;
  await image.decode();
  image.classList.remove("waiting");
}

const ahead = [];
function fetchAhead() {
  if (state.after === null) return;
  ahead.splice(0, ahead.length, ...images.map((_, side) => Object.assign(new Image(), { src: path(state.after, side) })));
}

async function look() {
  const { trial } = state, limited = state.limit !== null;
  $("mask").hidden = !limited;
  for (const image of images) image.classList.add("waiting");
  if (!(limited && state.seen)) await Promise.all(images.map((image, side) => place(image, path(trial, side))));
  if (limited && !state.seen) {
    await pause(CROSS);
    $("mask").hidden = true;
    await frame();
    since = performance.now();
    while (performance.now() - since < state.limit) await frame();
    $("mask").hidden = false;
    for (const image of images) image.removeAttribute("src");
  } else {
    await frame();
    since = performance.now();
  }
}

// ---- trials

async function go(next) {
  state = next;
  $("progress").max = state.total;
  $("progress").value = state.done;
  $("count").textContent = `${state.done} of ${state.total}`;
  if (state.trial === null) {
    begun = true;
    allow(false);
    show("end");
    announce("That was all. Thank you!");
    return;
  }
  if (!begun) {
    show("start");
    $("begin").textContent = state.done ? "Go on" : "Begin";
    $("begin").focus();
    return;
  }
  clear();
  allow(false);
  show("trial");
  try {
    await look();
    allow(true);
    announce(`Picture ${state.done + 1} of ${state.total}`);
    fetchAhead();
  } catch {
    problem(new Error("The picture could not be loaded: reload the page."));
  }
}

async function send(where, body) {
  allow(false);
  problem(null);
  try {
    await go(await ask(`${home}/${where}`, body));
  } catch (error) {
    problem(error);
    if (error.answer?.state) await go(error.answer.state);
    else allow(true); // nothing was saved: answer again
  }
}

function answer(value) {
  if (!ready) return;
  send("answers", { trial: state.trial, answer: value, ms: Math.round(performance.now() - since) });
}

function undo() {
  if ($("undo").disabled) return;
  send("undo", { trial: state.last });
}

// ---- flags

function clear() {
  for (const button of flags) button.setAttribute("aria-pressed", "false");
  if ($("note")) $("note").value = "";
  named();
}

function marked() {
  return flags.filter((button) => button.getAttribute("aria-pressed") === "true").map((button) => button.dataset.flag);
}

function named() {
  if ($("next")) $("next").firstChild.textContent = marked().length ? "Save, and go on " : "Nothing wrong ";
}

function mark(button) {
  if (!ready) return;
  button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
  named();
}

function next() {
  answer({ flags: marked(), note: $("note").value.trim() });
}

// ---- events

function begin() {
  begun = true;
  go(state);
}

const KEYS = {
  pairs: { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "tie", " ": "tie", 1: "left", 2: "right", 0: "tie" },
  "real-or-fake": { ArrowLeft: "real", ArrowRight: "fake", r: "real", f: "fake" },
  quality: { 1: 1, 2: 2, 3: 3, 4: 4, 5: 5 },
};

function key(event) {
  const writing = event.target.matches("input");
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !state || !begun) return;
  const onButton = event.target.matches("button") && (event.key === "Enter" || event.key === " ");
  if (onButton && event.target.closest(".answers, .picture, .bar")) return; // the button's own key
  let action;
  if (event.key === "Enter" && $("next")) action = next;
  else if (writing) return;
  else if (event.key === "u" || event.key === "Backspace") action = undo;
  else if (flags[Number(event.key) - 1]) action = () => mark(flags[Number(event.key) - 1]);
  else if (KEYS[state.kind]?.[event.key] !== undefined) action = () => answer(KEYS[state.kind][event.key]);
  if (!action) return;
  event.preventDefault();
  action();
}

document.addEventListener("keydown", key);
$("begin").addEventListener("click", begin);
$("undo").addEventListener("click", undo);
$("next")?.addEventListener("click", next);
for (const button of flags) button.addEventListener("click", () => mark(button));
for (const button of answerButtons) {
  const { answer: text } = button.dataset;
  button.addEventListener("click", () => answer(/^\d$/.test(text) ? Number(text) : text));
}

ask(`${home}/state`).then(go, problem);
