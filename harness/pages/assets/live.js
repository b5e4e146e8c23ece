// A page of a run that works grows without being loaded again.
//
// The element with data-follow names the stream of events. Each event has the new header of the run
// and the trials that have changed. The page is then fetched again, and each element with data-live
// whose content is another one is exchanged; what was unfolded stays unfolded. Nothing is asked for
// on a page without data-follow.
"use strict";

(() => {
  const LEAST_MS = 2000; // between two fetches of the page
  let watching = null; // the stream of events, the trial that the page is about, the version shown
  let source = null;
  let timer = 0;
  let lastFetch = 0;
  let took = 0;

  function parsed(html) {
    return new DOMParser().parseFromString(html, "text/html");
  }

  // The places of open and closed details below an element, to be as they were.
  function folds(element) {
    const state = new Map();
    element.querySelectorAll("details").forEach((each, index) => state.set(each.id || index, each.open));
    return state;
  }

  // What was typed into forms, and what they were told.
  function carry(before, fresh) {
    const after = [...fresh.querySelectorAll("form")];
    before.querySelectorAll("form").forEach((form, index) => {
      const other = after[index];
      if (!other || other.dataset.write !== form.dataset.write) return;
      for (const field of form.elements) {
        const same = field.name && other.elements.namedItem(field.name);
        if (!same || !("value" in same) || field.type === "hidden" || field.tagName === "BUTTON") continue;
        if (field.tagName === "SELECT" || field.value !== field.defaultValue) same.value = field.value;
      }
      const told = form.querySelector("[role=status]");
      const place = other.querySelector("[role=status]");
      if (told && place) {
        place.textContent = told.textContent;
        place.className = told.className;
      }
    });
  }

  const FOCUSED = "a[href], button, summary, input, select, textarea, [tabindex]";

  // The element that the keyboard is at, as its place among all that it can be at.
  function placeOfFocus(element) {
    const all = [...element.querySelectorAll(FOCUSED)];
    return { at: all.indexOf(document.activeElement), id: document.activeElement.id };
  }

  function focusAgain(element, place) {
    const all = element.querySelectorAll(FOCUSED);
    const found = (place.id && document.getElementById(place.id)) || all[place.at];
    if (found) found.focus({ preventScroll: true });
  }

  function exchange(before, after) {
    if (before.isEqualNode(after)) return;
    const state = folds(before);
    const place = before.contains(document.activeElement) ? placeOfFocus(before) : null;
    const scrolled = [...before.querySelectorAll(".scroll")].map((each) => [each.scrollLeft, each.scrollTop]);
    const fresh = document.importNode(after, true);
    fresh.querySelectorAll("details").forEach((each, index) => {
      const key = each.id || index;
      if (state.has(key)) each.open = state.get(key);
    });
    carry(before, fresh);
    before.replaceWith(fresh);
    fresh.querySelectorAll(".scroll").forEach((each, index) => {
      if (scrolled[index]) [each.scrollLeft, each.scrollTop] = scrolled[index];
    });
    delm.inserted(fresh);
    if (place) focusAgain(fresh, place);
  }

  // Somebody who types, has opened a list or waits for the answer to a form is not disturbed.
  function isBusy(element) {
    if (element.querySelector("form[data-sending]")) return true;
    const active = document.activeElement;
    return active && element.contains(active) && active.matches("input, select, textarea");
  }

  // The sections of a part one by one, so that a form in one of them does not hold the others.
  function exchangeParts(before, after) {
    const mine = sectionsOf(before);
    const theirs = sectionsOf(after);
    const same = mine.size > 1 && [...mine.keys()].join(" ") === [...theirs.keys()].join(" ");
    if (!same) {
      if (!isBusy(before)) exchange(before, after);
      return;
    }
    mine.forEach((section, name) => {
      if (!isBusy(section)) exchange(section, theirs.get(name));
    });
  }

  function sectionsOf(element) {
    const found = new Map();
    element.querySelectorAll("section[aria-labelledby]").forEach((each) => {
      if (!each.parentElement.closest("section[aria-labelledby]")) {
        found.set(each.getAttribute("aria-labelledby"), each);
      }
    });
    return found;
  }

  // A part that the server makes later is left as it is, until it is there.
  async function take(address) {
    const answer = await fetch(address, { credentials: "same-origin" });
    if (!answer.ok) return "";
    const page = parsed(await answer.text());
    const waiting = page.querySelector("[data-later]");
    document.querySelectorAll("[data-live]").forEach((element) => {
      const after = page.querySelector(`[data-live="${CSS.escape(element.dataset.live)}"]`);
      const empty = waiting && (!after || after.contains(waiting) || !after.children.length);
      if (after && !empty) exchangeParts(element, after);
    });
    return waiting ? waiting.dataset.later : "";
  }

  async function fetchAgain() {
    timer = 0;
    const begun = performance.now();
    lastFetch = begun;
    try {
      const later = await take(location.pathname + location.search);
      if (later) await take(later);
    } catch {
      return; // the server is away; the stream of events tells when it is back
    } finally {
      took = performance.now() - begun;
    }
  }

  function askAgain() {
    if (timer) return;
    const wait = Math.max(LEAST_MS, 5 * took) - (performance.now() - lastFetch);
    timer = setTimeout(fetchAgain, Math.max(0, wait));
  }

  function tick() {
    document.querySelectorAll("time[data-since]").forEach((each) => {
      const seconds = Math.max(0, Math.round((Date.now() - Date.parse(each.dataset.since)) / 1000));
      each.textContent = seconds < 600 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
    });
  }

  function showHeader(html) {
    const place = document.getElementById("live");
    const header = parsed(html).getElementById("live");
    if (!place || !header) return;
    header.dataset.follow = place.dataset.follow || "";
    exchange(place, header);
    tick();
  }

  function concerns(trials, mine) {
    return !mine || trials.includes(mine);
  }

  // A hidden page is not connected: a browser has six connections to a server for all of its pages.
  function follow(element) {
    if (watching || !element.dataset.follow) return;
    watching = { address: element.dataset.follow, trial: Number(element.dataset.trial || 0),
                 version: element.dataset.version };
    document.addEventListener("visibilitychange", connect);
    connect();
    setInterval(tick, 1000);
    tick();
  }

  function connect() {
    if (document.hidden || !watching) {
      if (source) source.close();
      source = null;
      return;
    }
    if (source) return;
    source = new EventSource(watching.address);
    source.addEventListener("state", (event) => {
      const told = JSON.parse(event.data);
      showHeader(told.html);
      document.documentElement.classList.remove("live-lost");
      const missed = watching.version !== told.before; // while this page was not connected
      if (watching.version !== told.version && (missed || concerns(told.trials, watching.trial))) askAgain();
      watching.version = told.version;
    });
    source.addEventListener("end", () => {
      source.close();
      watching = null;
      askAgain();
    });
    source.addEventListener("error", () => document.documentElement.classList.add("live-lost"));
  }

  document.addEventListener("delm:written", askAgain);
  delm.setUp("[data-later]", (element) => {
    const begun = performance.now();
    take(element.dataset.later).catch(() => {}).finally(() => (took = performance.now() - begun));
  });
  delm.setUp("[data-follow]", follow);
})();
