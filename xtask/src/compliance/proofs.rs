//! Which test names which rules: a vector by its second word, any other test by a line `/// Proves: U1, T5.` above it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::process;
use crate::tidy;

/// Where the vectors are.
const VECTORS: &str = "tests/src/vectors/cases/";
/// The tests that play every vector: on the host with the fast path, and in the kernel.
const ON_HOST: &str = "every_vector_gets_the_same_answer_with_the_fast_path";
const IN_KERNEL: [&str; 3] = [
    "every_vector_gets_one_answer_on_the_host_and_in_tc",
    "every_vector_gets_one_answer_on_the_host_and_in_xdp",
    "every_vector_gets_one_answer_on_the_host_and_in_the_fast_path_of_tc",
];
/// Where those tests are.
const PLAYERS: [&str; 2] = ["tests/tests/vectors_host.rs", "tests/tests/vectors_kernel.rs"];

/// A test that names rules.
pub struct Proof {
    /// The rules.
    pub rows: Vec<String>,
    /// What holds.
    pub says: String,
    /// Which file it is in, in short.
    pub place: String,
    /// How it proves them.
    pub kind: Kind,
    /// The tests that must have passed, as the test runner names them.
    pub runs: Vec<String>,
}

impl Proof {
    /// Whether it proves the rule `id`.
    pub fn proves(&self, id: &str) -> bool {
        self.rows.iter().any(|row| row == id)
    }
}

/// How a rule is proven.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Frames with what must become of each: on the host, through TC, with XDP and with TC's fast path before it.
    Vector,
    /// The programs by test-run, in another way than as a vector.
    TestRun,
    /// Sockets in network namespaces around a live gateway.
    Namespace,
    /// Frames with what must become of each, on the host alone.
    HostVector,
    /// A law that holds for random input.
    Property,
    /// Many clients over a long time, by a clock that is turned.
    Simulation,
    /// A function by itself.
    Unit,
}

impl Kind {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vector => "vector (host, TC, XDP)",
            Self::TestRun => "test-run",
            Self::Namespace => "namespace",
            Self::HostVector => "vector (host)",
            Self::Property => "property",
            Self::Simulation => "simulation",
            Self::Unit => "unit",
        }
    }

    /// Whether the real programs run in it.
    pub const fn runs_programs(self) -> bool {
        matches!(self, Self::Vector | Self::TestRun | Self::Namespace)
    }

    /// Whether it is a vector, many of which run in one test.
    pub const fn is_vector(self) -> bool {
        matches!(self, Self::Vector | Self::HostVector)
    }

    /// The kind of the tests in a file.
    fn of(name: &str) -> Self {
        let file = name.strip_prefix("tests/tests/").unwrap_or_default();
        if name.contains("simulation") {
            Self::Simulation
        } else if file.starts_with("lab_") {
            Self::Namespace
        } else if file.starts_with("properties_") || file.starts_with("fuzz_") {
            Self::Property
        } else if file.starts_with("kernel_") || file.starts_with("differential") {
            Self::TestRun
        } else {
            Self::Unit
        }
    }
}

/// Finds every test that names rules.
///
/// # Errors
/// A source cannot be read, or names rules where no test follows.
pub fn find() -> Result<Vec<Proof>> {
    let top = process::top();
    let mut proofs = Vec::new();
    for file in tidy::sources()? {
        let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let name = file.strip_prefix(&top).unwrap_or(&file).to_string_lossy().into_owned();
        if name.starts_with(VECTORS) {
            proofs.extend(vectors(&name, &text));
        } else if !name.starts_with("xtask/") {
            proofs.extend(tests(&name, &text)?);
        }
    }
    let players: Vec<String> =
        PLAYERS.iter().map(|name| fs::read_to_string(top.join(name))).collect::<Result<_, _>>()?;
    for test in IN_KERNEL.iter().chain([&ON_HOST]) {
        if !players.iter().any(|text| text.contains(&format!("fn {test}("))) {
            bail!(
                "no test is called {test}: xtask/src/compliance/proofs.rs must name those that play the vectors"
            );
        }
    }
    Ok(proofs)
}

/// The vectors of a file: `vector("what holds", "rows", ..)`, those of the host with `.host_only(..)` behind.
fn vectors(name: &str, text: &str) -> Vec<Proof> {
    let starts: Vec<usize> = text.match_indices("vector(").map(|(at, start)| at + start.len()).collect();
    let mut proofs = Vec::new();
    for (index, start) in starts.iter().enumerate() {
        let body = &text[*start..starts.get(index + 1).copied().unwrap_or(text.len())];
        let Some((says, rest)) = literal(body) else { continue };
        let Some((rows, rest)) = literal(rest.trim_start_matches([',', ' ', '\n'])) else { continue };
        let on_host = rest.contains(".host_only(");
        let mut runs = vec![ON_HOST.to_owned()];
        if !on_host {
            runs.extend(IN_KERNEL.map(str::to_owned));
        }
        proofs.push(Proof {
            rows: rows.split(' ').map(str::to_owned).collect(),
            says,
            place: format!("vectors/{}", stem(name)),
            kind: if on_host { Kind::HostVector } else { Kind::Vector },
            runs,
        });
    }
    proofs
}

