//! A dictionary as text, in the format that it is read from: everything in one file, attributes and vendors in the
//! order in which they were declared, values last. The text loads to an equal dictionary, which the fuzz target
//! `dictionary` holds against any input. What the parser passed over, comments among it, is not there any more.

use core::fmt;

use crate::attribute::ValueType;

use super::{AttributeDef, Dictionary, VendorDef};

impl fmt::Display for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut vendors = self.vendors.iter().enumerate().peekable();
        let mut declared = 0;
        for (place, attribute) in self.attributes.iter().enumerate() {
            while let Some((index, vendor)) = vendors.next_if(|(_, vendor)| vendor.attributes_before <= place) {
                write_vendor(f, vendor)?;
                declared = index + 1;
            }
            match attribute.vendor {
                0 => write_attribute(f, attribute)?,
                number => {
                    let by_then = self.vendors.iter().take(declared);
                    let vendor = by_then.rev().find(|vendor| vendor.number == number);
                    let name = &vendor.expect("the vendor of an attribute is declared before it").name;
                    writeln!(f, "BEGIN-VENDOR\t{name}")?;
                    write_attribute(f, attribute)?;
                    writeln!(f, "END-VENDOR\t{name}")?;
                }
            }
        }
        vendors.try_for_each(|(_, vendor)| write_vendor(f, vendor))?;
        self.attributes.iter().try_for_each(|attribute| {
            let mut values = attribute.values();
            values.try_for_each(|(number, name)| writeln!(f, "VALUE\t{}\t{name}\t{number}", attribute.name))
        })
    }
}

fn write_vendor(f: &mut fmt::Formatter<'_>, vendor: &VendorDef) -> fmt::Result {
    let VendorDef { name, number, format: (kind, length), .. } = vendor;
    writeln!(f, "VENDOR\t{name}\t{number}\tformat={kind},{length}")
}

fn write_attribute(f: &mut fmt::Formatter<'_>, attribute: &AttributeDef) -> fmt::Result {
    let type_name = attribute.value_type.map_or("unknown", ValueType::name);
    let AttributeDef { name, number, flags, .. } = attribute;
    writeln!(f, "ATTRIBUTE\t{name}\t{number}\t{type_name}\t{flags}")
}
