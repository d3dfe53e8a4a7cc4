//! One Rust file as the checkers need it: its head, the paths it names with `use` undone, its strings, its
//! lint attributes. It walks tokens and not the syntax tree, because the tree ends at a macro's door and half
//! of our code (queries, selects, formats) stands inside macros. Comments are no tokens, so they never count.

use std::collections::{HashMap, HashSet};

use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::{Ident, Lit, Token, braced, bracketed, parenthesized, token};

/// What a file says.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// The text of its `//!` lines.
    pub(crate) head: String,
    /// Whether the first line is one of them.
    pub(crate) opens_with_head: bool,
    /// Every path that it names, spelled from its crate: `Instant::now` after `use std::time::Instant`
    /// is `std::time::Instant::now`. The paths of `use` themselves are among them.
    pub(crate) paths: Vec<Found>,
    /// Its string literals, doc comments and attributes left out.
    pub(crate) strings: Vec<Found>,
    /// `allow` and `expect` attributes, the inner ones and those behind `cfg_attr` too.
    pub(crate) lint_exceptions: Vec<LintException>,
}

/// Something found, and its line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) what: String,
    pub(crate) line: usize,
}

/// One exception to the lints.
#[derive(Debug)]
pub(crate) struct LintException {
    pub(crate) is_expect: bool,
    pub(crate) has_reason: bool,
    pub(crate) line: usize,
}

impl Source {
    /// Reads a file.
    pub(crate) fn read(text: &str) -> syn::Result<Source> {
        let tokens: Tokens = syn::parse_str(text.strip_prefix('\u{feff}').unwrap_or(text))?;
        let lines = Lines::of(text);
        let resolve = |path: &Path| match tokens.aliases.get(&path.segments[0]) {
            Some(full) if !path.from_root => [full.as_slice(), &path.segments[1..]].concat(),
            _ => path.segments.clone(),
        };
        // A module declared here hides a crate of the same name.
        let is_local = |path: &Path| !path.from_root && tokens.modules.contains(&path.segments[0]);
        let used = tokens.used.iter().filter(|path| !is_local(path)).map(|path| (path.segments.clone(), path));
        let named = tokens.named.iter().filter(|path| !is_local(path)).map(|path| (resolve(path), path));
        let paths = used
            .chain(named)
            .map(|(full, path)| Found { what: full.join("::"), line: lines.of_path(&path.segments) })
            .collect();
        Ok(Source {
            opens_with_head: text.lines().next().is_some_and(|line| line.starts_with("//!")),
            paths,
            strings: tokens
                .strings
                .into_iter()
                .map(|what| Found {
                    line: lines.of_text(what.lines().find(|line| !line.trim().is_empty()).unwrap_or("")),
                    what,
                })
                .collect(),
            lint_exceptions: tokens
                .lint_exceptions
                .into_iter()
                .map(|(name, has_reason)| LintException {
                    is_expect: name == "expect",
                    has_reason,
                    line: lines.of_text(&format!("{name}(")),
                })
                .collect(),
            head: tokens.head,
        })
    }
}

/// Finds the line of something that a token named. Tokens carry no positions here, so it is the first line of
/// code that has the same text: exact where it matters, a neighbour at worst.
struct Lines<'a>(Vec<&'a str>);

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Lines<'a> {
        Lines(text.lines().collect())
    }

    fn of_text(&self, part: &str) -> usize {
        let code = |line: &&str| !line.trim_start().starts_with("//") && line.contains(part.trim());
        self.0.iter().position(code).map_or(1, |at| at + 1)
    }

    fn of_path(&self, segments: &[String]) -> usize {
        let whole = segments.join("::");
        if self.0.iter().any(|line| line.contains(&whole)) {
            return self.of_text(&whole);
        }
        self.of_text(segments.last().map_or("", String::as_str))
    }
}

#[derive(Debug)]
struct Path {
    segments: Vec<String>,
    /// Written with a leading `::`: certainly a crate.
    from_root: bool,
}

