// What all scripts of a page share, as `delm`. Loaded first; every other script adds to it.
//
//   delm.setUp(selector, begin)   calls begin(element) for each element there is, and for each
//                                 that delm.inserted(root) tells of later
//   delm.inserted(root)           new content is in the document below root
//   delm.key(key, text, act, when)  act(event) on this key, which the help (?) lists with the text
//                                 while when() holds; act returns false where it does nothing
//   delm.json(element)            the value of a <script type="application/json">
//   delm.make(tag, text, names)   a new element with a text and attributes
//
// A link or button with data-key="n" is activated by that key; data-key-text is what the help says,
// else its own text. No key acts while a field is being edited, or together with Ctrl, Alt or Meta.
"use strict";

const delm = (() => {
  const begins = [];
  const keys = new Map();
  let loaded = false;

  function begin(root, selector, each) {
    if (root.nodeType === Node.ELEMENT_NODE && root.matches(selector)) each(root);
    root.querySelectorAll(selector).forEach((element) => each(element));
  }

  function setUp(selector, each) {
    begins.push([selector, each]);
    if (loaded) begin(document, selector, each);
  }

  function inserted(root) {
    begins.forEach(([selector, each]) => begin(root, selector, each));
  }

  function key(name, text, act, when = () => true) {
    keys.set(name, { text, act, when });
  }

  function json(element) {
    return JSON.parse(element.textContent);
  }

  function make(tag, text = "", names = {}) {
    const element = document.createElement(tag);
    element.textContent = text;
    Object.entries(names).forEach(([name, value]) => element.setAttribute(name, value));
    return element;
  }

  function isEdited(target) {
    return target.closest("input:not([type=range], [type=checkbox], [type=radio]), textarea, select");
  }

  function isShown(element) {
    return element.getClientRects().length > 0;
  }

  function keyed(name) {
    const all = document.querySelectorAll("[data-key]");
    return [...all].find((element) => element.dataset.key === name && isShown(element));
  }

  function pressed(event) {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
    const dialog = document.querySelector("dialog[open]");
    if (isEdited(event.target) || (dialog && event.key !== "?")) return;
    const element = keyed(event.key);
    const inControl = event.target.closest("button, input, summary, abbr[role]");
    if (element && element.matches("a") && inControl) return; // a control is no place to leave from
    if (element) {
      event.preventDefault();
      element.click();
      return;
    }
    const known = keys.get(event.key);
    if (known && known.act(event) !== false) event.preventDefault();
  }

  function listKeys() {
    const list = document.getElementById("keys-list");
    list.replaceChildren();
    const entries = new Map();
    keys.forEach(({ text, when }, name) => when() && entries.set(name, text));
    document.querySelectorAll("[data-key]").forEach((element) => {
      if (isShown(element)) {
        entries.set(element.dataset.key, element.dataset.keyText || element.textContent.trim());
      }
    });
    for (const [name, text] of entries) {
      if (!text) continue;
      const shown = make("dt");
      shown.append(make("kbd", name));
      list.append(shown, make("dd", text));
    }
  }

  function toggleKeys() {
    const dialog = document.getElementById("keys");
    if (!dialog) return false;
    if (dialog.open) {
      dialog.close();
    } else {
      listKeys();
      dialog.showModal();
    }
    return true;
  }

  // A place inside of folded details is shown when a link or an address leads to it.
  function unfold() {
    let name = "";
    try {
      name = decodeURIComponent(location.hash.slice(1));
    } catch {
      return;
    }
    const place = name && document.getElementById(name);
    if (!place) return;
    if (place.tagName === "DETAILS") place.open = true;
    let around = place.parentElement && place.parentElement.closest("details");
    while (around) {
      around.open = true;
      around = around.parentElement && around.parentElement.closest("details");
    }
    place.scrollIntoView();
  }

  // The heading that an address names is not covered by the bar, however many lines that has.
  function tellBar(bar) {
    const told = () => {
      const height = getComputedStyle(bar).position === "sticky" ? bar.offsetHeight : 0;
      document.documentElement.style.setProperty("--bar", `${height}px`);
    };
    new ResizeObserver(told).observe(bar);
    told();
  }

  // What scrolls sideways fades out at the side where there is more.
  function tellMore(element) {
    const told = () => {
      const left = element.scrollLeft;
      const right = element.scrollWidth - element.clientWidth - left;
      element.classList.toggle("more-left", left > 2);
      element.classList.toggle("more-right", right > 2);
    };
    element.addEventListener("scroll", told, { passive: true });
    const watch = new ResizeObserver(told);
    watch.observe(element);
    if (element.firstElementChild) watch.observe(element.firstElementChild);
    told();
  }

  // What a mark means is told on hover; a click or Enter writes it behind the mark.
  function explain(element) {
    if (element.closest("a, button, summary, .grid-table")) return;
    element.tabIndex = 0;
    element.setAttribute("role", "button");
    element.setAttribute("aria-expanded", "false");
    const toggle = () => {
      const shown = element.nextElementSibling;
      const isShown = Boolean(shown && shown.matches(".told"));
      if (isShown) shown.remove();
      else element.after(make("span", element.title, { class: "told", role: "note" }));
      element.setAttribute("aria-expanded", String(!isShown));
    };
    element.addEventListener("click", toggle);
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      toggle();
    });
  }

  // A word of the glossary: on the page that has it, the page is not loaded again.
  function lead(event) {
    const link = event.target.closest("a.term");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const place = document.getElementById(new URL(link.href).hash.slice(1));
    if (!place) return;
    event.preventDefault();
    if (location.hash === link.hash) unfold();
    else location.hash = link.hash;
    place.focus({ preventScroll: true });
  }

  function load() {
    document.documentElement.classList.add("scripted");
    const button = document.getElementById("keys-open");
    if (button) {
      button.hidden = false;
      button.addEventListener("click", toggleKeys);
    }
    key("?", "show or close this list", toggleKeys);
    setUp("header.top", tellBar);
    setUp(".scroll, .top nav ul", tellMore);
    setUp("abbr[title]", explain);
    document.addEventListener("click", lead);
    document.addEventListener("keydown", pressed);
    window.addEventListener("hashchange", unfold);
    loaded = true;
    inserted(document);
    unfold();
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", load);
  else queueMicrotask(load);
  return { setUp, inserted, key, json, make };
})();
