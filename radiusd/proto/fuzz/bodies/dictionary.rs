//! Any text is an error or a dictionary, and a dictionary that is printed loads to an equal one.
//!
//! A NUL in the input ends a file: the first is the dictionary, the others are there under the names `1`, `2` and so
//! on, to be included.

use radius_proto::dictionary::{Dictionary, DictionaryError};

/// Fails where the parser panics, or where what it prints is not what it read.
pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let files: Vec<&str> = text.split('\0').collect();
    let mut read = |name: &str| match name {
        "dictionary" => files.first().map(|&text| text.to_owned()),
        _ => files.get(name.parse::<usize>().ok().filter(|&number| number > 0)?).map(|&text| text.to_owned()),
    };
    let dictionary = match Dictionary::load("dictionary", &mut read) {
        Ok(dictionary) => dictionary,
        Err(DictionaryError { kind, .. }) => {
            assert!(!kind.to_string().is_empty());
            return;
        }
    };
    let printed = dictionary.to_string();
    let again = Dictionary::load("printed", &mut |_| Some(printed.clone()));
    let again = again.unwrap_or_else(|error| panic!("{error}\n{printed}"));
    assert_eq!(dictionary, again, "{printed}");
    for attribute in dictionary.attributes() {
        look_up(&dictionary, &attribute.name);
        let by_number = dictionary.attribute_by_number(attribute.vendor, attribute.number);
        assert!(by_number.is_some_and(|found| found.number == attribute.number && found.vendor == attribute.vendor));
        for (number, name) in attribute.values() {
            assert!(attribute.value_name(number).is_some(), "{number}");
            assert!(attribute.value_number(name).is_some(), "{name}");
        }
    }
}

/// A name is found in any case.
fn look_up(dictionary: &Dictionary, name: &str) {
    let found = dictionary.attribute(&name.to_ascii_uppercase());
    assert!(found.is_some_and(|found| found.name.eq_ignore_ascii_case(name)), "{name}");
}
