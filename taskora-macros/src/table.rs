//! Lists of options as tables.

/// Generates a struct of optional fields, and the table of options. A line is `field: Type, side, example`; an option whose
/// name cannot be a field's is `field as "name"`.
macro_rules! options {
    (
        $(#[$doc:meta])*
        struct $list:ident {
            $($field:ident $(as $name:literal)?: $ty:ty, $side:ident, $example:literal;)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Default)]
        pub(crate) struct $list {
            given: Vec<Given>,
            $(pub(crate) $field: Option<$ty>,)*
        }

        impl List for $list {
            const KNOWN: &'static [Known] = &[$(Known {
                name: options!(@name $field $($name)?),
                example: $example,
                side: Side::$side,
                inner: <$ty as Value>::INNER,
                repeats: <$ty as Value>::REPEATS,
            }),*];

            fn given(&self) -> &[Given] {
                &self.given
            }

            fn set(&mut self, given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
                self.given.push(given);
                $(if given.option.name == options!(@name $field $($name)?) {
                    <$ty as Value>::read(given, input, errors)?.add_to(&mut self.$field);
                })*
                Ok(())
            }
        }
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
}
