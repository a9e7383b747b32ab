// Charts by plotly, loaded when the first one is near the viewport, and bars and sparklines that do not depend on it.

import { fill, h } from "./dom.js";
import { money } from "./format.js";

/** Has plotly's global once its script is loaded. */
const page = /** @type {any} */ (window);
/** @type {Promise<any> | null} */
let loading = null;

function plotly() {
  loading ??= new Promise((resolve, reject) => {
    const script = h("script", { src: new URL("../plotly.min.js", import.meta.url).href });
    script.onload = () => resolve(page.Plotly);
    script.onerror = () => { loading = null; reject(new Error("The charts could not be loaded.")); };
    document.head.append(script);
  });
  return loading;
}

const CONFIG = {
  displayModeBar: false, displaylogo: false, responsive: false, scrollZoom: false, doubleClick: false,
  showSendToCloud: false, plotlyServerURL: "", showTips: false,
};
const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const plot = /** @type {any} */ (target);
    if (plot.isConnected && plot.offsetWidth && plot._fullLayout) page.Plotly.Plots.resize(plot);
  }
});
/** @type {Map<Element, () => void>} */
const redraws = new Map();
const near = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    redraws.get(target)?.();
    redraws.delete(target);
    near.unobserve(target);
  }
}, { rootMargin: "200px" });

/** @param {string} name */
export const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const palette = new Map();

const COLORS = [1, 2, 3, 4, 5, 6, 7].map((number) => `series-${number}`);

/** Return distinct colours of at most seven values. A value keeps its colour when a filter changes its rank, unless another one has it. @param {string} dimension @param {string[]} values */
export function seriesColors(dimension, values) {
  if (!palette.has(dimension)) palette.set(dimension, new Map());
  const known = palette.get(dimension), found = new Map(), free = new Set(COLORS);
  for (const value of values) if (free.delete(known.get(value))) found.set(value, known.get(value));
  for (const value of values) if (!found.has(value)) {
    const [ink = COLORS[0]] = free;
    free.delete(ink);
    found.set(value, ink);
    if (!known.has(value)) known.set(value, ink);
  }
  return found;
}

/** The points that have begun: a window may end in the future. @param {any[]} points */
export const begun = (points, { freshness }) => points.filter((point) => Date.parse(point.start) <= Date.parse(freshness.as_of));

/** The axis of amounts up to the largest of `values`. @param {number[]} values @param {string} code */
export function amounts(values, code) {
  const most = Math.max(...values);
  return { tickprefix: money(0, code).replace(/[\d.,]/g, ""), tickformat: most >= 1000 ? "~s" : most >= 0.1 ? ",.2~f" : ".2~r" };
}

/** Escape text from data: plotly interprets it as markup. @param {string} text */
export const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/**
 * Defaults of each series, which its trace overrides: x are the labels, y the values, and the hover text is `shown`.
 * @typedef {{ name: string, color: string, dash?: string, trace: any, values: any[], shown: (value: any) => string, noLegend?: boolean }} Series
 * @param {HTMLElement} body
 * @param {{ caption: string, labels: string[], series: Series[], layout?: any, height?: number, noLegend?: boolean }} chart
 */
export function drawChart(body, chart) {
  /** @type {any} */
  let figure = body.querySelector(":scope > figure.chart");
  if (!figure) {
    figure = h("figure", { class: "chart" }, h("div", { class: "legend" }), h("div", { class: "plot", "aria-hidden": "true" }), h("figcaption"), h("details", null, h("summary", null, "Show as table"), h("div")));
    figure.off = new Set();
    fill(body, figure);
  }
  const [legend, plot, caption, details] = figure.children;
  plot.style.setProperty("height", `${chart.height ?? 280}px`);
  fill(caption, chart.caption);
  figure.redraw = () => paint(figure, plot, chart);
  fill(legend, chart.noLegend ? null : chart.series.filter((each) => !each.noLegend).map((each) => toggle(figure, each)));
  details.ontoggle = () => details.open && fill(details.lastChild, dataTable(chart));
  if (details.open) fill(details.lastChild, dataTable(chart));
  if (plot._fullLayout) return figure.redraw();
  redraws.set(plot, figure.redraw);
  near.unobserve(plot);
  near.observe(plot);
}

/** @param {Series} series */
function toggle(figure, series) {
  const button = h("button", { "aria-pressed": String(!figure.off.has(series.name)) },
    h("i", { class: series.dash ? "dash" : "", style: { "--color": `var(--${series.color})` } }), series.name);
  button.onclick = () => {
    if (!figure.off.delete(series.name)) figure.off.add(series.name);
    button.setAttribute("aria-pressed", String(!figure.off.has(series.name)));
    figure.redraw();
  };
  return button;
}

