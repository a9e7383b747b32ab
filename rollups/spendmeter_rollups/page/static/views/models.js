// Models: cost by kind of token, and cost against latency. Agents with their trend.

import { get } from "../parts/api.js";
import { amounts, bar, drawChart, plain, sparkline } from "../parts/charts.js";
import { fill, h } from "../parts/dom.js";
import { atLeast, compact, counted, duration, money, sentence } from "../parts/format.js";
import { noUsage, panel } from "../parts/panel.js";
import { query } from "../parts/state.js";
import { drawPaged, name } from "../parts/table.js";
import { cost, count, filterLink } from "./dimension.js";

const KINDS = [["input_cost", "Input", "series-1"], ["cached_cost", "Cache", "series-3"], ["output_cost", "Output", "series-2"], ["other_cost", "Audio and other units", "series-4"]];

const load = (ctx) => get("v1/usage/models", query(ctx.state, { limit: 10 }), ctx.signal);

export function modelCharts() {
  const bars = panel({ title: "Costliest models", note: "the top 10, by kind of token", className: "half", load, draw: (body, data, ctx) => {
    if (!data.rows.length) return fill(body, noUsage(ctx, data.freshness));
    const rows = [...data.rows].reverse(), labels = rows.map((row) => row.model), code = data.currency.code;
    return drawChart(body, { labels, height: 340, caption: `${data.rows[0].model} costs most: ${atLeast(data.rows[0], code)}.`,
      series: KINDS.map(([key, title, ink]) => ({ name: title, color: ink, values: rows.map((row) => Number(row[key])), shown: (value) => money(value, code),
        trace: (paint) => ({ ...bar(paint), orientation: "h", y: labels.map(plain), x: rows.map((row) => Number(row[key])) }) })),
      layout: { barmode: "stack", hovermode: "y unified", xaxis: { type: "linear", ...amounts(rows.map((row) => Number(row.cost)), code) }, yaxis: { type: "category", nticks: 0, dtick: 1 } } });
  } });
  const bubbles = panel({ title: "Cost against latency", note: "the size of a bubble is the number of calls", className: "half", load, draw: (body, data, ctx) => {
    const rows = data.rows.filter((row) => row.avg_latency_ms !== null && Number(row.cost) > 0), code = data.currency.code;
    if (!rows.length) return fill(body, noUsage(ctx, data.freshness));
    const most = Math.max(...rows.map((row) => row.requests));
    return drawChart(body, { labels: rows.map((row) => row.model), noLegend: true, height: 366, caption: "Slower models are further right, costlier ones further up; both axes are logarithmic.",
      series: [{ name: "Cost", color: "accent", values: rows, shown: (row) => `${atLeast(row, code)}, ${duration(row.avg_latency_ms)}, ${counted(row.requests, "call", compact(row.requests))}`,
        trace: (paint) => ({ type: "scatter", mode: "markers+text", x: rows.map((row) => row.avg_latency_ms), y: rows.map((row) => Number(row.cost)), text: apart(rows), textposition: "top center", textfont: { size: 11 }, cliponaxis: false,
          marker: { color: paint, opacity: 0.6, sizemode: "area", sizeref: (2 * most) / 42 ** 2, sizemin: 4, size: rows.map((row) => row.requests), line: { width: 0 } },
          customdata: rows.map((row) => [atLeast(row, code), duration(row.avg_latency_ms), counted(row.requests, "call", compact(row.requests)), plain(row.model)]), hovertemplate: "%{customdata[3]}<br>%{customdata[0]}<br>%{customdata[1]} on average<br>%{customdata[2]}<extra></extra>" }) }],
      layout: { hovermode: "closest", xaxis: { type: "log", title: { text: "average latency, ms" }, dtick: "D2", tickformat: "~s" }, yaxis: { type: "log", title: { text: `cost, ${code}` }, tickformat: ",.2~r", dtick: "D2", rangemode: "normal" } } });
  } });
  return [bars, bubbles];
}

/** Label the bubbles that have space for it, the costliest first. @param {any[]} rows */
function apart(rows) {
  /** @type {number[][]} */
  const taken = [], spread = (list) => Math.max(...list) - Math.min(...list) || 1;
  const at = rows.map((row) => [Math.log(row.avg_latency_ms), Math.log(Number(row.cost))]);
  const [width, height] = [spread(at.map(([x]) => x)), spread(at.map(([, y]) => y))];
  return rows.map((row, index) => {
    const [x, y] = at[index];
    if (taken.some(([left, up]) => Math.abs(x - left) / width < 0.3 && Math.abs(y - up) / height < 0.09)) return "";
    taken.push([x, y]);
    return plain(row.model);
  });
}

export function agents() {
  return panel({ title: "Agents", className: "table-panel", load: (ctx) => get("v1/usage/breakdown/agent", query(ctx.state, { limit: 200 }), ctx.signal), draw: (body, data, ctx) => {
    if (!data.rows.length) return fill(body, noUsage(ctx, data.freshness));
    return drawPaged(body, ctx, { caption: "Usage by agent", rows: data.rows, totals: data.totals,
      columns: [
        { key: "agent", label: "Agent", text: true, value: (row) => row.name ?? row.key.agent_id, cell: (row) => [h("span", { class: "avatar", "aria-hidden": "true" }, (row.key.agent_id || "–").slice(0, 2).toUpperCase()), name(row.name ?? (row.key.agent_id ? sentence(row.key.agent_id) : "(no agent)"), filterLink(ctx, row.key))] },
        cost(data.currency.code), count("total_tokens", "Tokens"), count("requests", "Executions"),
        { key: "trend", label: "Trend of cost", fixed: true, value: () => 0, cell: (row) => (row.sparkline ? sparkline(row.sparkline.map(Number)) : "") },
      ] });
  } });
}
