//! Attributes by name, from files in FreeRADIUS' format, so that an operator's own dictionary drops in; and
//! [`Dictionary::show`], which prints a packet as `Name = value` lines.
//!
//! [`Dictionary::load`] is given a function that returns the text of a file, because this crate reads none
//! itself. The parser is in `parse`, its errors name file and line; printing of packets is in `print`. `write`
//! prints a dictionary as one file, which loads to an equal one. What the parser passes over without an error: flags and types that it does not know (such values print as octets), and
//! attributes inside attributes. Passwords and keys are never printed, whatever the dictionary says.
//!
//! The server's own logic does not use this module: it uses the constants of [`crate::attribute`].

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::attribute::ValueType;

mod parse;
mod print;
mod write;

pub use parse::{DictionaryError, ErrorKind, MAX_ATTRIBUTES, MAX_FILES, MAX_INCLUDE_DEPTH};
pub use print::PacketText;

/// A set of attributes, vendors and value names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dictionary {
    attributes: Vec<AttributeDef>,
    /// Index in `attributes` by name in lower case.
    by_name: BTreeMap<String, usize>,
    /// Index in `attributes` by vendor and number; of two names for one number the later is kept.
    by_number: BTreeMap<(u32, u32), usize>,
    /// Every declaration, in the order of the files. A name has one number; a number may have several names.
    vendors: Vec<VendorDef>,
}

/// One attribute of a dictionary.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttributeDef {
    /// The name as the file writes it.
    pub name: String,
    /// Enterprise number; 0 for the standard space.
    pub vendor: u32,
    /// The number.
    pub number: u32,
    /// The type; `None` for one that this crate does not know.
    pub value_type: Option<ValueType>,
    /// The flags as the file writes them.
    pub flags: String,
    /// Numbers and names of values, in the order of the files.
    values: Vec<(u32, String)>,
}

impl AttributeDef {
    /// The name of a value; of two names for one number the later.
    #[must_use]
    pub fn value_name(&self, number: u32) -> Option<&str> {
        self.values.iter().rfind(|(known, _)| *known == number).map(|(_, name)| name.as_str())
    }

    /// The number of a value, by its name in any case; of two numbers for one name the later.
    #[must_use]
    pub fn value_number(&self, name: &str) -> Option<u32> {
        self.values.iter().rfind(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(number, _)| *number)
    }

    /// Every value that has a name, in the order of the files.
    pub fn values(&self) -> impl Iterator<Item = (u32, &str)> {
        self.values.iter().map(|(number, name)| (*number, name.as_str()))
    }
}

/// One vendor of a dictionary.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VendorDef {
    /// The name as the file writes it.
    pub name: String,
    /// IANA enterprise number.
    pub number: u32,
    /// Octets of the type and of the length inside Vendor-Specific; (1, 1) unless the file says otherwise.
    pub format: (u8, u8),
    /// Attributes of the dictionary that were declared before it.
    attributes_before: usize,
}

impl Dictionary {
    /// Reads a dictionary file and what it includes. `read` is called with `name` first; an included name is
    /// relative to the file that includes it and comes with its folder. `read` returns `None` for a file that
    /// is not there.
    ///
    /// # Errors
    /// The first line that cannot be read, with its file and number.
    pub fn load(name: &str, read: &mut dyn FnMut(&str) -> Option<String>) -> Result<Dictionary, DictionaryError> {
        parse::load(name, read)
    }

    /// An attribute by its name, in any case.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&AttributeDef> {
        let index = *self.by_name.get(&name.to_ascii_lowercase())?;
        self.attributes.get(index)
    }

    /// An attribute by its number; `vendor` 0 is the standard space.
    #[must_use]
    pub fn attribute_by_number(&self, vendor: u32, number: u32) -> Option<&AttributeDef> {
        let index = *self.by_number.get(&(vendor, number))?;
        self.attributes.get(index)
    }

    /// A vendor by its enterprise number; of two names for one number the later.
    #[must_use]
    pub fn vendor(&self, number: u32) -> Option<&VendorDef> {
        self.vendors.iter().rfind(|vendor| vendor.number == number)
    }

    /// A vendor by its name, in any case.
    #[must_use]
    pub fn vendor_by_name(&self, name: &str) -> Option<&VendorDef> {
        self.vendors.iter().rfind(|vendor| vendor.name.eq_ignore_ascii_case(name))
    }

    /// Every attribute, in the order of the files.
    pub fn attributes(&self) -> impl Iterator<Item = &AttributeDef> {
        self.attributes.iter()
    }

    fn add_attribute(&mut self, attribute: AttributeDef) -> Result<(), ErrorKind> {
        if self.attributes.len() == MAX_ATTRIBUTES {
            return Err(ErrorKind::TooManyAttributes);
        }
        let key = attribute.name.to_ascii_lowercase();
        if let Some(known) = self.attribute(&key) {
            if (known.vendor, known.number) == (attribute.vendor, attribute.number) {
                return Ok(());
            }
            return Err(ErrorKind::NameTaken(attribute.name));
        }
        let index = self.attributes.len();
        self.by_name.insert(key, index);
        self.by_number.insert((attribute.vendor, attribute.number), index);
        self.attributes.push(attribute);
        Ok(())
    }

    fn add_vendor(&mut self, name: &str, number: u32, format: (u8, u8)) -> Result<(), ErrorKind> {
        if self.vendor_by_name(name).is_some_and(|known| known.number != number) {
            return Err(ErrorKind::NameTaken(name.to_string()));
        }
        let attributes_before = self.attributes.len();
        self.vendors.push(VendorDef { name: name.to_string(), number, format, attributes_before });
        Ok(())
    }

    fn add_value(&mut self, attribute: &str, name: &str, number: u32) -> Result<(), ErrorKind> {
        let unknown = || ErrorKind::UnknownAttribute(attribute.to_string());
        let index = *self.by_name.get(&attribute.to_ascii_lowercase()).ok_or_else(unknown)?;
        let attribute = self.attributes.get_mut(index).ok_or_else(unknown)?;
        attribute.values.push((number, name.to_string()));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
