// Elements without markup: text is always a text node, and styles go through the CSSOM, which the CSP admits.

import { compact, exactMoney, money, whole } from "./format.js";

const SVG = new Set(["svg", "path", "polyline", "circle", "line", "rect", "g"]);

/**
 * Create an element. A button does not submit unless its type is `submit`. `on…` properties are listeners, `style` is an object of CSS properties, others are attributes.
 * @param {string} tag
 * @param {Record<string, any> | null} [props]
 * @param {...any} children
 * @returns {any}
 */
export function h(tag, props, ...children) {
  /** @type {any} */
  const node = SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(/** @type {Record<string, any>} */ ({ ...(tag === "button" ? { type: "button" } : {}), ...props }))) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, text] of Object.entries(value)) node.style.setProperty(key, text);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  append(node, children);
  return node;
}

/** @param {Node} node @param {any[]} children */
function append(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.appendChild(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Replace the children of `node`. @param {Element} node @param {...any} children */
export function fill(node, ...children) {
  const fragment = document.createDocumentFragment();
  append(fragment, children);
  node.replaceChildren(fragment);
}

/** Announce a result to screen readers. @param {string} text */
export function announce(text) {
  const live = document.getElementById("live");
  if (live && live.textContent !== text) live.textContent = text;
}

/** A count. @param {number} value */
export const tally = (value) => figure(compact(value), whole(value));

/** An amount of money. @param {string | number | null} amount @param {string} code @param {string} [mark] before a lower bound @param {number} [digits] as in `money` */
export const spend = (amount, code, mark = "", digits = mark ? 2 : 0) => figure(mark + money(amount, code, digits), exactMoney(amount, code), mark);

/** A number as shown, with its exact value on hover and for screen readers. @param {string} shown @param {string} exact @param {string} [mark] */
export function figure(shown, exact, mark = "") {
  return shown === exact ? shown : h("span", { title: exact }, h("span", { "aria-hidden": "true" }, shown), h("span", { class: "hidden" }, mark, exact));
}
