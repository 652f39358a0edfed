// The review page: a grid of files, filters, keys, and decisions that are saved at once.

import { $, announce, ask, listen } from "/static/shell/shell.js";
import { Grid } from "/static/shell/grid.js";

const WINDOW = 200; // files that are asked for at once
const PAUSE = 60; // milliseconds that a cell stands still before its picture is asked for
const FILTERS = ["text", "verdict", "reason", "label", "cluster", "decided", "order"];
const WORDS = { keep: "kept", drop: "dropped", quarantine: "in quarantine", stop: "stops the preparation", relabel: "relabelled" };

let numbers = []; // of the files in the list, by position
let places = new Map(); // number -> position
const items = new Map(); // number -> what is known of it
const made = []; // [number, serial] of the decisions of this tab, the newest last
let busy = Promise.resolve(); // decisions of this tab go out in order

const grid = new Grid($("grid"), { width: 150, height: 190, make, fill, moved });

// ---- cells

function element(name, className, parent) {
  const made = document.createElement(name);
  made.className = className;
  parent?.append(made);
  return made;
}

function make() {
  const cell = element("div", "cell");
  const card = element("div", "card", cell);
  const image = element("img", "waiting", card);
  image.alt = "";
  image.decoding = "async";
  image.draggable = false;
  image.addEventListener("load", () => image.classList.remove("waiting"));
  const state = element("span", "state", card);
  element("b", "", state);
  element("span", "why", state);
  element("span", "name", card);
  return cell;
}

function fill(cell, position) {
  const number = numbers[position], item = items.get(number);
  const [card] = cell.children, [image, state, name] = card.children;
  if (cell.dataset.number !== String(number)) {
    cell.dataset.number = number;
    image.classList.add("waiting");
    image.removeAttribute("src");
  }
  if (!image.hasAttribute("src")) whenStill(cell, image, number);
  card.className = item ? `card is-${item.verdict}` : "card";
  const [verdict, why] = state.children;
  verdict.className = item?.verdict || "";
  verdict.textContent = item ? mark(item) : "";
  why.textContent = item ? item.fate ? "decided" : item.reason || item.label || "" : "";
  name.textContent = item?.path || "";
  cell.dataset.path = item?.path || "";
  cell.setAttribute("aria-label", item ? spoken(item) : "not loaded yet");
  if (!item) want(position);
}

function whenStill(cell, image, number) {
  clearTimeout(cell.timer);
  cell.timer = setTimeout(() => {
    if (!cell.hidden && cell.dataset.number === String(number)) image.src = `/picture/${number}/small`;
  }, PAUSE);
}

function mark(item) {
  return { keep: "✓ keep", drop: "✕ drop", quarantine: "⚠ quarantine", stop: "⚠ stop" }[item.verdict];
}

function spoken(item) {
  const parts = [item.path, WORDS[item.verdict]];
  if (item.fate) parts.push("by decision");
  else if (item.reason) parts.push(item.reason);
  if (item.label) parts.push(`label ${item.label}`);
  if (item.cluster !== null) parts.push(`duplicates ${item.cluster}${item.keeper ? ", the one kept" : ""}`);
  return parts.join(", ");
}

const asked = new Set(); // windows on their way

async function want(position) {
  const first = Math.floor(position / WINDOW) * WINDOW, list = numbers;
  if (asked.has(first)) return;
  asked.add(first);
  const missing = list.slice(first, first + WINDOW).filter((number) => !items.has(number));
  try {
    for (const item of await ask(`/api/items?numbers=${missing.join(",")}`)) items.set(item.number, item);
    if (list === numbers) refresh(first, first + WINDOW);
  } catch (error) {
    problem(error);
  } finally {
    if (list === numbers) asked.delete(first);
  }
}

function refresh(from, to) {
  for (const position of grid.shown.keys()) if (position >= from && position < to) grid.refill(position);
  if (grid.current >= from && grid.current < to) moved(grid.current);
}

// ---- the panel

function current() {
  return items.get(numbers[grid.current]);
}

