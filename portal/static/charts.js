// Draws what the charts page has the data of, in the page's own colours, and again when it turns dark or light.
"use strict";
(function () {
  var places = Array.prototype.slice.call(document.querySelectorAll("[data-chart]"));
  if (!window.Plotly || !window.fetch) return;

  function colour(name) {
    var probe = document.createElement("span");
    probe.style.color = "var(" + name + ")";
    document.body.appendChild(probe);
    var found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  function traces(chart, ink) {
    if (chart.shape === "heat") {
      return [{
        type: "heatmap", x: chart.x, y: chart.series.map(function (one) { return one.name; }),
        z: chart.series.map(function (one) { return one.values; }), colorscale: [[0, ink.sheet], [1, ink.accent]],
        hovertemplate: "%{y} %{x}:00: %{z} " + chart.unit + "<extra></extra>", xgap: 1, ygap: 1
      }];
    }
    if (chart.shape === "parts") {
      return [{ type: "pie", labels: chart.x, values: chart.series[0].values, hole: 0.5, sort: true, textinfo: "percent" }];
    }
    return chart.series.map(function (one) {
      return chart.shape === "bars"
        ? { type: "bar", name: one.name, x: chart.x, y: one.values }
        : { type: "scatter", mode: "lines", name: one.name, x: chart.x, y: one.values };
    });
  }

  function layout(chart, ink) {
    var axis = { gridcolor: ink.line, linecolor: ink.line, zerolinecolor: ink.line, automargin: true };
    var both = {
      margin: { l: 48, r: 16, t: 16, b: 40 }, font: { color: ink.ink, family: "system-ui, sans-serif", size: 13 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", legend: { orientation: "h" },
      colorway: [ink.accent, ink.busy, ink.bad, ink.faint, ink.good], xaxis: Object.assign({}, axis), yaxis: Object.assign({}, axis)
    };
    if (chart.shape === "heat") {
      both.xaxis.type = "category";
      both.yaxis.autorange = "reversed";
    } else if (chart.shape !== "parts") {
      both.yaxis.title = { text: chart.unit };
      both.yaxis.rangemode = "tozero";
    }
    return both;
  }

  function draw(place, chart) {
    var names = ["accent", "busy", "bad", "good", "faint", "ink", "line", "sheet"];
    var ink = {};
    names.forEach(function (name) { ink[name] = colour("--" + name); });
    // It is measured before it is drawn.
    place.classList.add("is-shown");
    return window.Plotly.react(place, traces(chart, ink), layout(chart, ink), { displayModeBar: false, responsive: true });
  }

  function load(place) {
    return fetch(place.getAttribute("data-chart"), { credentials: "same-origin" })
      .then(function (answer) { if (!answer.ok) throw new Error(answer.status); return answer.json(); })
      .then(function (chart) {
        place.chart = chart;
        return draw(place, chart);
      })
      .then(function () { place.setAttribute("data-drawn", ""); })
      // The numbers stand below it all the same.
      .catch(function () { place.remove(); });
  }

  places.forEach(load);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () {
    places.forEach(function (place) { if (place.chart) draw(place, place.chart); });
  });
})();
