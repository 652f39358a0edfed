// The view of this tab: what it shows, its history, and its address. The server knows nothing of it but the
// point of the picture that it draws.

import { place as here } from "./place.js";

const SAME = 600; // milliseconds within which changes of the same thing are one step of the history
const MOST = 100; // steps that are kept

let defaults, view, digest = "";
let steps = [], at = -1; // views, the shown one at `at`
let before = { keys: "", time: 0 };
const hearers = [];

// heard(view, {moving, point, step}): after every change. point: whether the picture is another one.
export function onChange(heard) {
  hearers.push(heard);
}

export function current() {
  return view;
}

export function point() {
  return view.point;
}

export function initial() {
  return structuredClone(defaults.point);
}

export function history() {
  return { steps, at };
}

export function start(given, ownDigest) {
  defaults = given;
  digest = ownDigest.slice(0, 12);
  view = fromAddress() || structuredClone(defaults);
  steps = [{ view }];
  at = 0;
  tell(false, true, true);
  addEventListener("hashchange", () => {
    const found = fromAddress();
    if (found && same(found) !== same(view)) become(found, false, "address");
  });
}

// Change the picture's point. moving: more of it will follow at once.
export function change(patch, moving = false) {
  become({ ...view, point: { ...view.point, ...patch } }, moving, Object.keys(patch).join());
}

// Another point, of which only what differs from the defaults need be said; always a step of its own.
export function show(point) {
  become({ ...view, point: { ...defaults.point, ...point } }, false, "");
}

// Change what else the page holds: keyframes, and how a path goes.
export function changeView(patch) {
  become({ ...view, ...patch }, false, Object.keys(patch).join());
}

export function undo(step = -1) {
  go(at + step);
}

export function go(place) {
  if (place < 0 || place >= steps.length) return;
  at = place;
  before.keys = "";
  put(steps[at].view, false, true);
}

function become(next, moving, keys) {
  if (!moving && same(next) !== same(steps[at].view)) remember(next, keys);
  put(next, moving, !moving);
}

function remember(next, keys) {
  const now = performance.now();
  const again = keys && keys === before.keys && now - before.time < SAME && at > 0;
  steps = steps.slice(0, again ? at : at + 1).slice(-MOST);
  steps.push({ view: next });
  at = steps.length - 1;
  before = { keys, time: now };
}

function put(next, moving, step) {
  const other = same(next.point) !== same(view.point) || (step && !moving);
  view = next;
  tell(moving, other, step);
}

function tell(moving, other, step) {
  if (!moving) here.keep(address());
  for (const heard of hearers) heard(view, { moving, point: other, step });
}

// ---- the address

export function address() {
  const brief = short({ ...view, model: digest }, defaults);
  brief.keyframes = brief.keyframes?.map((frame) => short(frame, defaults.point));
  return `#${encodeURIComponent(JSON.stringify(brief)).replaceAll("%2C", ",").replaceAll("%3A", ":")}`;
}

function short(full, usual) {
  const found = {};
  for (const [key, value] of Object.entries(full)) {
    if (same(value) === same(usual[key])) continue;
    found[key] = key === "point" ? short(value, usual.point) : value;
  }
  return found;
}

function fromAddress() {
  const text = here.hash.slice(1);
  if (!text) return null;
  try {
    const brief = JSON.parse(decodeURIComponent(text));
    const found = { ...structuredClone(defaults), ...brief };
    found.point = { ...defaults.point, ...brief.point };
    found.keyframes = (brief.keyframes || []).map((frame) => ({ ...defaults.point, ...frame }));
    return found;
  } catch {
    return null; // an address that was cut off: the page starts anew
  }
}

// Whether the address was made for the weights that are shown.
export function foreign() {
  return Boolean(view.model) && view.model !== digest;
}

function same(value) {
  return JSON.stringify(value);
}
