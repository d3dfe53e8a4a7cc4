//! Strings as RouterOS reads them, and a check that what was put together is one script and no more.
//!
//! RouterOS takes a string in double quotes; inside, a quote, a backslash, a dollar sign and a question mark mean something, and any
//! octet can be written as two hexadecimal digits after a backslash. Octets that are no printable ASCII are written so, which leaves
//! scripts free of them.

/// A string as RouterOS reads it.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for octet in text.bytes() {
        match octet {
            b'"' | b'\\' | b'$' | b'?' => quoted.extend(['\\', char::from(octet)]),
            b' '..=b'~' => quoted.push(char::from(octet)),
            _ => quoted.push_str(&format!("\\{octet:02X}")),
        }
    }
    quoted.push('"');
    quoted
}

/// Why a script is not given to a router; each with its line, from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// Something else than printable ASCII.
    #[error("line {0}: a character that is not printable ASCII")]
    Character(usize),
    /// A string that does not end on its line.
    #[error("line {0}: a string that does not end")]
    OpenString(usize),
    /// A backslash in a string before something that [`quote`] does not put there.
    #[error("line {0}: an escape that we do not write")]
    Escape(usize),
    /// A dollar sign in a string: it would be read as a variable or a command.
    #[error("line {0}: a string with something in it that would be evaluated")]
    Evaluated(usize),
    /// A bracket that is not closed, or closes another kind than was opened.
    #[error("line {0}: a bracket that does not fit")]
    Bracket(usize),
}

/// Checks strings and brackets. Whether the commands exist is for the tests to say: they hold scripts against RouterOS's own list.
///
/// # Errors
/// The first fault.
pub fn check(script: &str) -> Result<(), Fault> {
    let mut open: Vec<(char, usize)> = Vec::new();
    for (number, line) in (1..).zip(script.lines()) {
        if line.chars().any(|letter| !(' '..='~').contains(&letter)) {
            return Err(Fault::Character(number));
        }
        if !line.trim_start().starts_with('#') {
            check_line(line, number, &mut open)?;
        }
    }
    open.pop().map_or(Ok(()), |(_, number)| Err(Fault::Bracket(number)))
}

fn check_line(line: &str, number: usize, open: &mut Vec<(char, usize)>) -> Result<(), Fault> {
    let mut in_string = false;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (in_string, letter) {
            (_, '"') => in_string = !in_string,
            (true, '$') => return Err(Fault::Evaluated(number)),
            (true, '\\') if !is_escape(letters.next(), letters.clone().next()) => return Err(Fault::Escape(number)),
            (false, '(' | '[' | '{') => open.push((letter, number)),
            (false, ')' | ']' | '}') => match open.pop() {
                Some(('(', _)) if letter == ')' => {}
                Some(('[', _)) if letter == ']' => {}
                Some(('{', _)) if letter == '}' => {}
                _ => return Err(Fault::Bracket(number)),
            },
            _ => {}
        }
    }
    if in_string { Err(Fault::OpenString(number)) } else { Ok(()) }
}

/// Whether a backslash before these two letters is one that we write.
fn is_escape(first: Option<char>, second: Option<char>) -> bool {
    let is_digit = |letter: Option<char>| letter.is_some_and(|c| matches!(c, '0'..='9' | 'A'..='F'));
    matches!(first, Some('"' | '\\' | '$' | '?' | 'n')) || (is_digit(first) && is_digit(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_reaches_the_router_as_it_is() {
        for (text, quoted) in [
            ("abc-_9", r#""abc-_9""#),
            (r#"a"b\c$d?"#, r#""a\"b\\c\$d\?""#),
            ("é\n", r#""\C3\A9\0A""#),
            ("[:error x]; }", r#""[:error x]; }""#),
            ("", r#""""#),
            ("café ☕", r#""caf\C3\A9 \E2\98\95""#),
            ("\u{7f}\t", r#""\7F\09""#),
        ] {
            assert_eq!(quote(text), quoted, "{text:?}");
        }
    }

    #[test]
    fn whatever_is_quoted_holds_together() {
        for text in ["\"", "\\", "$x", "?", "é", "\n\r", "\\\"", "{[(", "$[/system reboot]", "a\\", "\\n"] {
            assert_eq!(check(&format!(":put {}", quote(text))), Ok(()), "{text:?}");
            // A command in a command.
            assert_eq!(check(&quote(&format!(":put {}", quote(text)))), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn what_does_not_hold_together_is_found_with_its_line() {
        for (script, fault) in [
            (":put \"a", Fault::OpenString(1)),
            ("\n:put \"a\"b\"", Fault::OpenString(2)),
            (":put \"$a\"", Fault::Evaluated(1)),
            (":put \"\\q\"", Fault::Escape(1)),
            (":put \"\\C\"", Fault::Escape(1)),
            (":do {\n:put [x)\n}", Fault::Bracket(2)),
            (":do {\n", Fault::Bracket(1)),
            ("}", Fault::Bracket(1)),
            ("# é", Fault::Character(1)),
            (":put \"\t\"", Fault::Character(1)),
        ] {
            assert_eq!(check(script), Err(fault), "{script}");
        }
        for good in ["# a { comment \"", ":put \"[{(\"", ":do { :put [x (1 + 2)] }", ":put \"\\nabc\""] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }
}
