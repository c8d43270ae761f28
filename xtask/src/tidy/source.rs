//! A Rust source reduced to what the house rules look at: code without comments, strings and tests.

/// A source file.
pub struct Source {
    /// The text as it is.
    pub text: String,
    /// The same lines, with comments and the inside of strings blanked.
    everything: String,
    /// And with tests blanked too.
    code: String,
}

impl Source {
    /// Reduces the `text` of the file `name`; a `tests.rs` is all tests.
    pub fn new(name: &str, text: String) -> Self {
        let everything = blank(&text);
        let code = if name.ends_with("/tests.rs") { String::new() } else { without_tests(&everything) };
        Self { text, everything, code }
    }

    /// Lines that hold code: neither blank, nor comment, nor test.
    pub fn code_lines(&self) -> usize {
        self.code.lines().filter(|line| !line.trim().is_empty()).count()
    }

    /// Where `word` stands as a whole word, in tests too: line numbers from 1.
    pub fn lines_with(&self, word: &str) -> Vec<usize> {
        let hit = |line: &str| words(line).any(|found| found == word);
        self.everything.lines().zip(1..).filter(|(line, _)| hit(line)).map(|(_, number)| number).collect()
    }

    /// Which modules of the crate's top the code names by `crate::`: line number and module.
    pub fn crate_paths(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (at, start) in self.code.match_indices("crate::") {
            let line = self.code[..at].matches('\n').count() + 1;
            let rest = &self.code[at + start.len()..];
            let names = match rest.strip_prefix('{') {
                None => words(rest).take(1).collect(),
                Some(group) => first_words(group),
            };
            found.extend(names.into_iter().map(|name| (line, name.to_owned())));
        }
        found
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !is_word(letter)).filter(|word| !word.is_empty())
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The first word of each part of `a::x, b::{y, z}}`, up to the brace that closes the group.
fn first_words(group: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                found.extend(words(&group[start..at]).next());
                start = at + 1;
                if letter == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found
}

/// Blanks comments and the inside of strings and characters; lines stay where they are.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(letter) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if letter == '\'' {
            character(rest)
        } else if !is_word(before) || before == 'b' || before == 'c' {
            string(rest)
        } else {
            0
        };
        let taken = if skip == 0 { letter.len_utf8() } else { skip };
        let (part, after) = rest.split_at(taken);
        if skip == 0 {
            out.push(letter);
        } else {
            out.extend(part.chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }));
        }
        before = if skip == 0 { letter } else { ' ' };
        rest = after;
    }
    out
}

/// How long the block comment is that `text` starts with; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
        } else {
            at += 1;
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// How long the character literal is that `text` starts with; 0 if it is a lifetime.
fn character(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    match letters.next() {
        Some((_, '\\')) => {
            letters.next();
            letters.find(|(_, letter)| *letter == '\'').map_or(0, |(at, _)| at + 1)
        }
        Some(_) => letters.next().filter(|(_, letter)| *letter == '\'').map_or(0, |(at, _)| at + 1),
        None => 0,
    }
}

/// How long the string literal is that `text` starts with, raw or not; 0 if there is none.
fn string(text: &str) -> usize {
    let raw = text.strip_prefix('r').filter(|rest| rest.starts_with(['"', '#']));
    if let Some(raw) = raw {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if !raw[hashes..].starts_with('"') {
            return 0;
        }
        let end = format!("\"{}", "#".repeat(hashes));
        let body = &raw[hashes + 1..];
        return body.find(&end).map_or(text.len(), |at| 1 + hashes + 1 + at + end.len());
    }
    if !text.starts_with('"') {
        return 0;
    }
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => drop(letters.next()),
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Blanks `#[cfg(test)] mod name { .. }` in code that holds neither comments nor strings.
fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    let mut from = 0;
    while let Some(start) = out[from..].find("#[cfg(test)]").map(|at| at + from) {
        let body = &out[start..];
        let module = words(&body["#[cfg(test)]".len()..]).next() == Some("mod");
        let open = body.find('{').filter(|open| module && !body[..*open].contains(';'));
        let Some(open) = open else {
            from = start + 1;
            continue;
        };
        let mut depth = 0;
        let close = body[open..].char_indices().find(|(_, letter)| {
            depth += match letter {
                '{' => 1,
                '}' => -1,
                _ => 0,
            };
            depth == 0
        });
        let end = close.map_or(out.len(), |(at, _)| start + open + at + 1);
        let blanked: String =
            out[start..end].chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..end, &blanked);
        from = start + blanked.len();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new("common/src/a.rs", text.to_owned())
    }

    #[test]
    fn words_in_comments_strings_and_names_are_not_code() {
        let text = "// unsafe\n/* unsafe /* unsafe */ */\nlet a = \"unsafe \\\" unsafe\";\nlet b = r#\"unsafe \" \"#;\n\
                    #![deny(unsafe_code)]\nlet c = 'u'; fn d<'a>() {}\nunsafe { x }\nlet e = b\"unsafe\";\n";
        assert_eq!(source(text).lines_with("unsafe"), [7]);
    }

    #[test]
    fn a_test_module_is_no_code_and_what_follows_is() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { unsafe {} }\n}\nfn c() {}\n";
        let source = source(text);
        assert_eq!(source.code_lines(), 2);
        assert_eq!(source.lines_with("unsafe"), [4]);
        assert_eq!(Source::new("common/src/a/tests.rs", text.to_owned()).code_lines(), 0);
    }

    #[test]
    fn every_module_that_an_import_names_is_found() {
        let text = "use crate::abi::Key;\nuse crate::{\n    wire::{gre, udp},\n    path,\n};\nfn f() { crate::seam::g() }\n";
        let found = source(text).crate_paths();
        let names = found.iter().map(|(line, name)| (*line, name.as_str())).collect::<Vec<_>>();
        assert_eq!(names, [(1, "abi"), (2, "wire"), (2, "path"), (6, "seam")]);
    }
}
