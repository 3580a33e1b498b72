//! Which part of the program may import which. In one crate the compiler does not care; this test does: it reads every
//! file under `src/` and compares what it imports with the list below, folder by folder.
//!
//! The list says what the code needs today, and no more. Whoever extends it changes the architecture, and says why in
//! `docs/architecture.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Every top-level module, in the order of `src/lib.rs`, with the others it may import. Data flows one way:
/// `http -> service -> store -> domain`.
const ALLOWED: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("clock", &["domain"]),
    ("secret", &[]),
    ("config", &["secret", "cli"]),
    ("cli", &[]),
    ("telemetry", &["clock", "config", "domain"]),
    ("metrics", &[]),
    ("store", &["clock", "domain"]),
    ("service", &["clock", "domain", "store"]),
    ("http", &["clock", "domain", "metrics", "service", "telemetry"]),
    ("health", &[]),
    ("port", &[]),
    ("app", &["clock", "config", "domain", "http", "metrics", "port", "secret", "service", "store"]),
    ("operator", &["app", "cli", "config", "domain", "service", "store"]),
];

/// The one file that reads the environment and the arguments, and may import everything.
const PROGRAM: &str = "main.rs";
const MAP: &str = "lib.rs";

/// A file: its path below `src/` and its text.
struct Source<'t> {
    path: &'t str,
    text: &'t str,
}

impl Source<'_> {
    /// Where it stands in the tree of modules: `store/sqlite/roles.rs` is `store`, `sqlite`, `roles`.
    fn module(&self) -> Vec<&str> {
        let path = self.path.strip_suffix(".rs").unwrap_or(self.path);
        let mut parts: Vec<_> = path.split('/').collect();
        if parts.last() == Some(&"mod") {
            parts.pop();
        }
        parts
    }

    /// Whether only tests are in it. They may compare a part with any other, but do not wire the program.
    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.ends_with("_tests.rs")
    }

    /// Everything that the file does and may not do.
    fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.path == PROGRAM || self.path == MAP {
            return found;
        }
        let code = without_comments(self.text);
        let module = self.module();
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == module[0]) else {
            return vec![format!("src/{}: the module {} is not on the list", self.path, module[0])];
        };
        let mut check = |name: &str| {
            let may = name == module[0] || allowed.contains(&name) || (self.is_test() && name != "app");
            if !may {
                found.push(format!("src/{}: {} may not import {name}", self.path, module[0]));
            }
        };
        names_after(&code, "crate").iter().for_each(|name| check(name));
        names_above(&code, module.len()).iter().filter(|name| is_top_level(name)).for_each(|name| check(name));
        if module.len() == 1 && code.lines().any(|line| line.starts_with("use super::*")) {
            found.push(format!("src/{}: imports everything", self.path));
        }
        if code.contains("use rolekeeper::") {
            found.push(format!("src/{}: imports the library as if from outside", self.path));
        }
        if names_after(&code, "std").contains("env") {
            found.push(format!("src/{}: only src/{PROGRAM} reads the environment", self.path));
        }
        found
    }
}

fn is_top_level(name: &str) -> bool {
    ALLOWED.iter().any(|(module, _)| *module == name)
}

/// Documentation may name what code may not import.
fn without_comments(text: &str) -> String {
    text.lines()
        .map(|line| line.find("//").map_or(line, |start| &line[..start]))
        .fold(String::new(), |code, line| code + line + "\n")
}

/// What follows `root::`, also in braces: for `crate::{a, b::{c, d}}` it is `a` and `b`.
fn names_after(code: &str, root: &str) -> BTreeSet<String> {
    let prefix = format!("{root}::");
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(&prefix) {
        let before = code[..at].chars().next_back();
        if before.is_none_or(|c| !is_word(c) && c != ':') {
            names.extend(first_names(&code[at + prefix.len()..]));
        }
    }
    names
}

/// What follows as many `super::` as lead from a module of that depth to the root, or more of them: a module inside the
/// file needs one more.
fn names_above(code: &str, depth: usize) -> BTreeSet<String> {
    let prefix = "super::";
    let mut names = BTreeSet::new();
    let mut rest = code;
    while let Some(at) = rest.find(prefix) {
        rest = &rest[at..];
        let mut steps = 0;
        while let Some(next) = rest.strip_prefix(prefix) {
            (rest, steps) = (next, steps + 1);
        }
        if steps >= depth {
            names.extend(first_names(rest));
        }
    }
    names
}

