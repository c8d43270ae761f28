//! The rules: `docs/conformance-rows.toml`.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use crate::process;

/// Where they are, from the top of the repository.
const FILE: &str = "docs/conformance-rows.toml";

/// Rules that belong together.
pub struct Section {
    /// Its number.
    pub number: u8,
    /// Its title.
    pub title: String,
    /// Its rules.
    pub rows: Vec<Row>,
}

/// One rule.
pub struct Row {
    /// What tests name it by.
    pub id: String,
    /// `MUST`, `SHOULD`, `MAY` as its RFC has it, with a star as this project has it, or `fact`.
    pub level: String,
    /// The rule in a few words.
    pub rule: String,
    /// Why no test proves it.
    pub listed: Option<String>,
    /// What is left out although a test proves the rest.
    pub note: Option<String>,
}

impl Row {
    /// Whether the rule must hold.
    pub fn is_must(&self) -> bool {
        self.level.contains("MUST")
    }
}

/// Reads the rules.
///
/// # Errors
/// The file is missing or has another form.
pub fn read() -> Result<Vec<Section>> {
    let text = fs::read_to_string(process::top().join(FILE)).with_context(|| format!("reading {FILE}"))?;
    parse(&text).with_context(|| format!("parsing {FILE}"))
}

fn parse(text: &str) -> Result<Vec<Section>> {
    let table: toml::Table = text.parse()?;
    let sections = table.get("section").and_then(toml::Value::as_array).context("no [[section]]")?;
    sections.iter().map(section).collect()
}

fn section(value: &toml::Value) -> Result<Section> {
    let number = value.get("number").and_then(toml::Value::as_integer).context("a section has no number")?;
    let rows = value.get("rows").and_then(toml::Value::as_array);
    let rows = rows.with_context(|| format!("section {number} has no rows"))?;
    Ok(Section {
        number: u8::try_from(number).context("a section's number")?,
        title: word(value, "title").with_context(|| format!("section {number} has no title"))?,
        rows: rows.iter().map(row).collect::<Result<_>>()?,
    })
}

fn row(value: &toml::Value) -> Result<Row> {
    let id = word(value, "id").context("a row has no id")?;
    for key in value.as_table().context("a row is no table")?.keys() {
        let known = ["id", "level", "rule", "listed", "note"].contains(&key.as_str());
        ensure!(known, "{id}: nothing is called {key}");
    }
    let needed = |key: &str| word(value, key).with_context(|| format!("{id} has no {key}"));
    Ok(Row {
        level: needed("level")?,
        rule: needed("rule")?,
        listed: word(value, "listed"),
        note: word(value, "note"),
        id,
    })
}

fn word(value: &toml::Value, key: &str) -> Option<String> {
    value.get(key).and_then(toml::Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_its_words_and_no_others() {
        let text = |row: &str| format!("[[section]]\nnumber = 1\ntitle = 'One'\nrows = [\n{row},\n]\n");
        let read = |row: &str| parse(&text(row)).map(|mut sections| sections.remove(0).rows.remove(0));
        let row = read("{ id = 'U1', level = 'SHOULD*', rule = 'x', listed = 'why' }").expect("a row");
        assert_eq!((row.id.as_str(), row.listed.as_deref(), row.is_must()), ("U1", Some("why"), false));
        assert!(read("{ id = 'U1', level = 'SHOULD/MUST', rule = 'x' }").expect("a row").is_must());
        assert!(read("{ id = 'U1', rule = 'x' }").is_err());
        assert!(read("{ id = 'U1', level = 'MUST', rule = 'x', reason = 'y' }").is_err());
    }
}
