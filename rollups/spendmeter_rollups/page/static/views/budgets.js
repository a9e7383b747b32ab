// Budgets: their use in the current month. With the scope `platform:write`, amounts can be changed.

import { get, send } from "../parts/api.js";
import { fill, h } from "../parts/dom.js";
import { exactMoney, money, sentence, whole } from "../parts/format.js";
import { openModal } from "../parts/dialog.js";
import { empty, panel } from "../parts/panel.js";
import { drawPaged, name } from "../parts/table.js";
import { budgetBar } from "./dimension.js";

const orgOf = (row) => row.org_name ?? (row.org_id || "all");

/** What of the org the budget limits, or the org. */
const target = (row) => (row.scope === "org" ? orgOf(row) : [row.user_id === "*" ? "each" : row.user_name ?? row.user_id, row.role, row.feature, row.class_name, row.value].filter(Boolean).join(" / "));

const subject = (row) => (row.scope === "org" ? target(row) : `${orgOf(row)} / ${target(row)}`);

export function budgets() {
  const box = panel({ title: "Budgets", note: "the current month of each org, without calls on its own keys; the period above does not apply", className: "table-panel",
    load: (ctx) => get("v1/budgets", new URLSearchParams({ limit: "1000" }), ctx.signal),
    draw: (body, data, ctx) => {
      const write = ctx.session.scopes.includes("platform:write"), list = h("div");
      fill(body, write ? form(ctx, () => box.refresh(ctx)) : null, list);
      if (!data.budgets.length) return fill(list, empty("No budgets yet.", write ? "Create the first one above." : "A platform administrator sets them."));
      const code = (row) => row.currency?.code ?? "USD";
      return drawPaged(list, ctx, { caption: "Budgets", rows: data.budgets, sort: "-used",
        columns: [
          { key: "subject", label: "For", text: true, value: target, cell: (row) => [name(target(row)), " ", h("small", null, ctx.session.words[row.scope]?.one ?? sentence(row.scope)), row.scope === "org" || ctx.session.org_id ? null : [h("br"), h("small", null, name(orgOf(row)))]] },
          { key: "amount", label: "Amount", value: (row) => Number(row.amount), cell: (row) => h("span", { title: exactMoney(row.amount, code(row)) }, money(row.amount, code(row))) },
          { key: "spent", label: "Spent", fixed: true, strong: true, value: (row) => Number(row.spent), cell: (row) => money(row.spent, code(row)) },
          { key: "used", label: "Used", value: (row) => row.used_share, cell: (row) => (row.users === null ? budgetBar(row) : `${whole(row.users_over)} of ${whole(row.users)} over`) },
          { key: "projected", label: "Projected", fixed: true, value: (row) => row.projected, cell: (row) => money(row.projected, code(row)) },
          { key: "exhausted", label: "Exhausted on", fixed: true, text: true, value: (row) => row.exhausted_on },
          ...(write ? [{ key: "edit", label: "", fixed: true, value: () => "", cell: (row) => [
            h("button", { class: "link", onclick: () => edit(row, () => box.refresh(ctx)) }, "Change"),
            h("button", { class: "link", onclick: () => remove(row, () => box.refresh(ctx)) }, "Delete")] }] : []),
        ] });
    } });
  return box;
}

/** What can have a budget, and the field of its value; `value` where there is none of its own. */
const SCOPES = {
  org: "", user: "user_id", feature: "feature", role: "value", class: "value", section: "value", agent: "value", task: "value", configuration: "value",
  action: "value", model: "value", provider: "value", service: "value", tag: "value",
};
/** Scopes of which a budget is of one org. */
const OF_ORG = ["org", "user", "class", "section"];
const HINTS = { user: "* for each user", tag: "env:production" };

/** @param {() => void} done */
function form(ctx, done) {
  const field = (label, input) => h("label", null, label, input), text = () => h("input", { maxlength: 128 });
  const title = (each) => ctx.session.words[each]?.one ?? sentence(each);
  const scope = h("select", { onchange: () => show() }, Object.keys(SCOPES).map((each) => h("option", { value: each }, title(each))));
  const org = text(), value = text(), group = text(), label = h("span");
  const amount = h("input", { required: true, inputmode: "decimal", pattern: "\\d+(\\.\\d+)?", title: "a number, such as 25000" });
  const currency = h("select", null, ctx.session.currencies.map((each) => h("option", { value: each }, each)));
  const fault = h("p", { class: "bad", role: "alert" }), valueField = h("label", null, label, value), groupField = field(title("class"), group);
  function show() {
    fill(label, title(scope.value));
    valueField.hidden = !SCOPES[scope.value];
    groupField.hidden = scope.value !== "section";
    value.placeholder = HINTS[scope.value] ?? "";
    org.placeholder = OF_ORG.includes(scope.value) ? "" : "all";
  }
  show();
  return h("details", null, h("summary", null, "New budget"), h("form", { class: "budget", onsubmit: async (event) => {
    event.preventDefault();
    const own = SCOPES[scope.value] ? { [SCOPES[scope.value]]: value.value } : {}, section = scope.value === "section" ? { class_name: group.value } : {};
    try {
      await send("POST", "v1/budgets", { scope: scope.value, amount: amount.value, currency: currency.value, org_id: org.value, ...own, ...section });
      done();
    } catch (error) {
      fill(fault, `✕ ${error.message}`);
    }
  } }, field("For", scope), field(title("org"), org), groupField, valueField, field("Amount per month", amount), field("Currency", currency), h("button", { type: "submit", class: "primary" }, "Create")), fault);
}

/** @param {() => void} done */
function edit(row, done) {
  const code = row.currency?.code ?? "USD", amount = h("input", { value: row.amount, required: true, inputmode: "decimal", pattern: "\\d+(\\.\\d+)?", id: "amount" });
  ask("Change the budget", [h("label", { for: "amount" }, `Amount per month, ${code} `), amount], "Save", done, () => send("PUT", `v1/budgets/${row.budget_id}`, { amount: amount.value, currency: code }));
}

/** @param {() => void} done */
function remove(row, done) {
  ask("Delete the budget?", [h("p", null, subject(row))], "Delete", done, () => send("DELETE", `v1/budgets/${row.budget_id}`));
}

/** @param {string} title @param {any[]} content @param {string} verb @param {() => void} done @param {() => Promise<any>} act */
function ask(title, content, verb, done, act) {
  const fault = h("p", { class: "bad", role: "alert" });
  const { dialog } = openModal("ask", title, h("div", null, content, fault),
    h("footer", null, h("button", { onclick: () => dialog.close() }, "Cancel"), h("span", { class: "grow" }), h("button", { class: "primary", onclick: async () => {
      try {
        await act();
        dialog.close();
        done();
      } catch (error) {
        fill(fault, `✕ ${error.message}`);
      }
    } }, verb)));
}
