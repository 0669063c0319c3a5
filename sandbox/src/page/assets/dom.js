// Creates elements, and keeps a list of them in sync with a list of items. Data becomes text, never markup.

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
  const keys = items.map((item, index) => String(keyOf(item, index)));
  const known = keep(parent, new Set(keys));
  let next = parent.firstElementChild;
  items.forEach((item, index) => {
    const node = known.get(keys[index]) ?? make(item);
    node.dataset.key = keys[index];
    update(node, item, index);
    // A moved node would lose the focus.
    if (node === next) next = next.nextElementSibling;
    else parent.insertBefore(node, next);
  });
}

/** Removes the children whose keys are not wanted, and returns the others by key. */
function keep(parent, wanted) {
  const known = new Map();
  for (const node of [...parent.children]) {
    if (wanted.has(node.dataset.key)) known.set(node.dataset.key, node);
    else node.remove();
  }
  return known;
}

/** Sets a text only if it differs, so that a live region only announces changes. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export const find = (selector, within = document) => within.querySelector(selector);
