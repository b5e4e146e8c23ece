// The board of a trial at the step that a slider shows: what has data-first and data-until is there
// from the one step on until before the other. A replay that is drawn anew, since its trial goes on,
// stays at the step that somebody has chosen.
"use strict";

(() => {
  const chosen = new Map(); // step by trial, where it is not the last

  delm.setUp(".replay", (replay) => {
    const slider = replay.querySelector("input[type=range]");
    const output = replay.querySelector("output");
    const play = replay.querySelector(".replay-play");
    const list = replay.querySelector(".replay-steps");
    const none = replay.querySelector(".replay-none");
    const empty = replay.querySelector(".replay-empty");
    const place = replay.closest("section") || replay; // a key may be pressed far from it
    const steps = [...list.children];
    const things = [...replay.querySelectorAll("[data-first]")].map((element) => ({
      element,
      first: Number(element.dataset.first),
      until: Number(element.dataset.until || Infinity),
    }));
    const pending = [...replay.querySelectorAll(".replay-pending [data-first]")];
    const entries = [...replay.querySelectorAll(".replay-entries > li")];
    const PAUSE_MS = 700;
    let timer = 0;

    function show() {
      const now = Number(slider.value);
      for (const { element, first, until } of things) {
        element.hidden = now < first || now >= until;
      }
      none.hidden = pending.some((element) => !element.hidden);
      empty.hidden = entries.some((element) => !element.hidden);
      const step = steps[now - 1];
      const words = step.querySelector(".words").textContent;
      const told = `${step.dataset.seconds} s: ${words}`;
      output.textContent = `${now} of ${steps.length}, at ${told}`;
      slider.setAttribute("aria-valuetext", told);
      for (const each of steps) each.classList.toggle("now", each === step);
      list.scrollTop = list.scrollHeight;
      if (slider.value === slider.max) chosen.delete(replay.dataset.trial);
      else chosen.set(replay.dataset.trial, slider.value);
    }

    function move(by) {
      const before = slider.value;
      slider.value = String(Number(before) + by);
      show();
      return slider.value !== before;
    }

    function stop() {
      window.clearInterval(timer);
      timer = 0;
      play.textContent = "Play";
      play.setAttribute("aria-pressed", "false");
    }

    function start() {
      if (slider.value === slider.max) slider.value = slider.min;
      show();
      play.textContent = "Pause";
      play.setAttribute("aria-pressed", "true");
      timer = window.setInterval(() => {
        if (!replay.isConnected || !move(1)) stop();
      }, PAUSE_MS);
    }

    slider.addEventListener("input", () => {
      stop();
      show();
    });
    play.addEventListener("click", () => (timer ? stop() : start()));
    for (const [name, by] of [[".replay-before", -1], [".replay-next", 1]]) {
      replay.querySelector(name).addEventListener("click", () => {
        stop();
        move(by);
        const { top } = replay.getBoundingClientRect();
        if (top < 0 || top > window.innerHeight / 2) place.scrollIntoView();
      });
    }
    slider.value = chosen.get(replay.dataset.trial) || slider.value;
    show();
  });
})();
