// A link to a message of a long conversation leads to the page that has the message.
"use strict";

delm.setUp(".conversation[data-starts]", (conversation) => {
  const starts = conversation.dataset.starts.split(" ").filter(Boolean).map(Number);
  const found = /^#message-(\d+)$/.exec(location.hash);
  if (!found || !starts.length || document.getElementById(found[0].slice(1))) return;
  const wanted = starts.filter((start) => start <= Number(found[1])).pop();
  const here = Number(conversation.dataset.first);
  if (wanted && wanted !== here) location.replace(`?from=${wanted}${location.hash}`);
});

// j and k lead to the next message and to the one before.
(() => {
  function go(by) {
    const messages = [...document.querySelectorAll(".conversation > .message")];
    if (!messages.length) return false;
    const at = messages.indexOf(document.activeElement.closest(".message"));
    const next = at < 0 ? (by > 0 ? 0 : messages.length - 1) : at + by;
    if (!messages[next]) return true;
    messages[next].focus({ preventScroll: true });
    messages[next].scrollIntoView({ block: "start" });
    return true;
  }

  delm.setUp(".conversation", () => {
    delm.key("j", "the next message", () => go(1));
    delm.key("k", "the message before", () => go(-1));
  });
})();
