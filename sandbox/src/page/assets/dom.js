// Making elements, and keeping a list of them in step with a list of things. Data becomes text, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with children. Properties with a dash in their name, and `role`, are set as attributes. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.includes("-") || name === "role") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children);
  return node;
}

/** An icon of the sprite in index.html. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.classList.add("icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/**
 * Makes `parent` hold one node for each item, in the items' order, known by the key of the item. A node whose item stays keeps its place in the
 * document, and with it its focus, its scroll position and what somebody is typing in it.
 */
export function reconcile(parent, items, keyOf, make, update) {
  const known = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let next = parent.firstElementChild;
  items.forEach((item, index) => {
    const key = String(keyOf(item, index));
    let node = known.get(key);
    known.delete(key);
    if (!node) {
      node = make(item);
      node.dataset.key = key;
    }
    update(node, item, index);
    if (node === next) next = next.nextElementSibling;
    else parent.insertBefore(node, next);
  });
  for (const node of known.values()) node.remove();
}

/** Sets a text only where it differs, so that a live region speaks up for changes alone. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export const find = (selector, within = document) => within.querySelector(selector);
