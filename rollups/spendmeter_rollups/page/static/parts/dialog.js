// Modal dialogs, opened by a button or by the URL.

import { purge } from "./charts.js";
import { fill, h } from "./dom.js";
import { failure, spinner, SPINNER_MS } from "./panel.js";
import { query } from "./state.js";

/** Open a modal dialog. @param {string} name its class @param {string} title @param {...any} content */
export function openModal(name, title, ...content) {
  const heading = h("h2", { id: `${name}-title`, tabindex: "-1", dir: "auto" }, title);
  const dialog = h("dialog", { class: name, "aria-labelledby": heading.id },
    h("header", null, heading, h("button", { "aria-label": "Close", onclick: () => dialog.close() }, "✕")), content);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return { dialog, heading };
}

/**
 * A dialog whose subject is the parameter `name` of the URL: closing it is a change of the URL.
 * @param {string} name
 * @param {string} className
 * @param {{ load: (ctx: any, subject: string, signal: AbortSignal) => Promise<any>, draw: (body: HTMLElement, data: any, ctx: any, heading: HTMLElement, signal: AbortSignal) => any }} parts
 */
export function urlDialog(name, className, { load, draw }) {
  let open = null;
  let shown = "", controller = new AbortController();

  /** Close without touching the URL. */
  function close() {
    const old = open;
    controller.abort();
    open = null;
    shown = "";
    old?.close();
  }

  /** Show the subject of the URL, or none. */
  function show(ctx) {
    const subject = ctx.state.more[name] ?? "", address = `${subject} ${query(ctx.state)}`;
    if (subject && address === shown) return;
    // Another subject: remove the previous figures before the request starts.
    close();
    if (!subject) return;
    shown = address;
    controller = new AbortController();
    const { signal } = controller, body = h("div"), { dialog, heading } = openModal(className, subject.split("/").slice(1).join("/") || subject, body);
    open = dialog;
    dialog.onclick = (event) => event.target === dialog && dialog.close();
    dialog.addEventListener("close", () => {
      purge(dialog);
      if (open !== dialog) return;
      close();
      ctx.go({ more: { [name]: "" } });
    });
    heading.focus();
    run();

    async function run() {
      body.setAttribute("aria-busy", "true");
      const waiting = setTimeout(() => fill(body, spinner()), SPINNER_MS);
      try {
        const data = await load(ctx, subject, signal);
        if (signal.aborted) return;
        clearTimeout(waiting);
        await draw(body, data, ctx, heading, signal);
      } catch (error) {
        if (!signal.aborted) fill(body, failure(error, run));
      } finally {
        clearTimeout(waiting);
        if (!signal.aborted) body.removeAttribute("aria-busy");
      }
    }
  }
  return { show, close };
}
