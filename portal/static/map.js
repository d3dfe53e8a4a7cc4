// The map of sites: Google's where there is a key and it comes in time, else Leaflet, else circles on a grid. All three draw the same GeoJSON,
// which the server goes on telling (server-sent events), and the same marks: the area is the value, the sign and the colour how it stands beside
// what was expected, and a diamond says that a router is silent.
//
// A ground (googleGround, leafletGround, gridGround) is a promise of { draw(marks), stop() }. What fails is said, and the next one is tried.
"use strict";
(function () {
  var place = document.getElementById("map");
  if (!place || !window.fetch || !window.Promise) return;
  var told = place.dataset;
  var choice = document.getElementById("map-measure");
  var views = document.getElementById("map-views");
  var problem = document.getElementById("map-problem");
  var line = document.getElementById("map-line");
  var shown = document.getElementById("map-site");

  // Google's map has so long to come.
  var PATIENCE = 3000;
  // The largest mark, and the least that can be hit with a finger; radius and width in pixels.
  var LARGEST = 30, LEAST = 5, FINGER = 24;
  // Without a word from the server for so long, the numbers are old.
  var OLD = 45000;

  var sites = {}, order = [], ground = null, view = "sites", chosen = null, heardAt = Date.now();

  function element(name, attributes, text) {
    var made = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.keys(attributes).forEach(function (key) { made.setAttribute(key, attributes[key]); });
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function colour(name) {
    var probe = document.createElement("span");
    probe.style.color = "var(--" + name + ")";
    document.body.appendChild(probe);
    var found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  function say(words) {
    problem.textContent = words;
    problem.hidden = !words;
  }

  function measureOf(site) { return site.properties.measures[choice.value]; }

  function load(address, prepare) {
    return new Promise(function (resolve, reject) {
      var script = document.createElement("script");
      if (prepare) prepare(script);
      script.src = address;
      script.onload = resolve;
      script.onerror = function () { reject(new Error("does not load")); };
      document.head.appendChild(script);
    });
  }

  // ---- marks ----

  var SIGNS = { below: "\u2212", as_expected: "", above: "+", unknown: "?" };
  var INKS = { below: "busy", as_expected: "accent", above: "good", unknown: "faint" };

  // What one site looks like: a mark for each that has a place, the largest first, so that none is hidden below another.
  function marks() {
    var inks = { sheet: colour("sheet"), ink: colour("ink"), bad: colour("bad") };
    Object.keys(INKS).forEach(function (standing) { inks[standing] = colour(INKS[standing]); });
    var placed = order.map(function (id) { return sites[id]; }).filter(function (site) { return site.geometry && measureOf(site); });
    var most = Math.max.apply(null, placed.map(function (site) { return measureOf(site).value; }).concat(0));
    return placed.map(function (site) {
      var measure = measureOf(site), value = Math.max(measure.value, 0);
      return {
        id: site.id, longitude: site.geometry.coordinates[0], latitude: site.geometry.coordinates[1], value: value,
        name: site.properties.name, title: title(site, measure), standing: measure.standing, inks: inks,
        silent: site.properties.state === "silent",
        radius: Math.max(LEAST, most > 0 ? LARGEST * Math.sqrt(value / most) : LEAST)
      };
    }).sort(function (one, other) { return other.radius - one.radius; });
  }

  function title(site, measure) {
    return site.properties.name + ": " + measure.text + ", " + measure.standing_text + "; " + site.properties.state_text;
  }

  function shape(mark, x, y) {
    var group = element("g", {}), r = mark.radius, ink = mark.inks[mark.standing];
    var look = { fill: ink, "fill-opacity": "0.55", stroke: mark.silent ? mark.inks.bad : ink, "stroke-width": mark.silent ? "3" : "1.5" };
    if (mark.silent) {
      // As large as the circle would be.
      var half = r * Math.sqrt(Math.PI / 2);
      look.d = "M" + x + " " + (y - half) + "L" + (x + half) + " " + y + "L" + x + " " + (y + half) + "L" + (x - half) + " " + y + "Z";
      look["stroke-dasharray"] = "5 3";
      group.appendChild(element("path", look));
    } else {
      look.cx = x;
      look.cy = y;
      look.r = r;
      group.appendChild(element("circle", look));
    }
    if (SIGNS[mark.standing]) {
      group.appendChild(element("text", { x: x, y: y + 5, "text-anchor": "middle", "font-size": "15", "font-weight": "700", fill: mark.inks.ink }, SIGNS[mark.standing]));
    }
    return group;
  }

  function symbol(mark) {
    var side = Math.max(FINGER, Math.ceil(mark.radius * 2.7));
    var svg = element("svg", { xmlns: "http://www.w3.org/2000/svg", width: side, height: side, viewBox: "0 0 " + side + " " + side, "class": "mark", "data-mark": mark.id, "data-standing": mark.standing, role: "img", "aria-label": mark.title });
    if (mark.silent) svg.setAttribute("data-silent", "");
    svg.appendChild(element("title", {}, mark.title));
    svg.appendChild(shape(mark, side / 2, side / 2));
    return { svg: svg, side: side };
  }

  // ---- grounds ----

  function fresh() {
    place.textContent = "";
    place.hidden = false;
    var div = document.createElement("div");
    div.className = "map-ground";
    place.appendChild(div);
    return div;
  }

  function googleGround() {
    if (!told.google) return Promise.reject(new Error(""));
    return new Promise(function (resolve, reject) {
      // What comes after it was given up does not take the place of what is there then.
      var isOver = false;
      function give(why) {
        isOver = true;
        clearTimeout(timer);
        reject(why);
      }
      var timer = setTimeout(function () { give(new Error("Google\u2019s map did not come within three seconds.")); }, PATIENCE);
      // Google says so, soon or late, when it does not take the key.
      window.gm_authFailure = function () {
        var error = new Error("Google refuses the key, or this address with it.");
        give(error);
        if (ground && ground.name === "google") fall(error, [leafletGround, gridGround]);
      };
      window.mapIsThere = function () {
        if (isOver) return;
        clearTimeout(timer);
        try { resolve(overGoogle()); } catch (error) { give(new Error("Google\u2019s map does not work here.")); }
      };
      load(told.google + "&callback=mapIsThere").catch(function () { give(new Error("Google\u2019s map cannot be reached.")); });
    });
  }

  function overGoogle() {
    var maps = window.google.maps, here = {}, overlay = null, fitted = false;
    var options = { center: { lat: 0, lng: 37 }, zoom: 6, streetViewControl: false, mapTypeControl: false, clickableIcons: false };
    if (told.mapId) options.mapId = told.mapId;
    var map = new maps.Map(fresh(), options);
    var advanced = told.mapId && maps.marker && maps.marker.AdvancedMarkerElement;

    function put(mark) {
      var drawn = symbol(mark), position = { lat: mark.latitude, lng: mark.longitude }, marker = here[mark.id];
      var half = drawn.side / 2;
      var icon = advanced ? null : {
        url: "data:image/svg+xml;charset=utf-8," + encodeURIComponent(new XMLSerializer().serializeToString(drawn.svg)),
        anchor: new maps.Point(half, half)
      };
      if (!marker) {
        marker = advanced ? new maps.marker.AdvancedMarkerElement({ position: position, content: drawn.svg }) : new maps.Marker({ position: position, icon: icon });
        marker.addListener(advanced ? "gmp-click" : "click", function () { show(mark.id); });
        here[mark.id] = marker;
      } else if (advanced) {
        marker.content = drawn.svg;
      } else {
        marker.setIcon(icon);
      }
      if (advanced) {
        marker.title = mark.title;
        marker.map = view === "sites" ? map : null;
      } else {
        marker.setTitle(mark.title);
        marker.setMap(view === "sites" ? map : null);
      }
    }

    function heat(all) {
      if (view === "sites" || !window.deck) {
        if (overlay) overlay.setProps({ layers: [] });
        return;
      }
      if (!overlay) {
        overlay = new window.deck.GoogleMapsOverlay({ interleaved: false, layers: [], onError: function () { noHeat(); } });
        overlay.setMap(map);
      }
      var common = { id: view, data: all, getPosition: function (mark) { return [mark.longitude, mark.latitude]; } };
      var weight = function (mark) { return mark.value; };
      overlay.setProps({ layers: [view === "heat"
        ? new window.deck.HeatmapLayer(Object.assign(common, { getWeight: weight, radiusPixels: 60, aggregation: "SUM" }))
        : new window.deck.HexagonLayer(Object.assign(common, { getColorWeight: weight, getElevationWeight: weight, colorAggregation: "SUM", elevationAggregation: "SUM", radius: reach(all), extruded: false, opacity: 0.6, gpuAggregation: false }))] });
    }

    // Metres: thirty hexagons from one end of the sites to the other.
    function reach(all) {
      var of = function (name) {
        var values = all.map(function (mark) { return mark[name]; });
        return Math.max.apply(null, values) - Math.min.apply(null, values);
      };
      return Math.max(200, Math.max(of("latitude"), of("longitude")) * 111000 / 60);
    }

    views.hidden = !canDraw();
    return {
      name: "google",
      draw: function (all) {
        if (!fitted && all.length) {
          var bounds = new maps.LatLngBounds();
          all.forEach(function (mark) { bounds.extend({ lat: mark.latitude, lng: mark.longitude }); });
          map.fitBounds(bounds, 48);
          // One place has no extent: as near as it would be, nothing is seen around it.
          if (all.length === 1) map.setZoom(14);
          fitted = true;
        }
        all.forEach(put);
        heat(all);
      },
      stop: function () {
        views.hidden = true;
        view = "sites";
        if (overlay) overlay.finalize();
      }
    };
  }

  // deck.gl draws with WebGL 2.
  function canDraw() {
    try { return !!document.createElement("canvas").getContext("webgl2"); } catch (error) { return false; }
  }

  function noHeat() {
    say("This browser cannot draw heat; the sites are shown.");
    look("sites");
  }

  function leafletGround() {
    var unable = new Error("The map\u2019s own script did not load.");
    return load(told.leaflet).catch(function () { throw unable; }).then(function () {
      var L = window.L, here = {}, fitted = false;
      if (!L) throw unable;
      var map = L.map(fresh(), { center: [0, 37], zoom: 6, attributionControl: !!told.tiles, zoomSnap: 0.5 });
      L.control.scale({ imperial: false }).addTo(map);
      if (told.tiles) {
        map.attributionControl.setPrefix(false);
        var credit = document.createElement("span");
        credit.textContent = told.credit;
        L.tileLayer(told.tiles, { maxZoom: 19, attribution: credit.innerHTML }).addTo(map);
      }
      return {
        name: "leaflet",
        draw: function (all) {
          if (!fitted && all.length) {
            map.fitBounds(all.map(function (mark) { return [mark.latitude, mark.longitude]; }), { padding: [48, 48], maxZoom: 14 });
            fitted = true;
          }
          all.forEach(function (mark) {
            var drawn = symbol(mark), half = drawn.side / 2;
            var icon = L.divIcon({ html: drawn.svg, className: "map-mark-place", iconSize: [drawn.side, drawn.side], iconAnchor: [half, half] });
            if (here[mark.id]) {
              here[mark.id].setIcon(icon);
              here[mark.id].setLatLng([mark.latitude, mark.longitude]);
            } else {
              // The keyboard has the table.
              here[mark.id] = L.marker([mark.latitude, mark.longitude], { icon: icon, keyboard: false, zIndexOffset: Math.round(1000 - mark.radius * 10) }).addTo(map);
              here[mark.id].on("click", function () { show(mark.id); });
            }
          });
        },
        stop: function () { map.remove(); }
      };
    });
  }

  function gridGround() {
    var WIDTH = 800, HEIGHT = 420, EDGE = 60;
    place.hidden = false;
    return Promise.resolve({
      name: "grid",
      draw: function (all) {
        var svg = element("svg", { viewBox: "0 0 " + WIDTH + " " + HEIGHT, "data-grid": "" });
        for (var x = 0; x <= WIDTH; x += 80) svg.appendChild(element("line", { x1: x, x2: x, y1: 0, y2: HEIGHT, "class": "grid-line" }));
        for (var y = 20; y <= HEIGHT; y += 80) svg.appendChild(element("line", { x1: 0, x2: WIDTH, y1: y, y2: y, "class": "grid-line" }));
        var at = flat(all, WIDTH, HEIGHT, EDGE);
        all.forEach(function (mark) {
          var point = at(mark), group = shape(mark, point[0], point[1]);
          group.setAttribute("data-mark", mark.id);
          group.setAttribute("data-standing", mark.standing);
          if (mark.silent) group.setAttribute("data-silent", "");
          group.setAttribute("class", "mark");
          group.appendChild(element("title", {}, mark.title));
          group.appendChild(element("text", { x: point[0], y: point[1] + mark.radius * 1.25 + 14, "text-anchor": "middle", "class": "grid-name" }, mark.name + (mark.silent ? " (silent)" : "")));
          group.addEventListener("click", function () { show(mark.id); });
          svg.appendChild(group);
        });
        place.textContent = "";
        place.appendChild(svg);
      },
      stop: function () { place.textContent = ""; }
    });
  }

  // Degrees as places of a flat picture: true enough within a country, and north is up.
  function flat(all, width, height, edge) {
    var least = function (values) { return Math.min.apply(null, values); }, most = function (values) { return Math.max.apply(null, values); };
    var ys = all.map(function (mark) { return mark.latitude; });
    var narrow = Math.cos((least(ys) + most(ys)) / 2 * Math.PI / 180);
    var xs = all.map(function (mark) { return mark.longitude * narrow; });
    var scale = least([(width - 2 * edge) / (most(xs) - least(xs) || 0.01), (height - 2 * edge) / (most(ys) - least(ys) || 0.01)]);
    var middle = [(least(xs) + most(xs)) / 2, (least(ys) + most(ys)) / 2];
    return function (mark) {
      return [Math.round(width / 2 + (mark.longitude * narrow - middle[0]) * scale), Math.round(height / 2 - (mark.latitude - middle[1]) * scale)];
    };
  }

  // Takes the first ground that comes. Why another did not is said; that nothing was asked of Google is no failure, and has no words.
  function fall(error, grounds) {
    if (error && error.message) say(error.message + " The map is drawn without it.");
    if (ground) ground.stop();
    ground = null;
    var next = grounds[0];
    if (!next) return Promise.resolve();
    return next().then(function (made) {
      ground = made;
      place.setAttribute("data-ground", made.name);
      draw();
    }, function (why) { return fall(why, grounds.slice(1)); });
  }

  // ---- what is told ----

  function draw() {
    if (!ground) return;
    ground.draw(marks());
    if (chosen) show(chosen);
  }

  function show(id) {
    var site = sites[id];
    if (!site) return;
    chosen = id;
    shown.hidden = false;
    shown.textContent = "";
    var head = document.createElement("h2"), list = document.createElement("ul");
    head.textContent = site.properties.name + " \u2013 " + site.properties.state_text + (site.properties.alerts ? ", alerts: " + site.properties.alerts : "");
    Array.prototype.forEach.call(choice.options, function (option) {
      var measure = site.properties.measures[option.value];
      if (measure) add(option.textContent + ": " + measure.text + ", " + measure.standing_text + (measure.expected_text ? " (expected " + measure.expected_text + ")" : ""));
    });
    site.properties.routers.forEach(function (router) {
      add(router.name + ": " + router.online + " online, " + (router.is_silent ? "silent" : "heard of"));
    });
    shown.appendChild(head);
    shown.appendChild(list);

    function add(words) {
      var item = document.createElement("li");
      item.textContent = words;
      list.appendChild(item);
    }
  }

  // The table has the same numbers, as the server wrote them.
  function write(site) {
    var row = document.querySelector("tr[data-site='" + site.id + "']");
    if (!row) return;
    Object.keys(site.properties.measures).forEach(function (name) {
      var cell = row.querySelector("[data-measure='" + name + "']"), measure = site.properties.measures[name];
      if (!cell) return;
      cell.querySelector("span").textContent = measure.text;
      var small = cell.querySelector("small");
      small.textContent = measure.standing_text + (measure.standing === "unknown" ? "" : ": " + measure.expected_text);
      small.className = "wide " + ({ below: "busy", above: "good" }[measure.standing] || "plain");
    });
    var routers = row.querySelector("[data-routers]");
    routers.textContent = site.properties.state_text;
    routers.className = "state " + { heard: "good", silent: "bad", missing: "plain" }[site.properties.state];
    row.querySelector("[data-alerts]").textContent = site.properties.alerts;
  }

  function take(collection) {
    heardAt = Date.now();
    line.textContent = "";
    document.getElementById("map-as-of").textContent = collection.as_of_text;
    place.setAttribute("data-as-of", collection.as_of);
    collection.features.forEach(function (site) {
      if (!sites[site.id]) order.push(site.id);
      sites[site.id] = site;
      write(site);
    });
    if (collection.features.length) draw();
  }

  function look(name) {
    view = name;
    document.getElementById("map-key").hidden = name !== "sites";
    Array.prototype.forEach.call(views.querySelectorAll("button"), function (button) {
      button.setAttribute("aria-pressed", String(button.dataset.view === name));
    });
    draw();
  }

  views.addEventListener("click", function (event) {
    var name = event.target.dataset.view;
    if (!name) return;
    say("");
    // Two megabytes, for whoever asks for them.
    if (name === "sites" || window.deck) look(name);
    else load(told.deck).then(function () { look(name); }, noHeat);
  });
  choice.addEventListener("change", draw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  fetch(told.sites, { credentials: "same-origin" })
    .then(function (answer) { if (!answer.ok) throw new Error(answer.status); return answer.json(); })
    .then(function (collection) {
      document.getElementById("map-tools").hidden = false;
      document.getElementById("map-key").hidden = false;
      take(collection);
      return fall(null, [googleGround, leafletGround, gridGround]);
    })
    .then(function () {
      if (!window.EventSource) return;
      var source = new EventSource(told.live);
      source.onmessage = function (event) { take(JSON.parse(event.data)); };
      window.addEventListener("pagehide", function () { source.close(); });
      setInterval(function () {
        if (Date.now() - heardAt > OLD) line.textContent = "Nothing was heard since: the line to the server is cut, or you were signed out.";
      }, 5000);
    })
    // The table stands below it all the same.
    .catch(function () { say("The map cannot be drawn just now; the table is as it was when the page was read."); });
})();
