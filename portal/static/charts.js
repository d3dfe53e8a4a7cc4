// Draws what the pages of charts and reports have the data of, in the page's own colours, and again when it turns dark or light. What is not known
// is a gap, or grey where there are no lines: never a zero. Numbers of very few cases say so.
"use strict";
(function () {
  var places = Array.prototype.slice.call(document.querySelectorAll("[data-chart]"));
  if (!window.Plotly || !window.fetch) return;

  // A mean of fewer cases than this is an accident.
  var FEW = 4;
  var HEATS = { heat: true, diverging: true };

  function colour(name) {
    var probe = document.createElement("span");
    probe.style.color = "var(" + name + ")";
    document.body.appendChild(probe);
    var found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  // The same colour, seen through.
  function faint(found, part) {
    var numbers = found.match(/[\d.]+/g);
    return numbers && numbers.length >= 3 ? "rgba(" + numbers.slice(0, 3).join(",") + "," + part + ")" : found;
  }

  function number(value) {
    return value === null || value === undefined ? "not known" : String(Math.round(value * 100) / 100);
  }

  // What stands beside the pointer.
  function told(chart, one, at) {
    var value = one.values[at], text = number(value);
    if (value !== null && value !== undefined) text += " " + chart.unit;
    var count = one.counts && one.counts.length > at ? one.counts[at] : null;
    if (count !== null) text += count < FEW ? " (few: of " + count + ")" : " (of " + count + ")";
    return text;
  }

  function texts(chart, one) {
    return chart.x.map(function (_, at) { return told(chart, one, at); });
  }

  function scatter(chart, one, more) {
    return Object.assign({
      type: "scatter", mode: "lines", name: one.name, x: chart.x, y: one.values, connectgaps: false, text: texts(chart, one),
      hovertemplate: "%{x}: %{text}<extra>" + one.name.replace(/</g, "&lt;") + "</extra>"
    }, more);
  }

  function heat(chart, ink) {
    var hour = chart.x.every(function (name) { return /^\d\d$/.test(name); }) ? ":00" : "";
    var values = chart.series.map(function (one) { return one.values; });
    var trace = {
      type: "heatmap", x: chart.x, y: chart.series.map(function (one) { return one.name; }), z: values, xgap: 1, ygap: 1, hoverongaps: true,
      text: chart.series.map(function (one) { return texts(chart, one); }), hovertemplate: "%{y} %{x}" + hour + ": %{text}<extra></extra>"
    };
    var all = [].concat.apply([], values).filter(function (value) { return value !== null; });
    var most = Math.max.apply(null, all.map(Math.abs).concat([0]));
    // Colours end where the chart says, so that one day of a fair does not turn all others pale.
    var end = chart.cap > 0 ? Math.min(chart.cap, most || chart.cap) : most || 1;
    if (chart.shape === "diverging") {
      trace.colorscale = [[0, ink.bad], [0.5, ink.sheet], [1, ink.accent]];
      trace.zmin = -end;
      trace.zmax = end;
      trace.zmid = 0;
    } else {
      trace.colorscale = [[0, ink.sheet], [1, ink.accent]];
      trace.zmin = 0;
      trace.zmax = end;
    }
    return [trace];
  }

  // The value, low and high of the narrow band, low and high of the wide one; then the baseline, then what really was.
  function band(chart, ink) {
    var s = chart.series, drawn = [];
    function edge(one, fill) {
      return scatter(chart, one, {
        line: { width: 0 }, showlegend: false, hoverinfo: "skip", hovertemplate: null, fill: fill ? "tonexty" : "none", fillcolor: fill || undefined
      });
    }
    if (s.length > 4) drawn.push(edge(s[3]), edge(s[4], faint(ink.accent, 0.14)));
    if (s.length > 2) drawn.push(edge(s[1]), edge(s[2], faint(ink.accent, 0.24)));
    if (s.length > 0) drawn.push(scatter(chart, s[0], { line: { color: ink.accent, width: 2 } }));
    if (s.length > 5) drawn.push(scatter(chart, s[5], { line: { color: ink.faint, width: 1.5, dash: "dash" } }));
    if (s.length > 6) drawn.push(scatter(chart, s[6], { line: { color: ink.busy, width: 1.5 } }));
    return drawn;
  }

  // Steps from above to below, each with what is left of the first.
  function funnel(chart, ink) {
    var one = chart.series[0], first = one.values[0];
    return [{
      type: "bar", orientation: "h", x: one.values, y: chart.x, marker: { color: ink.accent }, textposition: "auto",
      text: one.values.map(function (value) {
        if (value === null) return "not known";
        return number(value) + (first > 0 ? " (" + Math.round(100 * value / first) + " %)" : "");
      }),
      hovertext: texts(chart, one), hovertemplate: "%{y}: %{hovertext}<extra></extra>"
    }];
  }

  // What was said, along, against what was, up: on the line it was right.
  function calibration(chart, ink) {
    var s = chart.series, what = s.length > 1 ? s[1] : s[0];
    var said = s.length > 1 ? s[0].values : chart.x.map(function (name, at) {
      var read = parseFloat(name);
      return String(read) === name ? read : (at + 0.5) / chart.x.length;
    });
    var most = Math.max.apply(null, said.concat(what.values).filter(function (value) { return value !== null; }).concat([0]));
    var end = most > 1 ? Math.ceil(most) : 1;
    return [
      { type: "scatter", mode: "lines", name: "as said", x: [0, end], y: [0, end], line: { color: ink.faint, dash: "dash" }, hoverinfo: "skip" },
      {
        type: "scatter", mode: "lines+markers", name: what.name, x: said, y: what.values, connectgaps: false, line: { color: ink.accent },
        text: texts(chart, what), hovertemplate: "said %{x:.2f}, was %{text}<extra></extra>",
        marker: { size: 9, symbol: what.values.map(function (_, at) { return what.counts && what.counts[at] < FEW ? "circle-open" : "circle"; }) }
      }
    ];
  }

  function traces(chart, ink) {
    if (HEATS[chart.shape]) return heat(chart, ink);
    if (chart.shape === "band") return band(chart, ink);
    if (chart.shape === "funnel") return funnel(chart, ink);
    if (chart.shape === "calibration") return calibration(chart, ink);
    if (chart.shape === "parts") {
      return [{ type: "pie", labels: chart.x, values: chart.series[0].values, hole: 0.5, sort: true, textinfo: "percent" }];
    }
    return chart.series.map(function (one) {
      return chart.shape === "line" ? scatter(chart, one, {}) : {
        type: "bar", name: one.name, x: chart.x, y: one.values, text: texts(chart, one), textposition: "none",
        hovertemplate: "%{x}: %{text}<extra>" + one.name.replace(/</g, "&lt;") + "</extra>"
      };
    });
  }

  function layout(chart, ink) {
    var axis = { gridcolor: ink.line, linecolor: ink.line, zerolinecolor: ink.line, automargin: true };
    var both = {
      margin: { l: 48, r: 16, t: 16, b: 40 }, font: { color: ink.ink, family: "system-ui, sans-serif", size: 13 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", legend: { orientation: "h" },
      colorway: [ink.accent, ink.busy, ink.bad, ink.faint, ink.good], xaxis: Object.assign({}, axis), yaxis: Object.assign({}, axis)
    };
    if (HEATS[chart.shape]) {
      both.xaxis.type = "category";
      both.yaxis.autorange = "reversed";
      // What is behind the map is seen where there is no number.
      both.plot_bgcolor = faint(ink.faint, 0.45);
      both.xaxis.showgrid = both.yaxis.showgrid = false;
    } else if (chart.shape === "funnel") {
      both.yaxis.autorange = "reversed";
      both.yaxis.type = "category";
      both.xaxis.title = { text: chart.unit };
      both.xaxis.rangemode = "tozero";
    } else if (chart.shape === "calibration") {
      both.xaxis.title = { text: "said" };
      both.yaxis.title = { text: "was" };
      both.xaxis.rangemode = both.yaxis.rangemode = "tozero";
    } else if (chart.shape !== "parts") {
      both.yaxis.title = { text: chart.unit };
      both.yaxis.rangemode = "tozero";
      if (chart.shape === "stacked") both.barmode = "stack";
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
