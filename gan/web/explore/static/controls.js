// The pieces that panels are made of.

let serial = 0;

// An element with attributes and children: make("button", {class: "x", onclick: f}, "text", other).
export function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

// A part of the page that opens and closes; what it is for follows its title.
export function panel(id, title, hint, { open = false } = {}) {
  const body = make("div", { class: "body" });
  const summary = make("summary", {}, make("span", { class: "title" }, title), make("span", { class: "hint" }, hint));
  const details = make("details", { id, class: "panel" }, summary, body);
  details.open = open;
  document.getElementById("panels").append(details);
  return body;
}

// A slider with a field to type in. changed(value, moving). Returns {element, show(value)}.
export function slider(label, { min, max, step, initial, title }, changed) {
  const id = `slider-${++serial}`;
  const range = make("input", { type: "range", id, min, max, step, "aria-label": label, title });
  const field = make("input", { type: "number", step, "aria-label": `${label}, value` });
  const told = (moving) => (event) => {
    const value = Number(event.target.value);
    if (event.target.value === "" || !Number.isFinite(value)) return;
    changed(value, moving);
  };
  range.addEventListener("input", told(true));
  range.addEventListener("change", told(false));
  field.addEventListener("change", told(false));
  range.addEventListener("dblclick", () => changed(initial, false));
  const element = make("div", { class: "slider" }, make("label", { for: id }, label), range, field);
  const show = (value) => {
    if (document.activeElement !== range || Number(range.value) !== value) range.value = value;
    field.value = Number(value.toFixed(4));
    element.classList.toggle("changed", value !== initial);
  };
  show(initial);
  return { element, show };
}

// Buttons of which one is chosen. options: [[value, text]].
export function choice(label, options, chosen) {
  const buttons = options.map(([value, text]) =>
    make("button", { type: "button", "aria-pressed": "false", "data-value": value, onclick: () => chosen(value) }, text));
  const element = make("div", { class: "choice", role: "group", "aria-label": label }, ...buttons);
  const show = (value) => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.value === String(value)));
  };
  return { element, show };
}

// A row of a label and what belongs to it.
export function row(label, ...children) {
  return make("div", { class: "row" }, make("span", { class: "label" }, label), ...children);
}

// A list to choose from. options: [[value, text]].
export function list(label, options, chosen) {
  const element = make("select", { "aria-label": label, onchange: () => chosen(element.value) },
    ...options.map(([value, text]) => make("option", { value }, text)));
  return { element, show: (value) => { element.value = value; } };
}

// A whole number to type, with a button for another one by chance.
export function seedField(label, changed, { random = true } = {}) {
  const field = make("input", { type: "number", min: 0, max: 4294967295, step: 1, class: "seed", "aria-label": label });
  const take = (value) => changed(Math.min(Math.max(Math.trunc(value) || 0, 0), 4294967295));
  field.addEventListener("change", () => take(Number(field.value)));
  const dice = random
    ? make("button", { type: "button", class: "small", "aria-label": `${label} by chance`, title: "By chance", onclick: () => take(anySeed()) }, "⚄")
    : null;
  const parts = [
    make("button", { type: "button", class: "small", "aria-label": `${label} minus 1`, onclick: () => take(Number(field.value) - 1) }, "−"),
    field,
    make("button", { type: "button", class: "small", "aria-label": `${label} plus 1`, onclick: () => take(Number(field.value) + 1) }, "+"),
    dice,
  ];
  return { element: make("div", { class: "seeds" }, ...parts.filter(Boolean)), show: (value) => { field.value = value; } };
}

export function anySeed() {
  return Math.floor(Math.random() * 100000);
}

// A copy of a canvas or bitmap, small enough to keep many.
export function thumbnail(source, side = 96) {
  const scale = side / Math.max(source.width, source.height);
  const copy = make("canvas", { "aria-hidden": "true", width: Math.max(1, Math.round(source.width * scale)), height: Math.max(1, Math.round(source.height * scale)) });
  const context = copy.getContext("2d");
  context.imageSmoothingEnabled = scale < 1;
  context.drawImage(source, 0, 0, copy.width, copy.height);
  return copy;
}

// Offer bytes as a file.
export function download(name, blob) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
