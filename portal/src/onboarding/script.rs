//! Writes a script step by step. Each step is a block of its own, so that one that fails does not keep the others from being done, and
//! its name is remembered for the report. An imported file is run line by line, so nothing but that memory goes from one to the next.

use super::Step;
use super::text::quote;

/// A script, and the commands in it that a router reads only when it comes to them.
#[derive(Clone, PartialEq, Eq)]
pub struct Script {
    /// The text.
    pub text: String,
    /// Commands that stand in it as strings, as [`Writer::deferred`] puts them there: for whoever checks scripts.
    pub deferred: Vec<String>,
}

/// What makes a [`Script`].
#[derive(Default)]
pub(super) struct Writer {
    text: String,
    deferred: Vec<String>,
}

impl Writer {
    /// A line.
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A step: what it does, and its lines.
    pub(super) fn step(&mut self, step: Step, lines: &[String]) {
        let word = step.word();
        self.line(&format!("# {}", step.comment()));
        self.line(":do {");
        for line in lines {
            self.line(&format!("  {line}"));
        }
        self.line(&format!(
            "}} on-error={{ :global mlangoFailed; :set mlangoFailed ($mlangoFailed . \"{word} \"); :put \"mlango: {word} was not done\" }}"
        ));
    }

    /// A command that a version of RouterOS may not know. Written as it is, it would keep its whole block from being read; as a string
    /// it fails where it stands.
    pub(super) fn deferred(&mut self, command: &str) -> String {
        format!("{}; $command", self.parsed(command))
    }

    /// The same, read and not yet run: `$command` runs it, and `[$command]` is what it returns.
    pub(super) fn parsed(&mut self, command: &str) -> String {
        self.deferred.push(command.to_owned());
        format!(":local command [:parse {}]", quote(command))
    }

    /// The same, and if it fails nobody minds.
    pub(super) fn attempted(&mut self, command: &str) -> String {
        format!(":do {{ {} }} on-error={{}}", self.deferred(command))
    }

    pub(super) fn finish(self) -> Script {
        Script { text: self.text, deferred: self.deferred }
    }
}

/// Changes the entry of a menu that `key` finds, or adds it. `key` is written as for both.
pub(super) fn upsert(menu: &str, key: &str, rest: &str) -> String {
    format!(
        ":if ([:len [{menu} find {key}]] = 0) do={{ {menu} add {key} {rest} }} else={{ {menu} set [find {key}] {rest} }}"
    )
}

/// Adds an entry, if `key` finds none.
pub(super) fn add_once(menu: &str, key: &str, rest: &str) -> String {
    format!(":if ([:len [{menu} find {key}]] = 0) do={{ {menu} add {key} {rest} }}")
}
