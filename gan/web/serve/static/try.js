// The page at /: a form -> POST /v1/images -> pictures with their verdicts and marks, and the same as curl.
// The key lives in the input field alone; it goes into one header, and into no storage, address or text.

import { $, announce } from "/static/shell/shell.js";

const MARKS = { marked: "watermark", signed: "C2PA signature" }; // beside metadata, which every file has
let models = [], most = 1, work = null, shown = [];

const model = () => models.find((each) => each.name === $("model").value);
const problem = (text) => { $("problem").textContent = text; };

function status(text) {
  $("status").textContent = text;
}

// "1-4, 9" -> [1, 2, 3, 4, 9]; throws an Error in words.
function seedsOf(text) {
  const limit = Number($("seeds").dataset.most), seeds = [];
  for (const part of text.split(",").map((each) => each.trim()).filter(Boolean)) {
    const [, first, last] = /^(\d{1,10})(?:\s*-\s*(\d{1,10}))?$/.exec(part) || [];
    if (first === undefined) throw new Error(`Seeds are whole numbers, such as 7 or 1-4, 9; "${part}" is none.`);
    const [from, to] = [Number(first), Number(last ?? first)];
    if (to > limit || to < from) throw new Error(`Seeds go from 0 to ${limit}, the smaller one first.`);
    if (seeds.length + to - from + 1 > most) throw new Error(`This server makes ${most} images at once.`);
    for (let seed = from; seed <= to; seed++) seeds.push(seed);
  }
  if (!seeds.length) throw new Error("Give at least one seed, such as 7.");
  return [...new Set(seeds)];
}

// The body of the request.
function wish() {
  const chosen = model(), seeds = seedsOf($("seeds").value), format = $("format").value;
  const body = models.length > 1 ? { model: chosen.name } : {};
  body.seeds = seeds;
  if (Number($("psi").value) !== 1) body.psi = Number($("psi").value);
  if (!$("class-field").hidden && $("class").value !== "") body.class = Number($("class").value);
  if (!$("condition-field").hidden && $("condition").value.trim()) {
    body.condition = $("condition").value.split(/[\s,]+/).filter(Boolean).map(Number);
  }
  if ($("direction").value !== "" && !$("direction-field").hidden) {
    const [file, index] = JSON.parse($("direction").value);
    body.directions = [{ file, index, amount: Number($("amount").value) }];
  }
  if ($("size").value) body.size = Number($("size").value);
  if (seeds.length > 1) Object.assign(body, { format: "zip", file_format: format });
  else body.format = format;
  return body;
}

function showCurl() {
  let body;
  try {
    body = model() ? wish() : { seeds: [7] };
  } catch {
    return; // half a number, while it is typed
  }
  const name = body.seeds.length > 1 ? "images.zip" : `${body.seeds[0]}.${body.format || "png"}`;
  const data = JSON.stringify(body).replaceAll("'", "'\\''");
  $("curl").textContent = `curl -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\\n`
    + `  -d '${data}' \\\n  -o ${name} ${location.origin}/v1/images`;
}

// The answer of the API. Throws an Error in words, of a problem document where there is one.
async function ask(path, options = {}) {
  const key = $("key").value.trim();
  if (!/^[\x21-\x7e]+$/.test(key)) throw new Error("Type your API key first.");
  const headers = { authorization: `Bearer ${key}`, ...options.headers };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers, credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer.");
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Error(told.title ? `${told.title}: ${told.detail}.` : `The server answered ${answer.status}.`);
}

async function connect() {
  problem("");
  try {
    const told = await (await ask("/v1/models")).json();
    models = told.models;
    most = told.most_images;
    const filters = told.filters.length ? told.filters.join(", ") : "none";
    status(`Connected. At most ${most} images at once; filters: ${filters}.`);
    $("model").replaceChildren(...models.map((each) => new Option(each.name, each.name)));
    $("wish").disabled = false;
    showModel();
    announce("Connected");
  } catch (error) {
    $("wish").disabled = true;
    problem(error.message);
    status("Not connected.");
    $("key").focus();
  }
}

function showModel() {
  const chosen = model();
  $("model-note").textContent = `${chosen.type}, ${chosen.kimg} kimg, ${chosen.digest.slice(0, 19)}…`;
  const classes = chosen.takes_vectors ? 0 : chosen.c_dim;
  $("class-field").hidden = !classes;
  const names = Array.from({ length: Math.min(classes, 10000) }, (_, i) => new Option(chosen.classes[i] ?? i, i));
  $("class").replaceChildren(new Option("drawn from the seed", ""), ...names);
  $("condition-field").hidden = !chosen.takes_vectors;
  $("condition-note").textContent = `${chosen.c_dim} numbers; drawn from the seed where left out.`;
  $("direction-field").hidden = !chosen.directions.length;
  const steps = chosen.directions.flatMap(({ file, names: known }) =>
    known.map((name, i) => new Option(`${name} (${file})`, JSON.stringify([file, i]))));
  $("direction").replaceChildren(new Option("none", ""), ...steps);
  showCurl();
}

