//! What stands in a file as the type that is wanted: `serde` over the nodes of a document.
//!
//! The type decides what a word is: `00070` is a text where a text is wanted and a number where a number is. Written for
//! the functions in the cloud, which read all tenant files before their first answer: nothing is parsed twice, and every
//! type is compiled for one small reader.

use std::fmt;
use std::str::FromStr;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};

use super::document::{Content, Field, Node, Place};

/// A value that is not what is wanted, and the way to it.
#[derive(Debug)]
pub(super) struct Wrong(Box<Mistake>);

/// Boxed, because it goes up through every level.
#[derive(Debug)]
struct Mistake {
    message: String,
    /// The field that is missing below the path.
    missing: Option<&'static str>,
    /// From the inside to the outside.
    path: Vec<String>,
    /// Where it is, when that is not where the path leads.
    place: Option<Place>,
}

impl Wrong {
    fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Mistake { message: message.into(), missing: None, path: Vec::new(), place: None }))
    }

    fn needs(what: &str, node: &Node) -> Self {
        let mut wrong = Self::new(format!("{what} is needed here"));
        wrong.0.place = Some(node.place);
        wrong
    }

    fn below(mut self, part: impl Into<String>) -> Self {
        self.0.path.push(part.into());
        self
    }

    /// The way to it, what to say, and its place when that is not where the way leads.
    pub(super) fn into_parts(self) -> (Vec<String>, String, Option<Place>) {
        let Mistake { message, missing, mut path, place } = *self.0;
        path.reverse();
        path.extend(missing.map(str::to_owned));
        (path, message, place)
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Wrong {}

impl Error for Wrong {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("{unexpected} stands here, and {expected} is needed"))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let nearest = super::nearest(variant, expected.iter().copied());
        Self::new(format!("`{variant}` is none of {}{nearest}", expected.join(", ")))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let nearest = super::nearest(field, expected.iter().copied());
        Self::new(format!("`{field}` is unknown here{nearest}")).below(field)
    }

    fn missing_field(field: &'static str) -> Self {
        let mut wrong = Self::new(format!("`{field}` is missing: add it"));
        wrong.0.missing = Some(field);
        wrong
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` stands here twice: keep one"))
    }
}

/// Reads a node as any type.
#[derive(Clone, Copy)]
pub(super) struct Reader<'n>(pub &'n Node);

/// Whether a word without quotes stands for nothing.
fn is_nothing(node: &Node) -> bool {
    matches!(&node.content, Content::Scalar { text, plain: true }
        if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
}

impl<'n> Reader<'n> {
    fn text(self) -> Result<&'n str, Wrong> {
        match &self.0.content {
            Content::Scalar { .. } if is_nothing(self.0) => {
                Err(Wrong::new("nothing stands here, and a text is needed"))
            }
            Content::Scalar { text, .. } => Ok(text),
            _ => Err(Wrong::needs("a text", self.0)),
        }
    }

    fn whole<T: FromStr>(self) -> Result<T, Wrong> {
        match &self.0.content {
            Content::Scalar { text, .. } => text.replace('_', "").parse().ok(),
            _ => None,
        }
        .ok_or_else(|| Wrong::needs("a whole number", self.0))
    }

    /// The fields of a group, with those of the groups that it merges.
    fn fields(self) -> Result<Vec<&'n Field>, Wrong> {
        let Content::Fields(written) = &self.0.content else {
            return Err(Wrong::needs("a group of fields", self.0));
        };
        let mut fields: Vec<&Field> = Vec::with_capacity(written.len());
        for field in written.iter().filter(|field| field.name != MERGE) {
            if fields.iter().any(|known| known.name == field.name) {
                let mut wrong = Wrong::new(format!("`{}` stands here twice: keep one", field.name));
                wrong.0.place = Some(field.place);
                return Err(wrong.below(&field.name));
            }
            fields.push(field);
        }
        for merged in written.iter().filter(|field| field.name == MERGE) {
            let groups = match &merged.value.content {
                Content::List(groups) => groups.as_slice(),
                _ => std::slice::from_ref(&merged.value),
            };
            for group in groups {
                for field in Reader(group).fields()? {
                    if !fields.iter().any(|known| known.name == field.name) {
                        fields.push(field);
                    }
                }
            }
        }
        Ok(fields)
    }

    fn items(self) -> Result<&'n [Node], Wrong> {
        match &self.0.content {
            Content::List(items) => Ok(items),
            _ => Err(Wrong::needs("a list", self.0)),
        }
    }
}

/// The name under which a group takes the fields of another.
const MERGE: &str = "<<";

macro_rules! whole_numbers {
    ($($deserialize:ident $visit:ident),* $(,)?) => {$(
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            visitor.$visit(self.whole()?)
        }
    )*};
}

macro_rules! same_as {
    ($same:ident: $($deserialize:ident),* $(,)?) => {$(
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            self.$same(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Wrong;

    whole_numbers! {
        deserialize_i8 visit_i8, deserialize_i16 visit_i16, deserialize_i32 visit_i32, deserialize_i64 visit_i64,
        deserialize_u8 visit_u8, deserialize_u16 visit_u16, deserialize_u32 visit_u32, deserialize_u64 visit_u64,
    }

    same_as! { deserialize_any: deserialize_f32, deserialize_f64, deserialize_bytes, deserialize_byte_buf }
    same_as! { deserialize_str: deserialize_string, deserialize_char, deserialize_identifier }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match &self.0.content {
            Content::List(_) => self.deserialize_seq(visitor),
            Content::Fields(_) => self.deserialize_map(visitor),
            Content::Scalar { text, plain: false } => visitor.visit_str(text),
            Content::Scalar { .. } if is_nothing(self.0) => visitor.visit_unit(),
            Content::Scalar { text, .. } => match text.as_str() {
                "true" | "True" | "TRUE" => visitor.visit_bool(true),
                "false" | "False" | "FALSE" => visitor.visit_bool(false),
                text => match (text.parse(), text.parse()) {
                    (Ok(whole), _) => visitor.visit_i64(whole),
                    (_, Ok(number)) if text.contains(|c: char| c.is_ascii_digit()) => visitor.visit_f64(number),
                    _ => visitor.visit_str(text),
                },
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let text = match &self.0.content {
            Content::Scalar { text, .. } => text.to_ascii_lowercase(),
            _ => String::new(),
        };
        match text.as_str() {
            "true" | "yes" | "on" | "y" => visitor.visit_bool(true),
            "false" | "no" | "off" | "n" => visitor.visit_bool(false),
            _ => Err(Wrong::needs("true or false", self.0)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if is_nothing(self.0) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if is_nothing(self.0) { visitor.visit_unit() } else { Err(Wrong::needs("nothing", self.0)) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_seq(Items { items: self.items()?, next: 0 })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_map(Fields { fields: self.fields()?.into_iter(), present: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match &self.0.content {
            Content::Scalar { text, .. } => {
                let word: StrDeserializer<'_, Wrong> = text.as_str().into_deserializer();
                visitor.visit_enum(word)
            }
            Content::Fields(_) => match self.fields()?.as_slice() {
                [field] => visitor.visit_enum(Choice(field)).map_err(|wrong| wrong.below(&field.name)),
                _ => Err(Wrong::needs("exactly one field", self.0)),
            },
            Content::List(_) => Err(Wrong::needs("a word", self.0)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_unit()
    }
}

struct Items<'n> {
    items: &'n [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        let Some(item) = self.items.get(self.next) else { return Ok(None) };
        let at = self.next;
        self.next += 1;
        seed.deserialize(Reader(item)).map(Some).map_err(|wrong| wrong.below(at.to_string()))
    }
}

struct Fields<'n> {
    fields: std::vec::IntoIter<&'n Field>,
    present: Option<&'n Field>,
}

/// A name as a value of its own.
fn name(field: &Field) -> Node {
    Node { place: field.place, content: Content::Scalar { text: field.name.clone(), plain: false } }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        self.present = self.fields.next();
        self.present.map(|field| seed.deserialize(Reader(&name(field)))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let field = self.present.take().ok_or_else(|| Wrong::new("a value was asked for twice"))?;
        seed.deserialize(Reader(&field.value)).map_err(|wrong| wrong.below(&field.name))
    }
}

/// A variant that is named by a field.
struct Choice<'n>(&'n Field);

impl<'de> EnumAccess<'de> for Choice<'_> {
    type Error = Wrong;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Wrong> {
        seed.deserialize(Reader(&name(self.0))).map(|variant| (variant, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_> {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        if is_nothing(&self.0.value) { Ok(()) } else { Err(Wrong::needs("nothing", &self.0.value)) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Wrong> {
        seed.deserialize(Reader(&self.0.value))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        Reader(&self.0.value).deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Wrong> {
        Reader(&self.0.value).deserialize_map(visitor)
    }
}