/// The string literal that `text` begins with, and what follows it.
fn literal(text: &str) -> Option<(String, &str)> {
    let body = text.trim_start().strip_prefix('"')?;
    let mut said = String::new();
    let mut letters = body.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => said.extend(letters.next().map(|(_, letter)| letter)),
            '"' => return Some((said, &body[at + 1..])),
            _ => said.push(letter),
        }
    }
    None
}

/// The tests of a file with a line `/// Proves: ..` above them.
fn tests(name: &str, text: &str) -> Result<Vec<Proof>> {
    let mut proofs = Vec::new();
    let mut rows: Vec<String> = Vec::new();
    let (mut is_test, mut module) = (false, "");
    for (line, number) in text.lines().zip(1..) {
        let code = line.trim_start();
        if let Some(named) = code.strip_prefix("/// Proves: ") {
            rows.extend(named.trim_end_matches('.').split(", ").map(str::to_owned));
        }
        if let Some(inner) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
            module = inner;
        }
        is_test |= code.starts_with("#[test]");
        if let Some(rest) = code.strip_prefix("fn ") {
            let function = rest.split(['(', '<']).next().unwrap_or_default();
            if !rows.is_empty() && !is_test {
                bail!("{name}:{number}: {function} names rows, and is no test");
            }
            if !rows.is_empty() {
                let inner = if line.starts_with(' ') { module } else { "" };
                proofs.push(Proof {
                    rows: std::mem::take(&mut rows),
                    says: function.replace('_', " "),
                    place: format!("{}::{function}", place(name)),
                    kind: Kind::of(name),
                    runs: vec![path(name, inner, function)],
                });
            }
            is_test = false;
        }
    }
    Ok(proofs)
}

/// The test's name as the runner prints it: modules of the crate, then the function.
fn path(name: &str, inner: &str, function: &str) -> String {
    let modules = name.split_once("/src/").map_or("", |(_, rest)| rest.trim_end_matches(".rs"));
    let modules = modules.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main"));
    let parts: Vec<&str> = modules.chain([inner, function]).filter(|part| !part.is_empty()).collect();
    parts.join("::")
}

/// Where a reader finds a file: without the folders that say nothing.
fn place(name: &str) -> String {
    let short = name.trim_start_matches("passthrough-").trim_start_matches("tests/tests/");
    short.replace("/src/", "/").trim_end_matches(".rs").trim_end_matches("/mod").to_owned()
}

fn stem(name: &str) -> String {
    Path::new(name).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod found {
    use super::*;

    #[test]
    fn vectors_tell_their_rows_and_whether_the_kernel_runs_them() {
        let text = "vector(\n    \"one \\\"way\\\"\",\n    \"U1 T5\",\n    |play| {}),\n\
                    vector(\"other\", \"U2\", |play| {})\n.host_only(\"why\"),\nvector(\"third\", \"U3\", x),";
        let found = vectors("tests/src/vectors/cases/udp.rs", text);
        let shown: Vec<_> =
            found.iter().map(|proof| (proof.says.as_str(), proof.rows.len(), proof.kind)).collect();
        let wanted =
            [("one \"way\"", 2, Kind::Vector), ("other", 1, Kind::HostVector), ("third", 1, Kind::Vector)];
        assert_eq!(shown, wanted);
        assert_eq!((found[0].runs.len(), found[1].runs.len()), (4, 1));
    }

    #[test]
    fn tests_tell_their_rows_and_the_name_that_the_runner_gives_them() {
        let unit = "mod tests {\n    /// Proves: U1, T5.\n    #[test]\n    fn it_holds() {}\n\n    #[test]\n    fn other() {}\n}\n";
        let found = tests("passthrough-common/src/session/port.rs", unit).expect("it reads");
        assert_eq!((found.len(), found[0].rows.join(" ").as_str()), (1, "U1 T5"));
        assert_eq!(found[0].runs, ["session::port::tests::it_holds"]);
        assert_eq!(found[0].place, "common/session/port::it_holds");
        let lab = "/// Proves: U1.\n#[test]\nfn it_holds() -> Result<()> {\n";
        let found = tests("tests/tests/lab_gateway.rs", lab).expect("it reads");
        assert_eq!((found[0].runs[0].as_str(), found[0].kind), ("it_holds", Kind::Namespace));
        assert!(tests("tests/tests/lab_gateway.rs", "/// Proves: U1.\nfn helper() {\n").is_err());
    }
}
