// Makes the customers' pages quicker. Without it they read themselves again (meta refresh) and forms are sent by hand.
"use strict";
(() => {
  // A form sent twice by an impatient thumb is one order anyway; this only spares the second request.
  for (const form of document.forms) {
    form.addEventListener("submit", () => setTimeout(() => {
      for (const button of form.querySelectorAll("button")) button.disabled = true;
    }));
  }
  // A page taken out of the browser's memory must not come back with dead buttons.
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  // Shown where a page may write the clipboard.
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.onclick = () => navigator.clipboard.writeText(button.dataset.copy).then(() => (button.textContent = button.dataset.done));
  }

  const login = document.getElementById("login");
  if (login && "automatic" in login.dataset) {
    login.submit();
    return;
  }

  // A page that could not be made is read again when it can be: nobody loses the place where they are reading before.
  if (document.getElementById("try-again")) {
    setInterval(() => fetch(location, { cache: "no-store" }).then((answer) => answer.ok && location.reload(), () => {}), 15000);
  }

  const order = document.getElementById("order");
  if (!order) return;
  // What is waited for is lifted above the page, at its place. Who closes it (Escape, Back, a tap beside it) finds it in
  // the page, as without a script; a browser without dialogs never sees it elsewhere.
  if (order.open && order.showModal) {
    order.addEventListener("close", () => { order.open = true; });
    order.style.top = `${order.offsetTop}px`;
    order.open = false;
    order.showModal();
    order.focus();
  }
  const started = Date.now();
  const quiet = { online: 10000, failed: 0, ended: 0, refund_due: 0, given_used: 0 };
  const wait = () => {
    const stage = order.dataset.stage;
    const pause = stage in quiet ? quiet[stage] : (Date.now() - started < 120000 ? 1500 : 5000);
    if (pause) setTimeout(ask, pause);
  };
  const show = (now) => {
    const same = now.stage === order.dataset.stage;
    if (!same) location.reload();
    document.getElementById("headline").textContent = now.headline;
    document.getElementById("detail").textContent = now.detail;
    return same;
  };
  const ask = async () => {
    try {
      const answer = await fetch(order.dataset.state, { cache: "no-store" });
      if (answer.ok && !show(await answer.json())) return;
    } catch { /* out of reach for a moment: ask again */ }
    wait();
  };
  // The server tells what changes; where it cannot be heard, it is asked.
  if (window.EventSource && quiet[order.dataset.stage] !== 0) {
    const events = new EventSource(order.dataset.events);
    events.onmessage = (event) => show(JSON.parse(event.data));
    events.onerror = () => { events.close(); wait(); };
  } else {
    wait();
  }
})();
