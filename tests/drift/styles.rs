//! The customers' sheet is made out of their templates by `portal/styles/build.sh`, with tools that no build needs. So
//! that nobody changes a class and forgets the sheet, every class that a template names must have a rule in it.

use crate::nothing_found;
use crate::tree;

const SHEET: &str = "portal/static/portal.css";
const LAYOUT: &str = "portal/templates/layout.html";
const PAGES: &str = "portal/templates/customer/";

/// Named for Bootstrap's readers; the browser's own look is theirs.
const WITHOUT_RULE: [&str; 1] = ["form-check-label"];

/// The template without what askama puts in: `class="a{% if b %} c{% endif %}"` has both classes.
pub(crate) fn without_code(template: &str) -> String {
    let mut rest = template;
    let mut html = String::new();
    while let Some(at) = ["{%", "{{", "{#"].iter().filter_map(|open| rest.find(open)).min() {
        html.push_str(&rest[..at]);
        let close = match &rest[at..at + 2] {
            "{%" => "%}",
            "{{" => "}}",
            _ => "#}",
        };
        rest = rest[at..].find(close).map_or("", |end| &rest[at + end + 2..]);
    }
    html + rest
}

/// The classes of a template. One that is put together from data (`border-{{ tone }}`) ends in a hyphen.
fn classes(html: &str) -> Vec<&str> {
    html.match_indices("class=\"")
        .flat_map(|(at, start)| html[at + start.len()..].split('"').next().unwrap_or_default().split_whitespace())
        .collect()
}

fn has_rule(sheet: &str, class: &str) -> bool {
    let name = format!(".{class}");
    let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    sheet.match_indices(&name).any(|(at, name)| class.ends_with('-') || !goes_on(&sheet[at + name.len()..]))
}

#[test]
fn every_class_of_the_customers_pages_has_a_rule() {
    let files = tree::text_files();
    let sheet = &files.iter().find(|file| file.path == SHEET).expect("the sheet is there").text;
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path == LAYOUT || file.path.starts_with(PAGES)) {
        for class in classes(&without_code(&file.text)) {
            if !WITHOUT_RULE.contains(&class) && !has_rule(sheet, class) {
                findings.push(format!("{}: no rule for .{class}", file.path));
            }
        }
    }
    nothing_found(&findings, "Run portal/styles/build.sh, or correct the class.");
}

#[test]
fn a_class_without_a_rule_is_found() {
    let html =
        without_code("<p class=\"a{% if b %} c{% endif %}\"><i class=\"tone-{{ tone }}\">{# class=\"no\" #}{{ x }}");
    assert_eq!(html, "<p class=\"a c\"><i class=\"tone-\">");
    assert_eq!(classes(&html), ["a", "c", "tone-"]);
    for (sheet, found) in [(".c{}", true), (".c:hover{}", true), (".card{}", false), (".b.c>p{}", true), ("c{}", false)]
    {
        assert_eq!(has_rule(sheet, "c"), found, "{sheet}");
    }
    assert!(has_rule(".tone-info{}", "tone-") && !has_rule(".ton{}", "tone-"));
}
