/* Pictures, each with its numbers as a table for who does not see it. */

import { page } from "./api.js";
import { afterDrawing } from "./live.js";
import { table } from "./parts.js";
import { bytes, local, spoken, time } from "./times.js";
import { html, nothing } from "./vendor/lit-html.js";
import "./vendor/chart.umd.js";

const { Chart } = globalThis;
const wanted = new Map();
const drawn = new Map();

/** RPO over time: a saw, and the line that the policy promises. */
export function rpoFigure({ points, promise_seconds: promise, since, until }) {
  if (points.length < 2) {
    return figure({ id: "rpo", title: "RPO over the last day", none: "There is no restore point yet to count from." });
  }
  const xy = points.map(({ at, seconds }) => ({ x: Date.parse(at), y: seconds }));
  const highest = Math.max(...points.map(({ seconds }) => seconds ?? 0));
  const datasets = [{ label: "RPO", data: xy, color: "brand", fill: true }];
  if (promise !== null) {
    datasets.push({ label: "promised at most", data: [since, until].map((at) => ({ x: Date.parse(at), y: promise })), color: "warn", dash: [6, 4] });
  }
  return figure({
    id: "rpo",
    title: "RPO over the last day",
    says: `It was ${spoken(highest)} at the most${promise === null ? "" : `; promised: at most ${spoken(promise)}`}.`,
    config: (colors) => lineChart(datasets, colors, { min: Date.parse(since), max: Date.parse(until) }),
    numbers: table({ caption: "RPO over the last day", rows: points, columns: [
      { title: "At", head: true, cell: ({ at }) => time(at, { age: false }) },
      { title: "RPO", number: true, cell: ({ seconds }) => spoken(seconds, "everything") },
    ] }),
  });
}

/** Bytes, and seconds of each step, per restore point. */
export function costFigures({ points, steps }) {
  if (points.length === 0) {
    return nothing;
  }
  const labels = points.map(({ created }) => Date.parse(created));
  const newest = points[points.length - 1];
  const whole = Object.values(newest.seconds).reduce((sum, each) => sum + each, 0);
  const made = { title: "Made", head: true, cell: ({ created }) => time(created, { age: false }) };
  return html`${figure({
    id: "bytes",
    title: "Bytes per restore point",
    says: `The newest has ${bytes(newest.size_bytes)}.`,
    config: (colors) => barChart(labels, [{ label: "bytes", data: points.map((point) => point.size_bytes), color: "brand" }], colors, bytes),
    numbers: table({ caption: "Bytes per restore point", rows: points, columns: [made, { title: "Size", number: true, cell: (point) => bytes(point.size_bytes) }] }),
  })}${figure({
    id: "seconds",
    title: "Seconds per step",
    says: `The newest took ${spoken(whole)} in all.`,
    config: (colors) => barChart(labels, steps.map((step, index) => ({ label: step, data: points.map(({ seconds }) => seconds[step] ?? null), color: `step${index % 5}` })), colors, spoken),
    numbers: table({ caption: "Seconds per step", rows: points, columns: [made, ...steps.map((step) => ({ title: step, number: true, cell: ({ seconds }) => spoken(seconds[step]) }))] }),
  })}`;
}

/** How long nobody was answered, per transition. */
export function downtimeFigure({ transitions }) {
  const over = transitions.filter(({ downtime_seconds: seconds }) => seconds !== null);
  if (over.length === 0) {
    return figure({ id: "downtime", title: "Downtime per transition", none: "No transition with a known downtime is over yet." });
  }
  const last = over[over.length - 1];
  return figure({
    id: "downtime",
    title: "Downtime per transition",
    says: `The last one took ${spoken(last.downtime_seconds)}.`,
    config: (colors) => barChart(over.map(({ ended }) => Date.parse(ended)), [{ label: "downtime", data: over.map((each) => each.downtime_seconds), color: "brand" }], colors, spoken),
    numbers: table({ caption: "Downtime per transition", rows: over, columns: [
      { title: "Ended", head: true, cell: ({ id, ended }) => html`<a href=${page("transition", { id })}>${time(ended, { age: false })}</a>` },
      { title: "What", cell: ({ kind, policy }) => `${kind} of ${policy}` },
      { title: "Downtime", number: true, cell: (each) => spoken(each.downtime_seconds) },
    ] }),
  });
}

function figure({ id, title, says, config, numbers, none }) {
  if (none !== undefined) {
    wanted.delete(id);
    return html`<figure><figcaption><b>${title}</b></figcaption><p class="empty">${none}</p></figure>`;
  }
  wanted.set(id, config);
  return html`<figure><figcaption><b>${title}</b> ${says}</figcaption>
    <div class="canvas"><canvas id="picture-${id}" role="img" aria-label="${title}. ${says} The numbers follow as a table."></canvas></div>
    <details><summary>${title} as a table</summary>${numbers}</details></figure>`;
}

/* lit keeps the canvas; the chart on it is exchanged where its numbers or colours changed. */
function drawAll() {
  const colors = palette();
  for (const [id, config] of wanted) {
    const canvas = document.getElementById(`picture-${id}`);
    if (canvas === null) {
      continue;
    }
    const made = config(colors);
    const same = JSON.stringify([made.data, made.options.scales.x.min, colors]);
    if (drawn.get(id)?.same !== same || drawn.get(id).chart.canvas !== canvas) {
      drawn.get(id)?.chart.destroy();
      drawn.set(id, { same, chart: new Chart(canvas, made) });
    }
  }
}

function palette() {
  const style = getComputedStyle(document.documentElement);
  const names = ["brand", "brand-soft", "warn", "text", "muted", "line", "step0", "step1", "step2", "step3", "step4"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

function options(colors, x, spokenAs) {
  const ticks = { color: colors.muted };
  const grid = { color: colors.line };
  return {
    animation: false,
    maintainAspectRatio: false,
    interaction: { mode: "nearest", axis: "x", intersect: false },
    plugins: {
      legend: { labels: { color: colors.text, boxWidth: 12 } },
      tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${spokenAs(item.parsed.y)}` } },
    },
    scales: {
      x: { grid, ...x, ticks: { ...ticks, maxRotation: 0, autoSkip: true, maxTicksLimit: 5, ...x.ticks } },
      y: { grid, beginAtZero: true, ticks: { ...ticks, maxTicksLimit: 6, callback: (value) => spokenAs(value) }, stacked: x.stacked },
    },
  };
}

const short = (moment) => local(moment).slice(5, 16);

function lineChart(datasets, colors, { min, max }) {
  const made = options(colors, { type: "linear", min, max, ticks: { callback: short } }, spoken);
  made.plugins.tooltip.callbacks.title = ([item]) => local(item.parsed.x);
  return {
    type: "line",
    data: { datasets: datasets.map(({ label, data, color, fill, dash }) => ({
      label, data, borderColor: colors[color], backgroundColor: colors["brand-soft"], fill: fill ?? false,
      borderDash: dash ?? [], borderWidth: 2, pointRadius: 0, spanGaps: false })) },
    options: made,
  };
}

function barChart(moments, datasets, colors, spokenAs) {
  return {
    type: "bar",
    data: {
      labels: moments.map(short),
      datasets: datasets.map(({ label, data, color }) => ({ label, data, backgroundColor: colors[color], maxBarThickness: 28 })),
    },
    options: options(colors, { stacked: true }, spokenAs),
  };
}

afterDrawing(drawAll);
document.addEventListener("themechange", drawAll);
