// Stands for Google's maps at the edge of the network: as much of their interface as the desk's map uses, over a grey ground in Mercator's
// projection. It notes what it was told in `google.maps.told`, and calls back as the real one does.
(function () {
  var own = document.currentScript.src, query = new URL(own).searchParams, told = { src: own, maps: [], markers: [] };
  function LatLng(lat, lng) { this.lat = function () { return lat; }; this.lng = function () { return lng; }; }
  function Point(x, y) { this.x = x; this.y = y; }
  function literal(place) { return typeof place.lat === "function" ? { lat: place.lat(), lng: place.lng() } : place; }
  function world(place) {
    var sine = Math.sin(place.lat * Math.PI / 180);
    return { x: 256 * (0.5 + place.lng / 360), y: 256 * (0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)) };
  }
  function degrees(point) {
    var n = Math.PI - 2 * Math.PI * point.y / 256;
    return new LatLng(180 / Math.PI * Math.atan(Math.sinh(n)), point.x / 256 * 360 - 180);
  }
  function LatLngBounds(low, high) { this.all = low && high ? [literal(low), literal(high)] : []; }
  LatLngBounds.prototype.extend = function (place) { this.all.push(literal(place)); return this; };
  LatLngBounds.prototype.edge = function (pick) {
    return new LatLng(pick.apply(null, this.all.map(function (p) { return p.lat; })), pick.apply(null, this.all.map(function (p) { return p.lng; })));
  };
  LatLngBounds.prototype.getNorthEast = function () { return this.edge(Math.max); };
  LatLngBounds.prototype.getSouthWest = function () { return this.edge(Math.min); };

  function Map(div, options) {
    this.options = options;
    this.center = literal(options.center);
    this.zoom = options.zoom;
    this.div = div;
    this.pane = document.createElement("div");
    this.pane.style.cssText = "position:relative;width:100%;height:100%;overflow:hidden;background:#dde3e0";
    div.appendChild(this.pane);
    this.layers = [];
    told.maps.push(options);
  }
  Map.prototype.getDiv = function () { return this.div; };
  Map.prototype.getZoom = function () { return this.zoom; };
  Map.prototype.getTilt = Map.prototype.getHeading = function () { return 0; };
  Map.prototype.getRenderingType = function () { return "RASTER"; };
  Map.prototype.addListener = function () { return { remove: function () {} }; };
  Map.prototype.setZoom = function (zoom) { this.zoom = zoom; this.again(); };
  Map.prototype.pixel = function (place) {
    var scale = Math.pow(2, this.zoom), at = world(literal(place)), middle = world(this.center);
    return new Point((at.x - middle.x) * scale + this.pane.offsetWidth / 2, (at.y - middle.y) * scale + this.pane.offsetHeight / 2);
  };
  Map.prototype.place = function (point) {
    var scale = Math.pow(2, this.zoom), middle = world(this.center);
    return degrees({ x: (point.x - this.pane.offsetWidth / 2) / scale + middle.x, y: (point.y - this.pane.offsetHeight / 2) / scale + middle.y });
  };
  Map.prototype.getBounds = function () {
    return new LatLngBounds(this.place(new Point(0, this.pane.offsetHeight)), this.place(new Point(this.pane.offsetWidth, 0)));
  };
  Map.prototype.fitBounds = function (bounds, padding) {
    var low = world(literal(bounds.getSouthWest())), high = world(literal(bounds.getNorthEast()));
    this.center = literal(degrees({ x: (low.x + high.x) / 2, y: (low.y + high.y) / 2 }));
    var wide = (this.pane.offsetWidth - 2 * padding) / Math.max(high.x - low.x, 1e-6), tall = (this.pane.offsetHeight - 2 * padding) / Math.max(low.y - high.y, 1e-6);
    this.zoom = Math.floor(Math.log2(Math.min(wide, tall)));
    this.again();
  };
  Map.prototype.again = function () { this.layers.forEach(function (layer) { layer.draw(); }); };

  // Markers: an element at a place.
  function put(marker, map, content, anchor) {
    if (marker.shown) marker.shown.remove();
    marker.shown = null;
    if (!map) return;
    var at = map.pixel(marker.position);
    marker.shown = document.createElement("div");
    marker.shown.className = "google-marker";
    marker.shown.style.cssText = "position:absolute;left:" + (at.x - anchor.x) + "px;top:" + (at.y - anchor.y) + "px";
    marker.shown.appendChild(content);
    marker.shown.addEventListener("click", function () { (marker.listeners || []).forEach(function (listener) { listener(); }); });
    map.pane.appendChild(marker.shown);
  }
  function listen(name, listener) { (this.listeners = this.listeners || []).push(listener); }
  function Marker(options) { this.position = literal(options.position); this.icon = options.icon; told.markers.push(this); }
  Marker.prototype.addListener = listen;
  Marker.prototype.setTitle = function (title) { this.title = title; };
  Marker.prototype.setIcon = function (icon) { this.icon = icon; };
  Marker.prototype.setMap = function (map) {
    var picture = document.createElement("img");
    picture.src = this.icon.url;
    picture.alt = this.title;
    put(this, map, picture, this.icon.anchor);
  };
  function Advanced(options) { this.position = literal(options.position); this.content = options.content; told.markers.push(this); }
  Advanced.prototype.addListener = listen;
  Object.defineProperty(Advanced.prototype, "map", {
    set: function (map) { put(this, map, this.content, new Point(this.content.getAttribute("width") / 2, this.content.getAttribute("height") / 2)); }
  });

  // What others draw over the map.
  function OverlayView() {}
  OverlayView.prototype.setMap = function (map) {
    var view = this;
    if (!map) { if (view.onRemove) view.onRemove(); return; }
    view.map = map;
    view.panes = { overlayLayer: map.pane, overlayMouseTarget: map.pane };
    map.layers.push(view);
    setTimeout(function () { view.onAdd(); view.draw(); });
  };
  OverlayView.prototype.getMap = function () { return this.map; };
  OverlayView.prototype.getPanes = function () { return this.panes; };
  OverlayView.prototype.getProjection = function () {
    var map = this.map, pixel = function (place) { return map.pixel(place); }, place = function (point) { return map.place(point); };
    return { fromLatLngToDivPixel: pixel, fromLatLngToContainerPixel: pixel, fromContainerPixelToLatLng: place, fromDivPixelToLatLng: place };
  };

  window.google = { maps: {
    told: told, Map: Map, LatLng: LatLng, LatLngBounds: LatLngBounds, Point: Point, Marker: Marker, OverlayView: OverlayView,
    RenderingType: { RASTER: "RASTER", VECTOR: "VECTOR", UNINITIALIZED: "UNINITIALIZED" },
    marker: query.get("libraries") === "marker" ? { AdvancedMarkerElement: Advanced } : undefined
  } };
  setTimeout(function () { window[query.get("callback")](); });
})();
