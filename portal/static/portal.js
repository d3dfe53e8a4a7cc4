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

  const login = document.getElementById("login");
  if (login && "automatic" in login.dataset) {
    login.submit();
    return;
  }

  const order = document.getElementById("order");
  if (!order) return;
  const started = Date.now();
  const quiet = { online: 10000, failed: 0, ended: 0, refund_due: 0 };
  const wait = () => {
    const stage = order.dataset.stage;
    const pause = stage in quiet ? quiet[stage] : (Date.now() - started < 120000 ? 1500 : 5000);
    if (pause) setTimeout(ask, pause);
  };
  const ask = async () => {
    try {
      const answer = await fetch(order.dataset.state, { cache: "no-store" });
      if (answer.ok) {
        const now = await answer.json();
        if (now.stage !== order.dataset.stage) {
          location.reload();
          return;
        }
        document.getElementById("headline").textContent = now.headline;
        document.getElementById("detail").textContent = now.detail;
      }
    } catch { /* out of reach for a moment: ask again */ }
    wait();
  };
  wait();
})();
