//! Finds the part of a value that could not be read back: walks through it as `serde_json` does, but writes nothing.

use std::fmt;

use serde::Serialize;
use serde::ser::{self, Serializer};

use super::MAX_DEPTH;

/// How many names of a path an error shows; those between the first ones and the last one are left out.
const TOLD: usize = 6;

/// The first part of a value that could not be read back. Names fields, but neither values nor the keys of maps.
pub(super) fn find<T: Serialize + ?Sized>(value: &T) -> Option<Refused> {
    value.serialize(Walk { depth: 0 }).err().filter(|refused| refused.reason.is_some())
}

/// What could not be read back, and why.
#[derive(Debug)]
pub(super) struct Refused {
    /// The path, from the inside out.
    path: Vec<Name>,
    /// `None`: the value's own error, which writing it has returned, too.
    reason: Option<Reason>,
}

#[derive(Debug, Clone, Copy)]
enum Reason {
    NotFinite,
    TooDeep,
}

#[derive(Debug, Clone, Copy)]
enum Name {
    Field(&'static str),
    Item(usize),
    /// A value of a map. Its key may be part of the payload.
    Value,
}

impl Refused {
    pub(super) const fn too_deep() -> Self {
        Self { path: Vec::new(), reason: Some(Reason::TooDeep) }
    }

    fn within(mut self, name: Name) -> Self {
        self.path.push(name);
        self
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.len() {
            0 => f.write_str("the value")?,
            len => {
                f.write_str("`")?;
                for (at, name) in self.path.iter().rev().enumerate() {
                    let is_told = at + 1 < TOLD || at + 1 == len;
                    match name {
                        _ if !is_told && at + 1 == TOLD => f.write_str("..")?,
                        _ if !is_told => {}
                        Name::Item(item) => write!(f, "[{item}]")?,
                        Name::Value => f.write_str("[..]")?,
                        Name::Field(field) if at == 0 => f.write_str(field)?,
                        Name::Field(field) => write!(f, ".{field}")?,
                    }
                }
                f.write_str("`")?;
            }
        }
        match self.reason {
            Some(Reason::NotFinite) => f.write_str(
                " is a number that JSON does not have (NaN or infinite); use an `Option`, or check it before",
            ),
            Some(Reason::TooDeep) => write!(
                f,
                " is nested deeper than {MAX_DEPTH} levels, and could not be read again; store it flat, or as text"
            ),
            None => f.write_str(" cannot be written"),
        }
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self { path: Vec::new(), reason: None }
    }
}

type Walked = Result<(), Refused>;

/// One value.
#[derive(Clone, Copy)]
struct Walk {
    depth: usize,
}

/// The values inside another one.
struct Inside {
    depth: usize,
    items: usize,
}

impl Walk {
    fn finite(is_finite: bool) -> Walked {
        if is_finite { Ok(()) } else { Err(Refused { path: Vec::new(), reason: Some(Reason::NotFinite) }) }
    }

    /// Goes this many brackets deeper.
    fn enter(self, brackets: usize) -> Result<Inside, Refused> {
        let depth = self.depth + brackets;
        if depth > MAX_DEPTH { Err(Refused::too_deep()) } else { Ok(Inside { depth, items: 0 }) }
    }
}

impl Inside {
    fn next<T: Serialize + ?Sized>(&mut self, name: Name, value: &T) -> Walked {
        value.serialize(Walk { depth: self.depth }).map_err(|refused| refused.within(name))
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Walked {
        self.items += 1;
        self.next(Name::Item(self.items - 1), value)
    }
}

macro_rules! nothing_to_find {
    ($($method:ident: $ty:ty,)*) => { $(fn $method(self, _: $ty) -> Walked { Ok(()) })* };
}

impl Serializer for Walk {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Inside;
    type SerializeTuple = Inside;
    type SerializeTupleStruct = Inside;
    type SerializeTupleVariant = Inside;
    type SerializeMap = Inside;
    type SerializeStruct = Inside;
    type SerializeStructVariant = Inside;

    nothing_to_find! {
        serialize_bool: bool,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_char: char, serialize_str: &str, serialize_bytes: &[u8], serialize_unit_struct: &'static str,
    }

    fn serialize_f32(self, value: f32) -> Walked {
        Self::finite(value.is_finite())
    }

    fn serialize_f64(self, value: f64) -> Walked {
        Self::finite(value.is_finite())
    }

    fn serialize_none(self) -> Walked {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Walked {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Walked {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Walked {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Walked {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Walked {
        self.enter(1)?.next(Name::Field(variant), value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Inside, Refused> {
        self.enter(1)
    }

    fn serialize_tuple(self, _: usize) -> Result<Inside, Refused> {
        self.enter(1)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Inside, Refused> {
        self.enter(1)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Inside, Refused> {
        self.enter(2)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Inside, Refused> {
        self.enter(1)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Inside, Refused> {
        self.enter(1)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Inside, Refused> {
        self.enter(2)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, _: &T) -> Walked {
        Ok(())
    }
}

/// Values in a row.
macro_rules! row {
    ($($kind:ident $method:ident)*) => { $(
        impl ser::$kind for Inside {
            type Ok = ();
            type Error = Refused;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Walked {
                self.item(value)
            }

            fn end(self) -> Walked {
                Ok(())
            }
        }
    )* };
}

row! {
    SerializeSeq serialize_element
    SerializeTuple serialize_element
    SerializeTupleStruct serialize_field
    SerializeTupleVariant serialize_field
}

/// Values with names.
macro_rules! named {
    ($($kind:ident)*) => { $(
        impl ser::$kind for Inside {
            type Ok = ();
            type Error = Refused;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Walked {
                self.next(Name::Field(name), value)
            }

            fn end(self) -> Walked {
                Ok(())
            }
        }
    )* };
}

named! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Inside {
    type Ok = ();
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Walked {
        // `serde_json` itself refuses a key that is neither text nor a number
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Walked {
        self.next(Name::Value, value)
    }

    fn end(self) -> Walked {
        Ok(())
    }
}