// The files of a stored zip, by name (APPNOTE 6.3, 4.3.12 and 4.3.16).
function unzipped(buffer) {
  const view = new DataView(buffer), text = new TextDecoder(), files = new Map();
  const end = buffer.byteLength - 22;
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left; left--) {
    const size = view.getUint32(at + 20, true), length = view.getUint16(at + 28, true);
    const local = view.getUint32(at + 42, true);
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    files.set(text.decode(new Uint8Array(buffer, at + 46, length)), new Uint8Array(buffer, start, size));
    at += 46 + length + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return files;
}

function addressOf(data, type) {
  const address = URL.createObjectURL(new Blob([data], { type }));
  shown.push(address);
  return address;
}

function line(text, name) {
  const span = document.createElement("span");
  span.textContent = text;
  if (name) span.className = name;
  return span;
}

function figure(record, address, name) {
  const box = document.createElement("figure"), caption = document.createElement("figcaption");
  if (address) {
    const image = document.createElement("img");
    image.alt = `Image of seed ${record.seed}, made by a model`;
    image.onload = () => image.classList.toggle("small", image.naturalWidth < 128);
    image.src = address;
    box.append(image);
  } else {
    box.append(Object.assign(line("held back", "held")));
  }
  caption.append(line(`Seed ${record.seed}`));
  const allowed = record.verdict === "allowed";
  caption.append(line(`Verdict: ${record.verdict}`, allowed ? "allowed" : "blocked"));
  if (address) {
    const more = Object.keys(MARKS).filter((each) => String(record[each]) === "true").map((each) => MARKS[each]);
    caption.append(line(`Marked as AI-generated: ${["metadata", ...more].join(", ")}`));
    const link = Object.assign(document.createElement("a"), { href: address, download: name, textContent: `Save ${name}` });
    caption.append(link);
  }
  box.append(caption);
  return box;
}

function clear() {
  shown.forEach((address) => URL.revokeObjectURL(address));
  shown = [];
  $("images").replaceChildren();
  $("more").replaceChildren();
}

async function show(answer, body, seconds) {
  const data = await answer.arrayBuffer(), type = answer.headers.get("content-type");
  clear();
  let figures;
  if (body.format === "zip") {
    const files = unzipped(data), manifest = JSON.parse(new TextDecoder().decode(files.get("manifest.json")));
    figures = manifest.images.map((record) => {
      const name = [...files.keys()].find((each) => each.startsWith(`seed${String(record.seed).padStart(4, "0")}.`));
      return figure(record, name && addressOf(files.get(name), `image/${body.file_format}`), name);
    });
    const all = { href: addressOf(data, type), download: "images.zip", textContent: "Save all as a zip" };
    $("more").append(Object.assign(document.createElement("a"), all));
  } else {
    const [verdict, marked, signed] = ["verdict", "marked", "signed"].map((each) => answer.headers.get(`x-gan-${each}`));
    const record = { seed: body.seeds[0], verdict, marked, signed };
    figures = [figure(record, addressOf(data, type), `${record.seed}.${body.format}`)];
  }
  $("images").classList.toggle("alone", figures.length === 1);
  $("images").append(...figures);
  const text = `${figures.length} image${figures.length > 1 ? "s" : ""} of ${answer.headers.get("x-gan-model")} in ${seconds.toFixed(2)} s.`;
  status(text);
  announce(text);
}

async function make(event) {
  event.preventDefault();
  if (work) return;
  problem("");
  try {
    const body = wish(), began = performance.now();
    work = new AbortController();
    $("make").disabled = true;
    $("stop").hidden = false;
    status("Making …");
    const answer = await ask("/v1/images", {
      method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" }, signal: work.signal,
    });
    await show(answer, body, (performance.now() - began) / 1000);
  } catch (error) {
    status(error.name === "AbortError" ? "Stopped." : "");
    if (error.name !== "AbortError") problem(error.message);
  } finally {
    work = null;
    $("make").disabled = false;
    $("stop").hidden = true;
  }
}

$("connect").addEventListener("click", connect);
$("key").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  connect();
});
$("key").addEventListener("input", () => { $("wish").disabled = true; });
$("form").addEventListener("submit", make);
$("stop").addEventListener("click", () => work?.abort());
$("model").addEventListener("change", showModel);
$("another").addEventListener("click", () => {
  $("seeds").value = crypto.getRandomValues(new Uint32Array(1))[0];
  showCurl();
});
$("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText($("curl").textContent).then(() => announce("Copied"), () => {
    getSelection().selectAllChildren($("curl"));
    announce("Selected: copy it with the keyboard");
  });
});
$("form").addEventListener("input", () => {
  for (const name of ["psi", "amount"]) $(`${name}-value`).textContent = $(name).value;
  showCurl();
});
showCurl();
