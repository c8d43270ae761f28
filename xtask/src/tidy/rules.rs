//! The rules themselves, and the named exceptions.

use super::Breach;
use super::source::Source;

/// The most lines of code in a file, comments and tests not counted.
const LONGEST: usize = 400;

/// Longer files, each with its reason.
const LONG: [(&str, &str); 0] = [];

/// Where `unsafe` may stand, beside [`LOADER`].
const UNSAFE: [&str; 4] = [
    "passthrough-ebpf/src/seam/",
    "passthrough-ebpf/src/bench/seam.rs",
    "passthrough-common/src/abi/pod.rs",
    // One request to the tun device, for which a library of twenty crates would be too much.
    "tests/src/lab/wire.rs",
];

/// Files of the loader that make system calls which `aya` lacks.
const LOADER: [&str; 0] = [];

/// The folders of `passthrough-common/src`: none names one to its right.
const FOLDERS: [&str; 6] = ["abi", "wire", "seam", "session", "proto", "path"];

/// The crates, and for each those of ours that it may use.
const CRATES: [(&str, &str, &[&str]); 5] = [
    ("passthrough-common/", "passthrough_common", &[]),
    ("passthrough-ebpf/", "passthrough_ebpf", &["passthrough_common"]),
    ("passthrough-user/", "passthrough_user", &["passthrough_common"]),
    ("tests/", "passthrough_tests", &["passthrough_common", "passthrough_user"]),
    ("xtask/", "xtask", &["passthrough_user"]),
];

/// The breaches of one source; `name` is its path from the top.
pub fn source(name: &str, source: &Source) -> Vec<Breach> {
    let mut breaches = Vec::new();
    breaches.extend(first_line(source));
    breaches.extend(unsafe_code(name, source));
    breaches.extend(folder_arrows(name, source));
    breaches.extend(crate_arrows(name, source));
    breaches.extend(length(name, source));
    breaches
}

/// The breaches of one manifest.
pub fn manifest(name: &str, text: &str) -> Vec<Breach> {
    let Some((folder, own, allowed)) = CRATES.iter().find(|(folder, ..)| name.starts_with(folder)) else {
        return Vec::new();
    };
    let mut breaches = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let named = line.split(['.', ' ', '=']).next().unwrap_or_default().replace('-', "_");
        let ours = CRATES.iter().any(|(_, other, _)| *other == named);
        if ours && named != *own && !allowed.contains(&named.as_str()) {
            let what = format!("{} depends on {named}", folder.trim_end_matches('/'));
            breaches.push(breach(number, what, "move what both need into passthrough-common"));
        }
    }
    breaches
}

fn breach(line: usize, what: impl Into<String>, mend: impl Into<String>) -> Breach {
    Breach { line, what: what.into(), mend: mend.into() }
}

fn first_line(source: &Source) -> Option<Breach> {
    let first = source.text.lines().next().unwrap_or_default();
    let job = first.strip_prefix("//! ").unwrap_or_default();
    job.trim()
        .is_empty()
        .then(|| breach(1, "the file does not say what it is for", "start it with `//! ` and its one job"))
}

fn unsafe_code(name: &str, source: &Source) -> Vec<Breach> {
    if UNSAFE.iter().chain(&LOADER).any(|place| name.starts_with(place)) {
        return Vec::new();
    }
    let mend = "use a safe call, or move it into passthrough-ebpf/src/seam or a loader file named in xtask/src/tidy/rules.rs";
    source
        .lines_with("unsafe")
        .into_iter()
        .map(|line| breach(line, "unsafe outside its places", mend))
        .collect()
}

/// `abi -> wire -> seam -> session -> proto -> path`: left never names right.
fn folder_arrows(name: &str, source: &Source) -> Vec<Breach> {
    let place = |folder: &str| FOLDERS.iter().position(|known| *known == folder);
    let inside = name.strip_prefix("passthrough-common/src/").and_then(|rest| rest.split(['/', '.']).next());
    let Some(own) = inside.and_then(place) else {
        return Vec::new();
    };
    let wrong =
        source.crate_paths().into_iter().filter(|(_, other)| place(other).is_some_and(|other| other > own));
    let mend = format!("hand it in, or move it left: {}", FOLDERS.join(" -> "));
    wrong
        .map(|(line, other)| breach(line, format!("{} imports {other}", FOLDERS[own]), mend.clone()))
        .collect()
}

fn crate_arrows(name: &str, source: &Source) -> Vec<Breach> {
    let Some((_, own, allowed)) = CRATES.iter().find(|(folder, ..)| name.starts_with(folder)) else {
        return Vec::new();
    };
    let others =
        CRATES.iter().map(|(_, other, _)| *other).filter(|other| other != own && !allowed.contains(other));
    let mut breaches = Vec::new();
    for other in others {
        for line in source.lines_with(other) {
            let mend = "move what both need into passthrough-common";
            breaches.push(breach(line, format!("{own} names {other}"), mend));
        }
    }
    breaches
}

fn length(name: &str, source: &Source) -> Option<Breach> {
    let lines = source.code_lines();
    let excused = LONG.iter().any(|(file, _)| *file == name);
    (lines > LONGEST && !excused).then(|| {
        let mend = "split it by what a reader looks for, or list it with a reason in xtask/src/tidy/rules.rs";
        breach(1, format!("{lines} lines of code, {LONGEST} at most"), mend)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, text: &str) -> Vec<(usize, String)> {
        let breaches = source(name, &Source::new(name, text.to_owned()));
        breaches.into_iter().map(|breach| (breach.line, breach.what)).collect()
    }

    #[test]
    fn a_file_must_say_its_job() {
        assert_eq!(of("tests/src/a.rs", "//!\nfn a() {}\n").len(), 1);
        assert!(of("tests/src/a.rs", "//! Does a.\nfn a() {}\n").is_empty());
    }

    #[test]
    fn unsafe_has_its_places() {
        let text = "//! Does a.\nfn a() { unsafe { b() } }\n";
        assert_eq!(of("passthrough-user/src/cli/up.rs", text)[0].0, 2);
        assert!(of("passthrough-ebpf/src/seam/packet.rs", text).is_empty());
        assert!(of("passthrough-common/src/abi/pod.rs", text).is_empty());
        assert_eq!(of("passthrough-common/src/abi/count.rs", text).len(), 1);
    }

    #[test]
    fn left_never_imports_right() {
        let text = "//! Does a.\nuse crate::path::gate;\nuse crate::abi::Key;\n";
        assert_eq!(of("passthrough-common/src/wire/gre.rs", text), [(2, "wire imports path".to_owned())]);
        assert!(of("passthrough-common/src/path/gate.rs", text).is_empty());
        assert!(of("passthrough-common/src/lib.rs", text).is_empty());
    }

    #[test]
    fn no_crate_names_one_to_its_right() {
        let text = "//! Does a.\nuse passthrough_user::loader;\n";
        assert_eq!(of("passthrough-common/src/wire/gre.rs", text).len(), 1);
        assert!(of("tests/src/lab.rs", text).is_empty());
        let manifest =
            manifest("passthrough-user/Cargo.toml", "[dependencies]\npassthrough-tests.workspace = true\n");
        assert_eq!(manifest[0].line, 2);
    }

    #[test]
    fn a_long_file_is_named() {
        let text = format!("//! Does a.\n{}", "fn a() {}\n".repeat(LONGEST + 1));
        assert_eq!(of("tests/src/a.rs", &text).len(), 1);
        let commented = format!("//! Does a.\n{}", "// why\n\n".repeat(LONGEST + 1));
        assert!(of("tests/src/a.rs", &commented).is_empty());
    }
}
