//! Results on stdout: a table for people, JSON for programs. Remarks go to stderr.
use std::io::{self, Write};

use comfy_table::{Cell, Table, presets};
use serde::Serialize;

use crate::error::{Error, Result};

/// Where results go, and in which form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a program reads this.
    pub(super) fn is_json(self) -> bool {
        self.json
    }

    /// A list: an array in JSON, else a [`table`].
    pub(super) fn list<T: Serialize, const N: usize>(
        self,
        items: &[T],
        header: [&str; N],
        row: impl Fn(&T) -> [String; N],
        nothing: &str,
    ) -> Result<()> {
        if self.json { json(&items) } else { table(items, header, row, nothing) }
    }

    /// One thing: an object in JSON, else its [`fields`].
    pub(super) fn show<T: Serialize>(self, item: &T, members: &[(&str, String)]) -> Result<()> {
        if self.json { json(item) } else { fields(members) }
    }

    /// A new thing: an object in JSON, else its bare id, for scripts to keep, and a sentence on stderr.
    pub(super) fn created<T: Serialize>(self, item: &T, id: &str, sentence: &str) -> Result<()> {
        if self.json {
            return json(item);
        }
        note(sentence);
        print(&clean(id))
    }

    /// A change that leaves nothing to show: `{"id":..}` in JSON, else a sentence on stderr.
    pub(super) fn done(self, id: &str, sentence: &str) -> Result<()> {
        if self.json {
            return json(&serde_json::json!({ "id": id }));
        }
        note(sentence);
        Ok(())
    }
}

/// One row per item; `nothing` is said instead of an empty table.
pub(super) fn table<T, const N: usize>(
    items: &[T],
    header: [&str; N],
    row: impl Fn(&T) -> [String; N],
    nothing: &str,
) -> Result<()> {
    if items.is_empty() {
        note(nothing);
        return Ok(());
    }
    let mut table = blank();
    table.set_header(header);
    for item in items {
        table.add_row(row(item).each_ref().map(|text| cell(text)));
    }
    show(table)
}

/// One line per member that has a value.
pub(super) fn fields(members: &[(&str, String)]) -> Result<()> {
    let mut table = blank();
    for (name, value) in members.iter().filter(|(_, value)| !value.is_empty()) {
        table.add_row([cell(name), cell(value)]);
    }
    show(table)
}

/// A JSON value, indented.
pub(super) fn json<T: Serialize>(value: &T) -> Result<()> {
    print(&serde_json::to_string_pretty(value).map_err(Error::internal)?)
}

/// A remark for people, on stderr.
pub(super) fn note(text: &str) {
    eprintln!("{}", clean(text));
}

fn blank() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

/// Columns start at the margin and stand two spaces apart.
fn show(mut table: Table) -> Result<()> {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    print(&table.trim_fmt())
}

fn cell(text: &str) -> Cell {
    Cell::new(clean(text))
}

/// Text from elsewhere must not steer the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

pub(super) fn print(text: &str) -> Result<()> {
    match writeln!(io::stdout().lock(), "{text}") {
        // The reader has seen enough, as in `| head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(Error::internal),
    }
}
