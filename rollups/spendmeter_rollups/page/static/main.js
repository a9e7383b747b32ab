// Entry point: sign in, then render the view of the URL at every change.

import { currentSession, drawSignIn, signedIn } from "./parts/signin.js";
import { forget, whenSignedOut } from "./parts/api.js";
import { fill, h } from "./parts/dom.js";
import { href, read } from "./parts/state.js";
import { purge, recolor } from "./parts/charts.js";
import { drawFilters, drawHeader } from "./topbar.js";
import { drawTabs, findTab } from "./tabs.js";
import { userDrawer } from "./drawer.js";
import { callDialog } from "./views/call.js";

const REFRESH_MS = 60_000;
const DIALOGS = [userDrawer, callDialog];
/** Parameters that close every dialog. */
const CLOSED = { drawer: "", call: "" };
/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const root = byId("app");
let session = null;
/** @type {{ id: string, node: HTMLElement, view: any } | null} */
let current = null;
let controller = new AbortController();
/** The address of the view on the screen, without dialogs. */
let shown = "";

async function start() {
  const found = await currentSession();
  if (!found.session) {
    signedOut(found.refused);
    return;
  }
  session = found.session;
  current = null;
  fill(root,
    h("a", { class: "skip", href: "#view" }, "Skip to the figures"),
    h("header", { id: "header" }),
    h("nav", { id: "tabs", "aria-label": "Views" }),
    h("main", { id: "main" }, h("div", { id: "filters" }), h("div", { id: "view", tabindex: "-1" })));
  render();
}

/** @param {string} [refused] */
function signedOut(refused = "") {
  controller.abort();
  forget();
  signedIn(false);
  session = current = null;
  for (const dialog of DIALOGS) dialog.close();
  drawSignIn(root, refused, start);
}

/** Change the state: a new entry of the history, or the same one for paging and sorting. */
function go(change, { replace = false } = {}) {
  const before = read(), state = { ...before, ...change };
  // Another filter starts at the first page; another tab does not inherit sorting or paging.
  state.more = change.tab ? {} : { ...before.more, ...(change.more ?? { page: "" }) };
  const address = href(state);
  if (address === location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
  render();
}

/** The address of a change, with dialogs closed unless it names one. */
function linkTo(change) {
  const state = read();
  return href({ ...state, ...change, more: change.tab ? {} : { ...state.more, ...CLOSED, ...(change.more ?? { page: "" }) } });
}

/** @param {boolean} [again] reload even if the URL is unchanged */
function render(again = false) {
  if (!session) return false;
  const state = read(), address = href({ ...state, more: { ...state.more, ...CLOSED } });
  // A dialog that opens or closes leaves the view, and the focus in it, as they are.
  const changed = again || !current || address !== shown;
  if (changed) {
    controller.abort();
    controller = new AbortController();
  }
  shown = address;
  const ctx = { state, session, signal: controller.signal, go, href: linkTo };
  const tab = findTab(state.tab, session);
  drawHeader(byId("header"), ctx, signedOut);
  drawTabs(byId("tabs"), ctx, tab);
  drawFilters(byId("filters"), ctx, tab);
  const view = byId("view");
  if (current?.id !== tab.id) {
    purge(view);
    current = { id: tab.id, node: view, view: tab.view(ctx) };
    fill(view, h("h1", { class: "hidden" }, tab.label(session)), current.view.nodes);
    document.title = `${tab.label(session)} · Spendmeter`;
  }
  if (changed) current?.view.refresh(ctx);
  for (const dialog of DIALOGS) dialog.show(ctx);
  return changed;
}

window.addEventListener("popstate", () => render());
window.addEventListener("pageshow", (event) => { if (event.persisted) start(); });
window.addEventListener("theme", recolor);
// Links of the page change the state without a new document.
document.addEventListener("click", (event) => {
  const link = /** @type {any} */ (event.target)?.closest?.("a[href^='?'], a[data-in]");
  if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  // A link to the current view reloads it.
  const address = link.getAttribute("href"), again = address === location.search;
  if (!again) history.pushState(null, "", address);
  if (render(again) && link.closest("#view")) window.scrollTo(0, 0);
});
setInterval(() => {
  const live = !["last_month", "custom"].includes(read().preset);
  if (session && live && document.visibilityState === "visible" && !document.querySelector("dialog[open]")) render(true);
}, REFRESH_MS);
whenSignedOut(() => { if (session) signedOut("Your session has expired. Sign in again."); });
start();
