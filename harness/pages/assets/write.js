// Forms that write: <form data-write="address">. The fields are sent as JSON with the token, and what
// the server says of it stands in the form's element with role=status.
//
// The token comes with the address that delm view prints (#token=…), or is typed. It is kept until
// the tab is closed, and is never a part of an address that is sent.
"use strict";

(() => {
  const TOKEN = "delm-token";
  const BY = "delm-by";

  function takeToken() {
    const found = /^#token=([\w-]+)$/.exec(location.hash);
    if (!found) return;
    sessionStorage.setItem(TOKEN, found[1]);
    history.replaceState(history.state, "", location.pathname + location.search);
    document.querySelectorAll("form[data-write] input.token").forEach((each) => each.closest("label").remove());
  }

  function say(form, text, kind) {
    const place = form.querySelector("[role=status]");
    if (!place) return;
    place.textContent = text;
    place.classList.toggle("told-bad", kind === "bad");
  }

  // A field for the token, in front of the form's status.
  function askForToken(form) {
    let field = form.querySelector("input.token");
    if (!field) {
      field = delm.make("input", "", { type: "password", class: "token", autocomplete: "off", required: "" });
      const label = delm.make("label", "Token that delm view printed ");
      label.append(field);
      form.querySelector("[role=status]").before(label);
    }
    field.value = "";
    field.focus();
  }

  function token(form) {
    const field = form.querySelector("input.token");
    if (field && field.value) sessionStorage.setItem(TOKEN, field.value.trim());
    return sessionStorage.getItem(TOKEN) || "";
  }

  function fieldsOf(form, submitter) {
    const fields = {};
    new FormData(form).forEach((value, name) => {
      if (typeof value === "string") fields[name] = value;
    });
    if (submitter && submitter.name) fields[submitter.name] = submitter.value;
    return fields;
  }

  async function send(form, fields) {
    const answer = await fetch(form.dataset.write, {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json", "X-Delm-Token": token(form) },
      body: JSON.stringify(fields),
    });
    const text = await answer.text();
    let told = text.trim();
    try {
      told = JSON.parse(text).told;
    } catch {
      // refused before it came to the run: a plain sentence
    }
    return { status: answer.status, ok: answer.ok, told };
  }

  async function submitted(event) {
    event.preventDefault();
    const form = event.currentTarget;
    const fields = fieldsOf(form, event.submitter);
    if (!token(form)) {
      say(form, "Changes need the token that delm view printed.", "bad");
      askForToken(form);
      return;
    }
    if (fields.by) sessionStorage.setItem(BY, fields.by);
    const buttons = [...form.querySelectorAll("button")].filter((each) => !each.disabled);
    buttons.forEach((each) => (each.disabled = true));
    form.dataset.sending = ""; // a page that grows leaves it where it is until it has its answer
    try {
      const answer = await send(form, fields);
      say(form, answer.told, answer.ok ? "" : "bad");
      if (answer.status === 403) {
        sessionStorage.removeItem(TOKEN);
        askForToken(form);
      } else if (answer.ok) {
        const asked = form.querySelector("input.token");
        if (asked) asked.closest("label").remove();
        form.querySelectorAll("[data-clear]").forEach((each) => (each.value = ""));
        document.dispatchEvent(new CustomEvent("delm:written"));
      }
    } catch {
      say(form, "The server does not answer; nothing is known of this change.", "bad");
    } finally {
      delete form.dataset.sending;
      buttons.forEach((each) => (each.disabled = false));
    }
  }

  function begin(form) {
    const by = form.elements.namedItem("by");
    if (by && !by.value) by.value = sessionStorage.getItem(BY) || "";
    form.addEventListener("submit", submitted);
  }

  if (location.protocol !== "file:") {
    takeToken();
    window.addEventListener("hashchange", takeToken);
  }
  delm.setUp("form[data-write]", begin);
})();