function moved(position) {
  const item = current(), number = numbers[position];
  if (number === undefined) $("large").removeAttribute("src");
  else if ($("large").dataset.number !== String(number)) {
    $("large").src = `/picture/${number}/small`;
    clearTimeout(moved.timer);
    moved.timer = setTimeout(() => { if (numbers[grid.current] === number) $("large").src = `/picture/${number}/large`; }, 150);
  }
  $("large").dataset.number = number;
  $("large").alt = item ? item.path : "";
  for (const kind of ["keep", "drop", "relabel"]) {
    $(kind).disabled = !item || (kind === "keep" && !item.decoded);
    $(kind).setAttribute("aria-pressed", String(kind === "relabel" ? Boolean(item?.relabelled) : item?.fate === kind));
  }
  undoable();
  about(item);
}

function undoable() {
  $("undo").disabled = !made.length && !current()?.serial;
}

function about(item) {
  const list = $("about");
  list.replaceChildren();
  if (!item) return;
  const row = (name, value, className = "") => {
    if (value === null || value === undefined || value === "") return;
    element("dt", "", list).textContent = name;
    const cell = element("dd", className, list);
    cell.append(value);
  };
  const verdict = `${WORDS[item.verdict]}${item.fate ? `, by your decision (before: ${WORDS[item.scanned]})` : ""}`;
  row("Verdict", verdict, item.verdict);
  row("Why", item.reason);
  row("Faults", item.detail);
  row("Path", item.path);
  row("Source", item.source);
  row("Size", item.width === null ? null : `${item.width} × ${item.height}`);
  row("Label", item.relabelled ? `${item.label}, by your decision` : item.label);
  row("Caption", item.caption);
  row("Sharpness", item.sharpness === null ? null : item.sharpness.toPrecision(4));
  row("Brightness", item.brightness === null ? null : item.brightness.toPrecision(4));
  if (item.cluster !== null) row("Duplicates", clusterButton(item));
}

function clusterButton(item) {
  const button = element("button", "");
  button.type = "button";
  button.textContent = `group ${item.cluster}${item.keeper ? ", the one kept" : ""}: show all`;
  button.addEventListener("click", () => {
    const option = $("cluster").querySelector(`option[value="${item.cluster}"]`) || element("option", "", $("cluster"));
    option.value = item.cluster;
    option.textContent = `Group ${item.cluster}`;
    $("filters").reset();
    $("cluster").value = String(item.cluster);
    load(item.number);
    grid.box.focus();
  });
  return button;
}

function problem(error) {
  $("problem").textContent = error ? error.message : "";
}

// ---- decisions

function decide(kind, label) {
  const item = current();
  if (!item || !grid.count) return;
  if (item.fate === kind) { step(); return; }
  const number = item.number;
  if (kind !== "relabel") step();
  send({ number, decision: kind, label }, (found) => {
    made.push([number, found.serial]);
    announce(`${found.path} ${WORDS[kind]}${label ? ` ${label}` : ""}`);
  });
}

function step() {
  if (grid.current + 1 < grid.count) grid.go(grid.current + 1);
}

function undo() {
  busy = busy.then(() => {
    const item = current();
    const [number, serial] = made.pop() || (item?.serial ? [item.number, item.serial] : []);
    if (number === undefined) return undefined;
    if (places.has(number)) grid.go(places.get(number));
    return post({ number, decision: "undo", of: serial }, (found) => announce(`${found.path}: undone, ${WORDS[found.verdict]}`));
  });
}

function send(body, done) {
  busy = busy.then(() => post(body, done));
}

async function post(body, done) {
  try {
    const { item } = await ask("/api/decisions", body);
    problem(null);
    done(item);
    take(item);
    undoable();
  } catch (error) {
    problem(error);
    if (error.answer?.item) take(error.answer.item);
  }
}

