//! The one macro that declares attributes: each declaration makes a constant and a row of the module's
//! table, so that the two cannot differ.

/// Declares the attributes of one RFC or vendor, and the names of their values.
///
/// `NAME: Type = number, "Dictionary-Name", "what it is";` makes a constant `NAME` of type `Attr<Type>`.
/// `@module, "Dictionary-Name" { NAME = number, "Dictionary-Value"; }` makes a module of `u32` constants with
/// a function `name`.
macro_rules! attributes {
    (
        $file:literal, vendor $vendor:expr;
        $($constant:ident: $marker:ident = $kind:literal, $name:literal, $doc:literal;)*
        $(@$module:ident, $attribute:literal {
            $($value_constant:ident = $value:literal, $value_name:literal;)*
        })*
    ) => {
        $(
            #[doc = concat!("`", $name, "`, number ", stringify!($kind), ". ", $doc)]
            pub const $constant: $crate::attribute::Attr<$crate::attribute::$marker> =
                $crate::attribute::Attr::vendor($vendor, $kind, $name);
        )*

        $(
            #[doc = concat!("Values of `", $attribute, "`.")]
            pub mod $module {
                $(
                    #[doc = concat!("`", $value_name, "`.")]
                    pub const $value_constant: u32 = $value;
                )*

                pub(super) const NAMED: $crate::attribute::NamedValues = $crate::attribute::NamedValues {
                    attribute: $attribute,
                    values: &[$(($value, $value_name)),*],
                };

                /// The name of a value as dictionaries write it, if it has one.
                #[must_use]
                pub fn name(number: u32) -> Option<&'static str> {
                    NAMED.name(number)
                }
            }
        )*

        /// Every attribute of this module and the names of their values, as data.
        pub const TABLE: $crate::attribute::Table = $crate::attribute::Table {
            file: $file,
            vendor: $vendor,
            attributes: &[$($crate::attribute::Entry {
                name: $name,
                kind: $kind,
                value_type: <$crate::attribute::$marker as $crate::attribute::Value>::TYPE,
            }),*],
            values: &[$($module::NAMED),*],
        };
    };
}
