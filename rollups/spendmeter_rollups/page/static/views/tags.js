// Usage by the values of one tag. The key is chosen from the tags of the period.

import { get } from "../parts/api.js";
import { fill, h } from "../parts/dom.js";
import { csvLink } from "../export.js";
import { empty, panel } from "../parts/panel.js";
import { query } from "../parts/state.js";
import { askDimension, showDimension } from "./dimension.js";

const MOST = 500;

export function tags() {
  return panel({ title: "Tags", note: "calls without the tag are (none)", className: "table-panel",
    load: async (ctx) => {
      const found = await get("v1/filters/tag", query(ctx.state, { limit: MOST }), ctx.signal);
      const keys = found.values.map((each) => each.value), key = keys.includes(ctx.state.more.key) ? ctx.state.more.key : keys[0];
      return { keys, key, rows: key === undefined ? null : await askDimension(`tag:${key}`, ctx) };
    },
    draw: (body, { keys, key, rows }, ctx) => {
      if (!rows) return fill(body, empty("No tags in this period.", "An event can have tags, such as `env: production`; the page can group and filter by them."));
      const list = h("div");
      fill(body, h("p", { class: "pager" },
        h("label", null, "Tag ", h("select", { onchange: (event) => ctx.go({ more: { key: event.target.value, page: "" } }) }, keys.map((each) => h("option", { value: each, selected: each === key }, each)))),
        h("span", null, keys.length === MOST ? `the first ${MOST} tags` : ""), csvLink("breakdown", ctx, { group_by: `tag:${key}` })), list);
      return showDimension(list, `tag:${key}`, rows, ctx);
    },
  });
}
