// Start: sign in, then show what the URL says, and again at each change of it.

import { currentSession, drawSignIn, signedIn } from "./parts/signin.js";
import { forget, whenSignedOut } from "./parts/api.js";
import { fill, h } from "./parts/dom.js";
import { href, read } from "./parts/state.js";
import { purge, recolor } from "./parts/charts.js";
import { drawFilters, drawHeader } from "./topbar.js";
import { drawTabs, findTab } from "./tabs.js";
import { closeDrawer, showDrawer } from "./drawer.js";

const REFRESH_MS = 60_000;
const root = (document.getElementById("app"));
/** @type {any} */
let session = null;
/** @type {{ id: string, node: HTMLElement, view: any } | null} */
let current = null;
let controller = new AbortController();

async function start() {
  const found = await currentSession();
  if (!found.session) {
    signedOut(found.refused);
    return;
  }
  session = found.session;
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
  closeDrawer();
  drawSignIn(root, refused, start);
}

/** Change the state: a new entry of the history, or the same one for paging and sorting. @param {any} change @param {any} [options] */
function go(change, { replace = false } = {}) {
  const state = { ...read(), ...change };
  // Another filter starts at the first page; another tab does not inherit sorting or paging.
  if (!change.more) state.more = change.tab ? {} : { ...state.more, page: "" };
  const address = href(state);
  if (address === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
  render();
}

/** @param {any} change */
const linkTo = (change) => href({ ...read(), ...(change.tab ? { more: {} } : {}), ...change });

function render() {
  if (!session) return;
  controller.abort();
  controller = new AbortController();
  const state = read();
  const ctx = { state, session, signal: controller.signal, go, href: linkTo, reload: () => { forget(); render(); } };
  const tab = findTab(state.tab, session);
  drawHeader((document.getElementById("header")), ctx, signedOut);
  drawTabs((document.getElementById("tabs")), ctx, tab);
  drawFilters((document.getElementById("filters")), ctx, tab);
  const view = (document.getElementById("view"));
  if (current?.id !== tab.id) {
    purge(view);
    current = { id: tab.id, node: view, view: tab.view(ctx) };
    fill(view, h("h1", { class: "hidden" }, tab.label(session)), current.view.nodes);
    document.title = `${tab.label(session)} · Spendmeter`;
  }
  current.view.refresh(ctx);
  showDrawer(ctx);
}

window.addEventListener("popstate", render);
window.addEventListener("pageshow", (event) => { if (event.persisted) start(); });
window.addEventListener("theme", recolor);
// Links of the page change the state without a new document.
document.addEventListener("click", (event) => {
  const link = (event.target)?.closest?.("a[href^='?'], a[data-in]");
  if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  history.pushState(null, "", link.getAttribute("href"));
  render();
  if (link.closest("#view")) window.scrollTo(0, 0);
});
setInterval(() => {
  const live = !["last_month", "custom"].includes(read().preset);
  if (session && live && document.visibilityState === "visible" && !document.querySelector("dialog[open]")) render();
}, REFRESH_MS);
whenSignedOut(() => { if (session) signedOut("Your session is over. Sign in again."); });
start();
