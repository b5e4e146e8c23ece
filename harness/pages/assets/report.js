// The report: opens a trial, which is in the file as compressed HTML, when the address names it.
// #trial-7 opens trial 7, #trial-7/entry-F3 shows that place in it; any other address is a place of
// the overview. Does nothing on the live page.
"use strict";

(() => {
  const byId = (name) => document.getElementById(name);
  let opened = ""; // the trial that is on the page
  let from = "#grid"; // where "back" leads to
  let scroll = 0; // of the overview, when it was left
  let focused = null; // the element of the overview that had the focus then
  const title = document.title;

  async function unpacked(text) {
    const bytes = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  function say(text) {
    const state = byId("report-state");
    state.hidden = !text;
    state.textContent = text;
  }

  function decoded(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }

  function show(place) {
    let around = place.closest("details");
    while (around) {
      around.open = true;
      around = around.parentElement && around.parentElement.closest("details");
    }
    place.scrollIntoView({ behavior: "instant" });
    if (place.hasAttribute("tabindex")) place.focus({ preventScroll: true });
  }

  function lead(name, id) {
    const link = byId(name);
    link.hidden = !id;
    if (id) link.href = `#trial-${id}`;
  }

  async function open(id, section) {
    if (opened !== id) {
      const trials = delm.json(byId("report-trials"));
      const ids = trials.map(([known]) => String(known));
      const at = ids.indexOf(id);
      const holder = byId("report-opened");
      holder.replaceChildren();
      opened = id;
      byId("report-back").href = from;
      lead("report-previous", at > 0 && ids[at - 1]);
      lead("report-next", at >= 0 && ids[at + 1]);
      const cell = byId(`cell-${id}`);
      if (!cell) {
        say(`Trial ${id} is not in this file. To open it: .venv/bin/delm view ${byId("report-trial").dataset.run}`);
        return;
      }
      say("");
      const html = await unpacked(cell.textContent);
      if (opened !== id) return; // another one was asked for meanwhile
      holder.append(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
      delm.inserted(holder);
      document.title = `${trials[at][1]} · delm report`;
    }
    const place = section && byId(section);
    if (place) {
      show(place);
      return;
    }
    window.scrollTo({ top: 0, behavior: "instant" });
    const heading = document.querySelector("#report-opened h1");
    if (heading) heading.focus({ preventScroll: true });
  }

  function isShown(element) {
    return Boolean(element) && element.getClientRects().length > 0;
  }

  // The browser moves the focus to what the address names after this event: afterwards it is moved
  // to `element` again.
  function focusOn(element, scrolled = false) {
    const focus = () => {
      element.focus({ preventScroll: true });
      if (scrolled) element.scrollIntoView({ block: "center", behavior: "instant" });
    };
    focus();
    requestAnimationFrame(() => requestAnimationFrame(focus));
  }

  function overview(name) {
    const wasHidden = byId("report-overview").hidden;
    const mark = byId(`open-${opened}`); // of that trial, in the grid
    opened = "";
    byId("report-opened").replaceChildren();
    byId("report-trial").hidden = true;
    byId("report-overview").hidden = false;
    if (!wasHidden) return;
    document.title = title;
    if (location.hash === from) {
      window.scrollTo({ top: scroll, behavior: "instant" });
      if (isShown(focused)) focusOn(focused);
      else if (isShown(mark)) focusOn(mark, true);
      else if (byId(decoded(from.slice(1)).split("/")[0])) focusOn(byId(decoded(from.slice(1)).split("/")[0]));
    } else if (name && byId(name)) show(byId(name));
  }

  function go() {
    const [name, ...rest] = location.hash.slice(1).split("/");
    const found = /^trial-(\d+)$/.exec(name);
    if (!found) {
      overview(decoded(name));
      return;
    }
    if (!byId("report-overview").hidden) {
      scroll = window.scrollY;
      focused = byId("report-overview").contains(document.activeElement) && document.activeElement;
      byId("report-overview").hidden = true;
      byId("report-trial").hidden = false;
    }
    open(found[1], decoded(rest.join("/"))).catch((error) => {
      say(`This trial cannot be opened: ${error.message}`);
    });
  }

  delm.setUp("#report-trial", () => {
    window.addEventListener("hashchange", (event) => {
      const before = new URL(event.oldURL).hash;
      if (!before.startsWith("#trial-")) from = before || "#grid";
      go();
    });
    go();
  });
})();
