// Pages that show what is now are read again by themselves: the desk's, and the code of a screen. Whoever wants to read in
// peace pauses it. Without a script the desk has a link, and a screen reads itself again (meta refresh).
//
// The button #again says how: data-seconds between two readings, data-pause and data-go-on what it says. With data-stage the page
// is only left when the next reading is of another stage; otherwise its <main> takes the place of this one.
// Old browsers of TVs come here as well: nothing in it is newer than they are.
"use strict";
(function () {
  var again = document.getElementById("again");
  if (!again || !window.XMLHttpRequest) return;
  var main = document.querySelector("main");
  var stage = again.getAttribute("data-stage");
  var pause = Number(again.getAttribute("data-seconds")) * 1000;
  var isPaused = false;
  var timer = null;

  function wait() {
    clearTimeout(timer);
    if (!isPaused) timer = setTimeout(read, pause);
  }

  // Nobody loses a field, a choice or a place in the page under the hands.
  function isInUse() {
    var selected = window.getSelection ? String(window.getSelection()) : "";
    return document.hidden || selected !== "" || (main && main.contains(document.activeElement)) || !!document.querySelector("main details[open]");
  }

  function show(next) {
    var nextAgain = next && next.getElementById("again");
    // Signed out, or gone on: the browser reads what is there.
    if (!nextAgain || nextAgain.getAttribute("data-stage") !== stage) {
      location.reload();
      return;
    }
    var nextMain = next.querySelector("main");
    if (stage === null && nextMain) {
      main.innerHTML = nextMain.innerHTML;
      document.title = next.title;
    }
    wait();
  }

  function read() {
    if (stage === null && isInUse()) return wait();
    var request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.responseType = "document";
    request.onload = function () {
      if (isPaused) return;
      // What cannot be had now is asked for again.
      if (request.status === 200) show(request.response); else wait();
    };
    request.onerror = request.ontimeout = wait;
    request.timeout = 15000;
    request.send();
  }

  again.hidden = false;
  again.onclick = function () {
    isPaused = !isPaused;
    again.textContent = again.getAttribute(isPaused ? "data-go-on" : "data-pause");
    if (isPaused) clearTimeout(timer); else read();
  };
  wait();
})();
