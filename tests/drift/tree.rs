//! Where things are: the packages of the workspace with their Rust files, and the text files of the checkout.
//! Build output, generated state and hidden folders other than our own settings are not looked at.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::source::Source;

/// Folder and name of every package, the longer folder first, so that a file finds its own package.
pub(crate) const PACKAGES: [(&str, &str); 9] = [
    ("radiusd/proto", "radius-proto"),
    ("shared/store", "store"),
    ("shared/forecast", "forecast"),
    ("portal/outgoing", "outgoing"),
    ("portal/books", "books"),
    ("radiusd", "radiusd"),
    ("portal", "portal"),
    ("shared", "shared"),
    ("tests", "tests"),
];

const PASSED_OVER: [&str; 2] = ["target", "node_modules"];
const OUR_HIDDEN_FOLDERS: [&str; 4] = [".cargo", ".ci", ".config", ".sqlx"];

/// The top of the checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests package is a folder of the checkout").to_owned()
}

/// A file with its path from the top of the checkout.
#[derive(Clone, Debug)]
pub(crate) struct TextFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A Rust file, read, with the package it belongs to.
pub(crate) struct RustFile {
    pub(crate) package: &'static str,
    pub(crate) path: String,
    pub(crate) source: Source,
}

/// Every text file of the checkout, read once; files that are not UTF-8 (pictures, captures) are left out.
pub(crate) fn text_files() -> &'static [TextFile] {
    static FILES: OnceLock<Vec<TextFile>> = OnceLock::new();
    FILES.get_or_init(|| {
        let root = root();
        let mut files = Vec::new();
        walk(&root, &mut |path| {
            let name = path.strip_prefix(&root).expect("walked from the top").to_string_lossy().into_owned();
            if let Ok(text) = std::fs::read_to_string(path) {
                files.push(TextFile { path: name, text });
            }
        });
        files.sort_by(|a, b| a.path.cmp(&b.path));
        assert!(files.len() > 50, "the checkout has files, but only {} were found", files.len());
        files
    })
}

/// Every Rust file of our packages, read once.
pub(crate) fn rust_files() -> &'static [RustFile] {
    static FILES: OnceLock<Vec<RustFile>> = OnceLock::new();
    FILES.get_or_init(|| {
        let rust = text_files().iter().filter(|file| file.path.ends_with(".rs"));
        rust.filter_map(|file| {
            let package = package_of(&file.path)?;
            match Source::read(&file.text) {
                Ok(source) => Some(RustFile { package, path: file.path.clone(), source }),
                Err(error) => panic!("{} is not Rust that can be read: {error}", file.path),
            }
        })
        .collect()
    })
}

/// The package whose folder holds a file.
pub(crate) fn package_of(path: &str) -> Option<&'static str> {
    PACKAGES
        .iter()
        .find(|(folder, _)| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
        .map(|&(_, name)| name)
}

fn walk(folder: &Path, each: &mut impl FnMut(&Path)) {
    let entries = std::fs::read_dir(folder).expect("a folder of the checkout can be read");
    for entry in entries.map(|entry| entry.expect("a folder of the checkout can be read")) {
        let name = entry.file_name().to_string_lossy().into_owned();
        // A file may vanish between listing and looking: an editor's, or another test's.
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            let hidden = name.starts_with('.') && !OUR_HIDDEN_FOLDERS.contains(&name.as_str());
            if !hidden && !PASSED_OVER.contains(&name.as_str()) {
                walk(&entry.path(), each);
            }
        } else if kind.is_file() {
            each(&entry.path());
        }
    }
}

#[test]
fn a_file_belongs_to_the_innermost_package() {
    assert_eq!(package_of("radiusd/proto/src/lib.rs"), Some("radius-proto"));
    assert_eq!(package_of("radiusd/src/lib.rs"), Some("radiusd"));
    assert_eq!(package_of("shared/store/src/db.rs"), Some("store"));
    assert_eq!(package_of("shared/src/mac.rs"), Some("shared"));
    assert_eq!(package_of("docs/architecture.md"), None);
}

#[test]
fn every_package_has_rust_files() {
    let files = rust_files();
    for (folder, package) in PACKAGES {
        assert!(
            files.iter().any(|file| file.package == package),
            "no Rust file of {package} was found under {folder}/"
        );
    }
}
