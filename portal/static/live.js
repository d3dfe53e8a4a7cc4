// The overview is told of what changes as it happens (server-sent events). Where that fails, the page is still read again by
// itself (again.js), and whoever has paused that is left in peace by both.
"use strict";
(function () {
  var part = document.querySelector("[data-live]");
  var again = document.getElementById("again");
  if (!part || !window.EventSource) return;

  function isPaused() {
    return again && again.textContent === again.getAttribute("data-go-on");
  }

  // Nobody loses a place in the page under the hands.
  function isInUse() {
    return String(window.getSelection()) !== "" || document.querySelector("#now").contains(document.activeElement);
  }

  var source = new EventSource(part.getAttribute("data-live"));
  source.onmessage = function (event) {
    // again.js may have put another one in its place.
    var now = document.getElementById("now");
    if (now && !isPaused() && !isInUse()) now.innerHTML = event.data;
  };
  window.addEventListener("pagehide", function () { source.close(); });
})();
