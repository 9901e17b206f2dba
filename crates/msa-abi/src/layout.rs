//! The parameter structs as data, for callers that are not compiled with this crate: a C++ engine fills them in by offset.

use crate::{DevicePtr, IdOrder};

/// How a struct lies in memory, on host and device alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StructLayout {
    /// Its name in this crate.
    pub name: &'static str,
    /// Bytes, as `#[repr(C)]` gives them.
    pub size: usize,
    /// What its address is a multiple of, in bytes.
    pub align: usize,
    /// In the order of their offsets.
    pub fields: &'static [Field],
}

/// A field of a struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in this crate, whose documentation says what it means.
    pub name: &'static str,
    /// Bytes from the start of the struct.
    pub offset: usize,
    /// Bytes of the field.
    pub size: usize,
    /// What it is.
    pub ty: FieldType,
}

/// What a field, or what a pointer leads to, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// `int32_t`
    I32,
    /// `uint16_t`: everywhere the bits of a bf16
    U16,
    /// `uint32_t`
    U32,
    /// `uint64_t`
    U64,
    /// `float`
    F32,
    /// An address in the device's global memory (a `CUdeviceptr`) of some of these.
    Pointer(&'static FieldType),
    /// Another struct, by value.
    Struct(&'static StructLayout),
}

impl StructLayout {
    /// The field of this name; `a.b` is the field `b` of the struct `a` in it, with its offset from the start of this one.
    pub fn field(&self, path: &str) -> Option<Field> {
        let (name, rest) = match path.split_once('.') {
            Some((name, rest)) => (name, Some(rest)),
            None => (path, None),
        };
        let field = *self.fields.iter().find(|field| field.name == name)?;
        match (rest, field.ty) {
            (None, _) => Some(field),
            (Some(rest), FieldType::Struct(inner)) => {
                let within = inner.field(rest)?;
                Some(Field { offset: field.offset + within.offset, ..within })
            }
            _ => None,
        }
    }
}

impl FieldType {
    /// The struct that it is or that it leads to.
    pub fn layout(self) -> Option<&'static StructLayout> {
        match self {
            Self::Struct(layout) | Self::Pointer(&Self::Struct(layout)) => Some(layout),
            _ => None,
        }
    }
}

impl Field {
    /// A field that `of` takes from its struct, from which its type and size follow.
    pub(crate) const fn new<S, T: Described>(
        name: &'static str,
        offset: usize,
        _of: fn(&S) -> &T,
    ) -> Self {
        Self { name, offset, size: size_of::<T>(), ty: T::TYPE }
    }
}

/// What a field may be.
pub(crate) trait Described {
    const TYPE: FieldType;
}

impl Described for i32 {
    const TYPE: FieldType = FieldType::I32;
}

impl Described for u16 {
    const TYPE: FieldType = FieldType::U16;
}

impl Described for u32 {
    const TYPE: FieldType = FieldType::U32;
}

impl Described for u64 {
    const TYPE: FieldType = FieldType::U64;
}

impl Described for f32 {
    const TYPE: FieldType = FieldType::F32;
}

impl Described for IdOrder {
    const TYPE: FieldType = FieldType::U32;
}

impl<T: Described> Described for DevicePtr<T> {
    const TYPE: FieldType = FieldType::Pointer(&T::TYPE);
}

/// Describes a struct by its fields. One that is left out, or that does not exist, is an error of the compiler.
macro_rules! layout {
    ($name:ident { $($field:ident),+ $(,)? }) => {
        impl $name {
            /// How it lies in memory.
            pub const LAYOUT: $crate::StructLayout = $crate::StructLayout {
                name: stringify!($name),
                size: size_of::<Self>(),
                align: align_of::<Self>(),
                fields: &[$(
                    $crate::layout::Field::new(
                        stringify!($field),
                        core::mem::offset_of!($name, $field),
                        |of: &$name| &of.$field,
                    ),
                )+],
            };
        }

        impl $crate::layout::Described for $name {
            const TYPE: $crate::FieldType = $crate::FieldType::Struct(&Self::LAYOUT);
        }

        const _: fn($name) = |$name { $($field: _),+ }| ();
    };
}

pub(crate) use layout;