#[derive(Default)]
struct Tokens {
    head: String,
    modules: HashSet<String>,
    aliases: HashMap<String, Vec<String>>,
    used: Vec<Path>,
    named: Vec<Path>,
    strings: Vec<String>,
    lint_exceptions: Vec<(String, bool)>,
}

impl Parse for Tokens {
    fn parse(input: ParseStream<'_>) -> syn::Result<Tokens> {
        let mut tokens = Tokens::default();
        tokens.walk(input)?;
        Ok(tokens)
    }
}

impl Tokens {
    fn walk(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        while !input.is_empty() {
            if input.peek(Token![#]) {
                self.attribute(input)?;
            } else if input.peek(Token![use])
                && (input.peek2(Ident::peek_any) || input.peek2(Token![::]) || input.peek2(token::Brace))
            {
                input.parse::<Token![use]>()?;
                let from_root = input.parse::<Option<Token![::]>>()?.is_some();
                self.use_tree(input, &mut Vec::new(), from_root)?;
            } else if input.peek(Token![mod]) && input.peek2(Ident) {
                input.parse::<Token![mod]>()?;
                self.modules.insert(input.parse::<Ident>()?.to_string());
            } else if input.peek(Token![::]) && input.peek3(Ident::peek_any) {
                input.parse::<Token![::]>()?;
                self.path(input, true)?;
            } else if input.peek(Lit) {
                if let Lit::Str(text) = input.parse::<Lit>()? {
                    self.strings.push(text.value());
                }
            } else if input.peek(Ident::peek_any) {
                self.path(input, false)?;
            } else if !self.group(input)? {
                skip_one(input)?;
            }
        }
        Ok(())
    }

    /// Walks into a pair of brackets of any kind; `false` if the next token is none.
    fn group(&mut self, input: ParseStream<'_>) -> syn::Result<bool> {
        let content;
        if input.peek(token::Paren) {
            parenthesized!(content in input);
        } else if input.peek(token::Brace) {
            braced!(content in input);
        } else if input.peek(token::Bracket) {
            bracketed!(content in input);
        } else {
            return Ok(false);
        }
        self.walk(&content)?;
        Ok(true)
    }

    /// An attribute: a head's line, a lint exception, or nothing to us. A lone `#` (in a macro) is passed over.
    fn attribute(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        input.parse::<Token![#]>()?;
        let inner = input.parse::<Option<Token![!]>>()?.is_some();
        if !input.peek(token::Bracket) {
            return Ok(());
        }
        let content;
        bracketed!(content in input);
        if content.peek(Ident::peek_any) && content.fork().call(Ident::parse_any)? == "doc" {
            content.call(Ident::parse_any)?;
            let is_line = inner && content.parse::<Option<Token![=]>>()?.is_some() && content.peek(Lit);
            if is_line && let Lit::Str(line) = content.parse::<Lit>()? {
                self.head.push_str(line.value().trim());
                self.head.push('\n');
            }
            while !content.is_empty() {
                skip_one(&content)?;
            }
            return Ok(());
        }
        self.lints(&content)
    }

    /// Looks for `allow(…)` and `expect(…)` inside an attribute, however deep.
    fn lints(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        while !input.is_empty() {
            if input.peek(Ident::peek_any) && input.peek2(token::Paren) {
                let name = input.call(Ident::parse_any)?.to_string();
                let content;
                parenthesized!(content in input);
                if name == "allow" || name == "expect" {
                    let mut has_reason = false;
                    while !content.is_empty() {
                        has_reason |=
                            content.peek(Ident::peek_any) && content.fork().call(Ident::parse_any)? == "reason";
                        skip_one(&content)?;
                    }
                    self.lint_exceptions.push((name, has_reason));
                } else {
                    self.lints(&content)?;
                }
            } else {
                skip_one(input)?;
            }
        }
        Ok(())
    }

    /// `a::b::<C>::d`, up to where the path ends. A single word is no path.
    fn path(&mut self, input: ParseStream<'_>, from_root: bool) -> syn::Result<()> {
        let mut segments = vec![input.call(Ident::parse_any)?.unraw().to_string()];
        while input.peek(Token![::]) && input.peek3(Ident::peek_any) {
            input.parse::<Token![::]>()?;
            segments.push(input.call(Ident::parse_any)?.unraw().to_string());
        }
        if segments.len() > 1 || from_root {
            self.named.push(Path { segments, from_root });
        }
        Ok(())
    }

    fn use_tree(&mut self, input: ParseStream<'_>, prefix: &mut Vec<String>, from_root: bool) -> syn::Result<()> {
        if input.peek(token::Brace) {
            let content;
            braced!(content in input);
            while !content.is_empty() {
                if content.parse::<Option<Token![,]>>()?.is_none() {
                    let before = content.cursor();
                    self.use_tree(&content, &mut prefix.clone(), from_root)?;
                    if content.cursor() == before {
                        skip_one(&content)?;
                    }
                }
            }
            return Ok(());
        }
        if input.parse::<Option<Token![*]>>()?.is_some() {
            self.used.push(Path { segments: prefix.clone(), from_root });
            return Ok(());
        }
        if !input.peek(Ident::peek_any) {
            // Only a macro's pattern has something else here, such as `use a::$name`.
            return Ok(());
        }
        let segment = input.call(Ident::parse_any)?.unraw().to_string();
        if segment != "self" || prefix.is_empty() {
            prefix.push(segment);
        }
        if input.parse::<Option<Token![::]>>()?.is_some() {
            return self.use_tree(input, prefix, from_root);
        }
        let alias = if input.parse::<Option<Token![as]>>()?.is_some() {
            if input.parse::<Option<Token![_]>>()?.is_some() { None } else { Some(input.parse::<Ident>()?.to_string()) }
        } else {
            prefix.last().cloned()
        };
        if let Some(alias) = alias {
            self.aliases.insert(alias, prefix.clone());
        }
        self.used.push(Path { segments: prefix.clone(), from_root });
        Ok(())
    }
}

fn skip_one(input: ParseStream<'_>) -> syn::Result<()> {
    input.step(|cursor| match cursor.token_tree() {
        Some((_, rest)) => Ok(((), rest)),
        None => Err(cursor.error("the file ends too early")),
    })
}

#[cfg(test)]
mod tests {
    use super::Source;

    fn paths(text: &str) -> Vec<String> {
        Source::read(text).expect("Rust").paths.into_iter().map(|found| found.what).collect()
    }

    #[test]
    fn uses_are_undone() {
        let found = paths("use std::time::{self, Instant as Now}; fn f() { Now::now(); time::sleep() }");
        assert_eq!(found, ["std::time", "std::time::Instant", "std::time::Instant::now", "std::time::sleep"]);
    }

    #[test]
    fn macros_are_looked_into() {
        assert_eq!(paths("macro_rules! m { ($x:ident) => { use a::$x; Token![use] } }"), [""; 0]);
        assert_eq!(paths("fn f() { select! { x = a::b(), else => c![d::e; 3] } }"), ["a::b", "d::e"]);
    }

    #[test]
    fn a_declared_module_hides_a_crate_of_that_name() {
        assert_eq!(paths("mod redis; use redis::Key; fn f() { redis::g(); ::redis::h() }"), ["redis::h"]);
    }

    #[test]
    fn comments_and_documentation_are_no_code() {
        let source = Source::read("//! Head of `a::b`.\n\n/// \"SELECT 1\"\n// sqlx::query\nfn f() { g(\"text\") }")
            .expect("Rust");
        assert_eq!(source.head, "Head of `a::b`.\n");
        assert!(source.paths.is_empty());
        assert_eq!(source.strings.len(), 1);
        assert_eq!((source.strings[0].what.as_str(), source.strings[0].line), ("text", 5));
    }

    #[test]
    fn lint_exceptions_are_found_at_every_depth() {
        let text = "#![expect(a, reason = \"r\")]\n#[cfg_attr(test, allow(b))]\nfn f() { #[expect(c)] let x = 1; }";
        let found = Source::read(text).expect("Rust").lint_exceptions;
        assert_eq!(
            found.iter().map(|e| (e.is_expect, e.has_reason)).collect::<Vec<_>>(),
            [(true, true), (false, false), (true, false)]
        );
    }
}
