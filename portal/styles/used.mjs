// Drops from a sheet what no template names: node used.mjs SHEET TEMPLATE... prints what is left.
//
// Bootstrap's parts come whole, with sizes, states and elements that these pages have not. A template is read as what it
// is, tags with attributes, since taking every word of it (PurgeCSS' own way) keeps rules for the words of sentences.
// A class that a template puts together from data cannot be seen there and stands in MADE below.

import { readFileSync } from "node:fs";
import postcss from "postcss";
import { PurgeCSS } from "purgecss";

// `border-{{ tone }}` of customer/order.html, see Stage::tone in portal/src/pages/order.rs.
const MADE = ["border-info", "border-success", "border-warning", "border-danger"];

// Elements and states that Bootstrap thinks of and these pages have not: pickers of dates, files and colours, searching,
// lists within lists, fields that are off, choices that are wrong, headings without the class of their size; and a list
// as a card's own border, since our cards have their padding themselves.
const NEVER = [
  /^h[1-6]$/,
  /datetime-edit|date-and-time|spin-button|search-decoration|color-swatch|file-selector|moz-focus-inner/,
  /ul ul|a:not\(\[href\]\)|\.btn \.badge|fieldset:disabled/,
  /(form-control|list-group-item):disabled|form-check-input\.is-invalid|\.card>\.list-group/,
  /:active:focus-visible/,
];

// Exceptions that Bootstrap makes for parts of its own which these pages have not.
const NO_EXCEPTION = /:not\(\.(dropdown-menu|dropdown-toggle|form-floating|invalid-tooltip)\)(?=[:{]|$)/g;

const [sheet, ...templates] = process.argv.slice(2);
const [{ css }] = await new PurgeCSS().purge({
  css: [{ raw: without(readFileSync(sheet, "utf8"), NEVER) }],
  content: templates.map((file) => ({ raw: readFileSync(file, "utf8"), extension: "html" })),
  extractors: [{ extensions: ["html"], extractor: named }],
  safelist: MADE,
  variables: true,
  keyframes: true,
});
process.stdout.write(`${css.trim()}\n`);

// The sheet without the selectors that match one of `patterns`, and without blanks and notes that Sass leaves.
function without(css, patterns) {
  const sheet = postcss.parse(css);
  sheet.walkComments((comment) => { if (!comment.text.startsWith("!")) comment.remove(); });
  sheet.walkRules((rule) => {
    const left = rule.selectors.filter((selector) => !patterns.some((pattern) => pattern.test(selector)));
    if (left.length > 0) rule.selectors = left.map((selector) => selector.replace(NO_EXCEPTION, ""));
    else rule.remove();
  });
  sheet.walkDecls((declaration) => {
    declaration.raws.between = ":";
    if (declaration.important) declaration.raws.important = "!important";
    declaration.value = declaration.value.replace(/\/\*.*?\*\//g, "").replace(/, /g, ",").trim();
  });
  return sheet.toString();
}

// Tags, classes, ids and attributes of a template. What askama puts between braces is cut out first; the text between
// `{% if %}` and `{% endif %}` stays, so that `class="a{% if b %} c{% endif %}"` has both classes.
function named(template) {
  const found = { tags: new Set(), classes: new Set(), ids: new Set(), names: new Set(), values: new Set() };
  const html = template.replace(/\{([%{#]).*?[%}#]\}/gs, "");
  for (const [, tag, attributes] of html.matchAll(/<([a-z][a-z0-9]*)((?:\s+[a-z-]+(?:="[^"]*")?)*)/g)) {
    found.tags.add(tag);
    for (const [, name, value = ""] of attributes.matchAll(/([a-z-]+)(?:="([^"]*)")?/g)) {
      found.names.add(name);
      if (name === "class") for (const one of value.split(/\s+/)) found.classes.add(one);
      if (name === "id") found.ids.add(value);
      found.values.add(value);
    }
  }
  return {
    tags: [...found.tags],
    classes: [...found.classes],
    ids: [...found.ids],
    attributes: { names: [...found.names], values: [...found.values] },
    undetermined: [],
  };
}