// An item as it is now, from an answer or from another tab.
function take(item) {
  const known = items.get(item.number);
  items.set(item.number, item);
  if (known) {
    counts[known.verdict] -= 1;
    decidedCount += Boolean(item.serial) - Boolean(known.serial);
    counts[item.verdict] = (counts[item.verdict] || 0) + 1;
    showCounts();
  } else later();
  const position = places.get(item.number);
  if (position === undefined) return;
  grid.refill(position);
  if (position === grid.current) moved(position);
}

// ---- lists

let counts = {}, decidedCount = 0, soon = 0;

function later() {
  clearTimeout(soon);
  soon = setTimeout(facts, 500);
}

function showCounts() {
  const part = (kind, word) => counts[kind] ? `${counts[kind].toLocaleString("en")} ${word}` : "";
  const parts = [part("keep", "kept"), part("drop", "dropped"), part("quarantine", "in quarantine"), part("stop", "stopping"),
    decidedCount ? `${decidedCount.toLocaleString("en")} decided` : ""];
  $("counts").textContent = parts.filter(Boolean).join(" · ");
}

async function facts() {
  const found = await ask("/api/facts");
  counts = { ...found.verdicts };
  decidedCount = found.decided;
  showCounts();
  options($("reason"), found.reasons.map(([name, count]) => [name, `${name} (${count.toLocaleString("en")})`]));
  options($("label"), found.labels.map((name) => [name, name]));
  $("known").replaceChildren(...found.labels.map((name) => new Option(name)));
}

function options(select, pairs) {
  const value = select.value;
  select.replaceChildren(select.options[0], ...pairs.map(([name, text]) => new Option(text, name)));
  select.value = [...select.options].some((option) => option.value === value) ? value : "";
}

let newest = 0;

// The list of the filters. number: the file that is current then, where it is in the list.
async function load(number) {
  const turn = ++newest;
  const query = new URLSearchParams();
  for (const name of FILTERS) if ($(name).value) query.set(name, $(name).value);
  try {
    const found = await ask(`/api/files?${query}`);
    if (turn !== newest) return; // another filter was chosen meanwhile
    numbers = found.numbers;
    places = new Map(numbers.map((value, position) => [value, position]));
    asked.clear();
    const shown = numbers.length < found.total ? `the first ${numbers.length.toLocaleString("en")} of ` : "";
    $("found").textContent = `${shown}${found.total.toLocaleString("en")} ${found.total === 1 ? "file" : "files"}`;
    grid.reset(numbers.length, places.get(number) ?? 0);
    problem(null);
  } catch (error) {
    problem(error);
  }
}

async function start() {
  try {
    await facts();
  } catch (error) {
    problem(error);
  }
  await load();
  grid.box.focus();
}

// ---- events

$("filters").addEventListener("submit", (event) => { event.preventDefault(); grid.box.focus(); });
$("filters").addEventListener("reset", () => setTimeout(() => load(numbers[grid.current])));
for (const name of FILTERS.slice(1)) $(name).addEventListener("change", () => load());
let typing = 0;
$("text").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => load(), 150); });
$("keep").addEventListener("click", () => decide("keep"));
$("drop").addEventListener("click", () => decide("drop"));
$("undo").addEventListener("click", undo);
$("relabel").addEventListener("click", relabel);
$("help").addEventListener("click", () => $("keys").showModal());
$("labels").addEventListener("close", () => {
  if ($("labels").returnValue === "ok" && $("new").value.trim()) decide("relabel", $("new").value.trim());
  grid.box.focus();
});

function relabel() {
  if (!current()) return;
  $("labels").returnValue = "";
  $("new").value = current().label || "";
  $("labels").showModal();
  $("new").select();
}

const KEYS = { k: () => decide("keep"), d: () => decide("drop"), r: relabel, u: undo,
  "/": () => { $("text").focus(); $("text").select(); }, "?": () => $("keys").showModal() };

document.addEventListener("keydown", (event) => {
  const writing = event.target.matches("input, select, textarea");
  if (event.key === "Escape" && writing && !document.querySelector("dialog[open]")) grid.box.focus();
  if (writing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const action = KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

listen(({ item }) => take(item), () => { items.clear(); facts().catch(problem); load(numbers[grid.current]); });
start();
