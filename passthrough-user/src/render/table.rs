//! Columns of text, as wide as their widest cell.

use std::io::{self, Write};

use anstyle::Style;

use super::HEADING;

/// How a column stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A cell: text and how it looks.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell in a style.
    pub fn styled(style: Style, text: impl Into<String>) -> Cell {
        Cell { text: text.into(), style }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell::styled(Style::new(), text)
    }
}

/// A table with a heading row.
#[derive(Clone, Debug)]
pub struct Table {
    heads: Vec<(&'static str, Align)>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table.
    pub fn new(heads: &[(&'static str, Align)]) -> Table {
        Table { heads: heads.to_vec(), rows: Vec::new() }
    }

    /// Adds a row: a cell for each head.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Writes it, columns apart by two spaces, without spaces at the ends of lines.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let width = |column: usize| {
            let cells =
                self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count());
            cells.chain([self.heads[column].0.len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.heads.len()).map(width).collect();
        let heads: Vec<Cell> = self.heads.iter().map(|(head, _)| Cell::styled(HEADING, *head)).collect();
        for row in std::iter::once(&heads).chain(&self.rows) {
            let last = row.iter().rposition(|cell| !cell.text.is_empty()).unwrap_or(0);
            for (column, cell) in row.iter().take(last + 1).enumerate() {
                let gap = " ".repeat(widths[column] - cell.text.chars().count());
                let style = cell.style;
                let between = if column == 0 { "" } else { "  " };
                let text = &cell.text;
                match self.heads[column].1 {
                    Align::Left if column == last => write!(out, "{between}{style}{text}{style:#}")?,
                    Align::Left => write!(out, "{between}{style}{text}{style:#}{gap}")?,
                    Align::Right => write!(out, "{between}{gap}{style}{text}{style:#}")?,
                }
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_colours() {
        let mut table = Table::new(&[("name", Align::Left), ("count", Align::Right), ("note", Align::Left)]);
        table.row(vec!["a".into(), "12345678".into(), "x".into()]);
        table.row(vec![Cell::styled(super::super::GOOD, "longer"), "1".into(), "".into()]);
        let mut out = anstream::StripStream::new(Vec::new());
        table.write(&mut out).expect("memory");
        let text = String::from_utf8(out.into_inner()).expect("text");
        assert_eq!(text, "name       count  note\na       12345678  x\nlonger         1\n");
    }
}
