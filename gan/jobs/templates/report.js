"use strict";
// Charts by Vega-Lite without eval (its expressions are interpreted), and the slider over the grids of a run.
// On a live page (#content[data-live]) the content is asked for again whenever the run has a new tick.
(() => {
  const content = document.getElementById("content");
  const controls = document.getElementById("controls");
  const logs = { x: document.getElementById("log-x"), y: document.getElementById("log-y") };
  const smoothing = document.getElementById("smoothing");
  // Of the point that the pointer is nearest to, Vega-Lite 6.4 looks for words (not for numbers) in the wrong place.
  function mended(vega) {
    for (const { name, encode } of vega.marks) {
      const tooltip = encode?.update?.tooltip;
      if (name?.endsWith("_voronoi")) tooltip.signal = tooltip.signal.replace(/(?<!datum\.)datum\[/g, "datum.datum[");
    }
    return vega;
  }

  const EMBED = {
    mode: "vega-lite", ast: true, actions: false, renderer: "svg", defaultStyle: false,
    logLevel: 1, // errors: that there are no events is none
    patch: mended,
    tooltip: { disableDefaultStyle: true, theme: "page" },
  };
  const LEGEND = 76; // pixels beside the words of a legend: of its symbol, and of numbers along the chart
  const zoomed = new Map(); // name of a chart -> [from, to] in kimg
  const drawn = new Map(); // name of a chart -> its Vega view
  let charts = {};
  let round = 0; // drawings of an earlier round stop
  let kimg = Infinity; // that the slider is at

  // Exponential mean of what was measured, without the pull to 0 at its start (as Adam corrects it).
  function smoothed(values, weight) {
    let sum = 0, whole = 0;
    return values.map((value) => {
      sum = weight * sum + (1 - weight) * value;
      whole = weight * whole + (1 - weight);
      return sum / whole;
    });
  }

  function rows(chart) {
    const weight = chart.smooth ? Number(smoothing.value) : 0, curves = [], raw = [];
    for (const { name, run, kimg: at, value, low, high } of chart.curves) {
      const shown = weight ? smoothed(value, weight) : value;
      at.forEach((x, i) => {
        const row = { kimg: x, value: shown[i], raw: value[i], name, run };
        if (low && low[i] !== null) Object.assign(row, { low: low[i], high: high[i] });
        curves.push(row);
        if (weight) raw.push({ kimg: x, value: value[i], name, run });
      });
    }
    return { curves, raw };
  }

  function specification(chart, name, width) {
    const spec = structuredClone(chart.spec), legend = spec.config.legend;
    legend.labelLimit = Math.min(legend.labelLimit, width - LEGEND);
    spec.datasets = { ...rows(chart), marks: chart.marks };
    const scale = (channel, axis) => logs[axis].checked && Object.assign(channel.scale, chart.log[axis]);
    scale(spec.encoding.x, "x");
    for (const layer of spec.layer) {
      if (layer.encoding.y?.scale) scale(layer.encoding.y, "y");
      const zoom = layer.params?.find((param) => param.name === "zoom");
      if (zoom && zoomed.has(name)) zoom.value = { kimg: zoomed.get(name) };
      if (zoom && zoomed.has(name)) zoom.select.encodings = ["x"];
    }
    return spec;
  }

  async function draw(figure) {
    const name = figure.dataset.chart, place = figure.querySelector(".drawing");
    drawn.get(name)?.finalize();
    const result = await vegaEmbed(place, specification(charts[name], name, place.clientWidth), EMBED);
    drawn.set(name, result.view);
    figure.dataset.drawn = String(Number(figure.dataset.drawn || 0) + 1);
  }

  async function drawAll() {
    const mine = ++round;
    for (const figure of content.querySelectorAll("[data-chart]")) {
      if (mine !== round) return;
      await draw(figure);
    }
    document.body.dataset.drawn = String(mine);
  }

  function smoothAll() {
    document.getElementById("smoothing-value").textContent = smoothing.value;
    for (const [name, view] of drawn) {
      const { curves, raw } = rows(charts[name]);
      view.data("curves", curves).data("raw", raw).runAsync();
    }
  }

  function whole(name) {
    const all = charts[name].curves.flatMap((curve) => curve.kimg);
    return [Math.min(...all), Math.max(...all)];
  }

  function key(event) {
    const figure = event.target.closest("[data-chart]");
    if (!figure || !event.target.classList.contains("drawing")) return;
    const name = figure.dataset.chart, [first, last] = whole(name);
    const [from, to] = drawn.get(name).scale("x").domain(), width = to - from, middle = (from + to) / 2;
    const wanted = {
      "+": [middle - width / 4, middle + width / 4], "=": [middle - width / 4, middle + width / 4],
      "-": [middle - width, middle + width], "0": [first, last],
      ArrowLeft: [from - width / 4, to - width / 4], ArrowRight: [from + width / 4, to + width / 4],
    }[event.key];
    if (!wanted || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (wanted[1] - wanted[0] >= last - first) zoomed.delete(name);
    else zoomed.set(name, wanted);
    draw(figure);
  }

  function slide() {
    const frames = [...content.querySelectorAll(".reel .frame")];
    const box = content.querySelector(".grids"), bar = content.querySelector(".reel-bar");
    const times = [...new Set(frames.map((frame) => Number(frame.dataset.kimg)))].sort((a, b) => a - b);
    if (!box || !times.length) return;
    const time = bar.querySelector(".time"), zoom = bar.querySelector(".zoom");
    time.max = times.length - 1;
    time.value = Math.max(0, times.findLastIndex((one) => one <= kimg));
    const show = () => {
      const now = times[Number(time.value)];
      bar.querySelector(".when").textContent = `${now} kimg`;
      time.setAttribute("aria-valuetext", `${now} kimg`);
      for (const reel of content.querySelectorAll(".reel")) {
        const all = [...reel.children], past = all.filter((frame) => Number(frame.dataset.kimg) <= now);
        const shown = past.at(-1) ?? all[0];
        for (const frame of all) frame.classList.toggle("now", frame === shown);
      }
    };
    time.addEventListener("input", () => {
      kimg = Number(time.value) === times.length - 1 ? Infinity : times[Number(time.value)];
      show();
    });
    zoom.addEventListener("input", () => box.style.setProperty("--zoom", `${zoom.value}%`));
    bar.hidden = false;
    box.classList.add("sliding");
    show();
  }

  function arrive() {
    charts = JSON.parse(content.querySelector(".charts-data")?.textContent ?? "{}");
    for (const view of drawn.values()) view.finalize();
    drawn.clear();
    slide();
    drawAll();
  }

  async function follow() {
    const told = document.getElementById("connection");
    let seen = content.dataset.version;
    for (;;) {
      await new Promise((done) => setTimeout(done, Number(content.dataset.live)));
      try {
        const { version } = await (await fetch("/version")).json();
        if (version === seen) continue;
        const answer = await fetch("/content");
        if (!answer.ok) throw new Error(answer.statusText);
        const open = new Set([...content.querySelectorAll("details[open]")].map((one) => one.dataset.key));
        content.innerHTML = await answer.text();
        for (const one of content.querySelectorAll("details")) one.open = open.has(one.dataset.key);
        seen = content.dataset.version = answer.headers.get("x-version");
        arrive();
        told.textContent = `as of ${new Date().toLocaleTimeString()}`;
      } catch {
        told.textContent = "The run has ended, or does not answer: this is its last state.";
      }
    }
  }

  controls.hidden = false;
  controls.addEventListener("submit", (event) => event.preventDefault());
  logs.x.addEventListener("change", drawAll);
  logs.y.addEventListener("change", drawAll);
  smoothing.addEventListener("input", smoothAll);
  document.getElementById("reset").addEventListener("click", () => { zoomed.clear(); drawAll(); });
  content.addEventListener("keydown", key);
  content.addEventListener("dblclick", (event) => zoomed.delete(event.target.closest("[data-chart]")?.dataset.chart));
  arrive();
  if (content.dataset.live) follow();
})();