async function paint(figure, plot, chart) {
  let Plotly;
  try {
    Plotly = await plotly();
  } catch (error) {
    fill(plot, h("p", { class: "note" }, error.message));
    return;
  }
  if (!plot.isConnected || !plot.offsetWidth) return;
  const shown = chart.series.filter((each) => !figure.off.has(each.name));
  await Plotly.react(plot, shown.map((each) => ({ ...common(each, chart.labels), ...each.trace(color(each.color), color) })), layout(chart.layout ?? {}), CONFIG);
  plot.removeAttribute("tabindex");
  plot.dataset.drawn = "";
  resized.observe(plot);
}

/** @param {Series} series @param {string[]} labels */
function common({ name, values, shown }, labels) {
  return { name: plain(name), x: labels, y: values, customdata: values.map((value) => (value === null ? "" : shown(value))), hovertemplate: "%{customdata}" };
}

/** The trace of bars. @param {string} ink */
export const bar = (ink) => ({ type: "bar", marker: { color: ink, line: { width: 0 } } });

function layout(own) {
  const font = { family: getComputedStyle(document.body).fontFamily, size: 12, color: color("muted") };
  const axis = { gridcolor: color("line"), linecolor: color("line"), zerolinecolor: color("line"), fixedrange: true, automargin: true, nticks: 6 };
  const { xaxis = {}, yaxis = {}, yaxis2, yaxis3, ...rest } = own;
  return {
    font, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 8, r: 8, t: 8, b: 8 }, showlegend: false,
    dragmode: false, hovermode: "x unified", uirevision: "fixed", separators: ".,", bargap: 0.25,
    hoverlabel: { bgcolor: color("card"), bordercolor: color("line"), font: { ...font, color: color("text") }, namelength: 40 },
    xaxis: { ...axis, gridcolor: "rgba(0,0,0,0)", type: "category", nticks: innerWidth < 600 ? 4 : 8, tickangle: 0, ...xaxis }, yaxis: { ...axis, rangemode: "tozero", ...yaxis },
    ...Object.fromEntries(Object.entries({ yaxis2, yaxis3 }).filter(([, one]) => one).map(([key, one]) => [key, { ...axis, rangemode: "tozero", ...one }])), ...rest,
  };
}

function dataTable(chart) {
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Figures of the chart" }, h("table", null,
    h("thead", null, h("tr", null, h("th", { scope: "col" }, ""), chart.series.map((each) => h("th", { scope: "col", class: "figure" }, each.name)))),
    h("tbody", null, chart.labels.map((label, row) => h("tr", null, h("th", { scope: "row" }, label),
      chart.series.map((each) => h("td", { class: "figure" }, each.values[row] === null || each.values[row] === undefined ? "" : each.shown(each.values[row]))))))));
}

/** Release the charts below `node` before it is removed. @param {Element} node */
export function purge(node) {
  for (const plot of /** @type {NodeListOf<any>} */ (node.querySelectorAll(".plot"))) {
    resized.unobserve(plot);
    near.unobserve(plot);
    redraws.delete(plot);
    if (plot._fullLayout) page.Plotly.purge(plot);
  }
}

/** Redraw all charts in the colours of the new theme. */
export function recolor() {
  for (const figure of /** @type {NodeListOf<any>} */ (document.querySelectorAll("figure.chart"))) if (figure.querySelector("[data-drawn]")) figure.redraw();
}

/** A line without axes. @param {number[]} values */
export function sparkline(values) {
  const most = Math.max(...values, 0), width = 96, height = 24;
  const points = values.map((value, at) => `${((at / Math.max(values.length - 1, 1)) * (width - 2) + 1).toFixed(1)},${(height - 2 - (most ? value / most : 0) * (height - 4)).toFixed(1)}`);
  return h("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" }, h("polyline", { points: points.join(" ") }));
}

/** A bar of a share, 0 to 1; `state` is ok, warn or bad. @param {number | null} share @param {string} text @param {string} [state] */
export function shareBar(share, text, state = "") {
  return h("span", { class: `bar ${state}` }, h("span", { class: "track", "aria-hidden": "true" },
    h("span", { class: "fill", style: { width: `${Math.min(100, Math.max(0, (share ?? 0) * 100))}%` } })), h("span", { class: "bar-text" }, text));
}
