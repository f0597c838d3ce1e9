// Building and changing elements. Text only ever goes in as text: a bot may be called anything.

const SVG = "http://www.w3.org/2000/svg";

/** A new element with its class, its text and its children. */
export function make(tag, className = "", text = "", children = []) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  element.append(...children);
  return element;
}

/** A new SVG element with its attributes. */
export function makeSvg(tag, attributes = {}) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** Set the text, but touch the document only if it changes; answers whether it did. */
export function setText(element, text) {
  if (element.textContent === text) return false;
  element.textContent = text;
  return true;
}

/** Set (or with null remove) an attribute, but touch the document only if it changes. */
export function setAttribute(element, name, value) {
  if (value === null) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** The element with this id. */
export function byId(id) {
  return document.getElementById(id);
}
