// Usage by weekday and hour: a table whose colours are proportional to the logarithm of the count.

import { get } from "../parts/api.js";
import { fill, h } from "../parts/dom.js";
import { compact, counted, money, whole } from "../parts/format.js";
import { noUsage, panel } from "../parts/panel.js";
import { query } from "../parts/state.js";

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const STEPS = 6;

export function heatmap() {
  return panel({ title: "Calls by weekday and hour", load: (ctx) => get("v1/usage/heatmap", query(ctx.state), ctx.signal), draw: (body, data, ctx, box) => {
    if (!data.cells.length) return fill(body, noUsage(ctx, data.freshness));
    box.note(`hours of ${data.window.tz}; logarithmic colours, an empty cell had no call`);
    const cells = new Map(data.cells.map((cell) => [`${cell.weekday} ${cell.hour}`, cell]));
    const most = Math.max(...data.cells.map((cell) => cell.requests));
    const least = Math.min(...data.cells.map((cell) => cell.requests));
    const step = (requests) => 1 + Math.floor((Math.log(requests / least) / (Math.log(most / least) || 1)) * (STEPS - 0.001));
    const cell = (day, hour) => {
      const found = cells.get(`${day} ${hour}`);
      if (!found) return h("td", { title: `${DAYS[day]} ${hour}:00, no calls` }, h("span", { class: "hidden" }, "0"));
      const text = `${DAYS[day]} ${hour}:00–${hour + 1}:00: ${counted(found.requests, "call")}, ${compact(found.total_tokens)} tokens, ${money(found.cost, data.currency.code)}`;
      return h("td", { title: text, "data-heat": step(found.requests), style: { "--heat": `var(--heat-${step(found.requests)})` } }, h("span", { class: "hidden" }, whole(found.requests)));
    };
    const hours = Array.from({ length: 24 }, (_, hour) => hour);
    return fill(body, h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Heatmap" }, h("table", { class: "heat" }, h("caption", { class: "hidden" }, "Calls by weekday and hour"),
      h("thead", null, h("tr", null, h("th", { scope: "col" }, h("span", { class: "hidden" }, "Weekday")), hours.map((hour) => h("th", { scope: "col" }, hour)))),
      h("tbody", null, DAYS.map((day, at) => h("tr", null, h("th", { scope: "row" }, day.slice(0, 3)), hours.map((hour) => cell(at, hour)))))),
    ), h("p", { class: "note" }, `The busiest hour of the week had ${counted(most, "call")} in this period.`));
  } });
}