/// The name that a path begins with, or those that the paths in braces begin with.
fn first_names(path: &str) -> Vec<String> {
    let path = path.trim_start();
    let Some(group) = path.strip_prefix('{') else {
        let end = path.find(|c| !is_word(c) && c != '*').unwrap_or(path.len());
        return vec![path[..end].to_owned()];
    };
    let (mut names, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                let item = group[start..at].trim();
                if !item.is_empty() {
                    names.extend(first_names(item));
                }
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Every Rust file under `src/`, by its path below it.
fn files() -> BTreeMap<String, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut folders) = (BTreeMap::new(), vec![source.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&source).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    files
}

#[test]
fn every_file_imports_only_what_its_part_may() {
    let files = files();
    assert!(files.len() > 20, "the files are found");
    let violations = files.iter().flat_map(|(path, text)| Source { path, text }.violations()).collect::<Vec<_>>();
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn the_list_names_the_modules_that_there_are_and_no_more_imports_than_there_are() {
    let files = files();
    let mut imports: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in files.iter().filter(|(path, _)| ![PROGRAM, MAP].contains(&path.as_str())) {
        let (source, code) = (Source { path, text }, without_comments(text));
        let module = source.module();
        let Some((name, _)) = ALLOWED.iter().find(|(name, _)| *name == module[0]) else { continue };
        if source.is_test() {
            continue;
        }
        let names = imports.entry(name).or_default();
        names.extend(names_after(&code, "crate"));
        names.extend(names_above(&code, module.len()));
    }
    for (module, allowed) in ALLOWED {
        let used = imports.get(module).unwrap_or_else(|| panic!("there is no module {module}"));
        let unused: Vec<_> = allowed.iter().filter(|name| !used.contains(**name)).collect();
        assert!(unused.is_empty(), "{module} does not import {unused:?}: take it off the list");
    }
}

#[test]
fn the_map_names_every_module() {
    let map = &files()[MAP];
    let named: BTreeSet<_> = map.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(named, ALLOWED.iter().map(|(name, _)| *name).collect());
    assert!(ALLOWED.iter().all(|(name, _)| map.contains(&format!("[`{name}`]"))), "each has its line");
}

/// What the checker says of one line in that file.
fn said(path: &str, text: &str) -> Vec<String> {
    Source { path, text }.violations()
}

#[test]
fn a_planted_import_is_found() {
    for (path, text) in [
        ("domain/role.rs", "use crate::clock::Clock;"),
        ("domain/mod.rs", "fn f() { crate::store::open() }"),
        ("store/mod.rs", "use crate::{clock::Clock, service::Services};"),
        ("store/sqlite/roles.rs", "use super::super::super::http;"),
        ("store/sqlite/mod.rs", "use super::super::{\n    service,\n};"),
        ("clock.rs", "mod tests {\n    use super::super::config::Settings;\n}"),
        ("http/rocketchat/roles.rs", "use crate::store::Store;"),
        ("http/rocketchat/roles.rs", "use crate::{domain::{role, ids}, store};"),
        ("service/mod.rs", "use crate::app::App;"),
        ("service/roles.rs", "use crate::*;"),
        ("metrics.rs", "use super::*;"),
        ("http/mod.rs", "use rolekeeper::app::App;"),
        ("health.rs", "let port = std::env::var(\"PORT\");"),
        ("store/mod.rs", "use std::{env, fs};"),
        ("config/tests.rs", "use crate::app::App;"),
        ("brand_new.rs", ""),
        ("brand_new/mod.rs", "use crate::domain::role::Role;"),
    ] {
        assert_eq!(said(path, text).len(), 1, "{path}: {text}: {:?}", said(path, text));
    }
}

#[test]
fn what_is_allowed_is_not_reported() {
    for (path, text) in [
        ("domain/role.rs", "use super::ids::RoleId;\nuse crate::domain::time::Timestamp;"),
        ("domain/role.rs", "/// See [`crate::store`].\n//! and super::super::http"),
        ("store/sqlite/roles.rs", "use super::query::one;\nuse super::super::StoreError;"),
        ("clock.rs", "mod tests {\n    use super::*;\n}"),
        ("http/call.rs", "pub(crate) fn f() {}\nuse crate::{domain, service::{Caller, Services}};"),
        ("metrics.rs", "const VERSION: &str = env!(\"CARGO_PKG_VERSION\");"),
        ("main.rs", "use rolekeeper::app::App;\nlet all = std::env::vars_os();"),
        ("config/tests.rs", "use crate::domain::setting::SETTINGS;"),
        ("config/layers.rs", "use ::config::Config;\nuse super::keys::Key;"),
    ] {
        assert_eq!(said(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}
