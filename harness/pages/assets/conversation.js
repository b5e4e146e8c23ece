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
