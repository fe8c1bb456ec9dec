//! The header of a safetensors file: names, dtypes, shapes and places of its tensors, as JSON.
//!
//! The format: 8 bytes, the length of the header (little-endian); the header; the elements of all tensors, one after
//! the other, in any order but without holes. See <https://github.com/huggingface/safetensors#format>. The reader
//! takes what the format allows and nothing else, in time and memory that are proportional to the header.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::json::{Scanner, write_string};
use crate::tensor::{DType, MAX_RANK, Shape, Spec};

/// The most bytes of a header: the limit of the format's own library.
pub(super) const MAX_BYTES: u64 = 100_000_000;
/// The name that is no tensor's.
pub(super) const METADATA: &str = "__metadata__";
/// The header is filled up with spaces to a multiple of this, so that the elements are aligned in the file.
const ALIGNMENT: usize = 8;

/// What a file contains.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// In the order of the header.
    pub(super) entries: Vec<Entry>,
    /// Numbers of the entries, in the order of their names.
    by_name: Vec<usize>,
    pub(super) metadata: BTreeMap<String, String>,
}

/// A tensor of a file.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) spec: Stored,
    /// Bytes of the data before the first and behind the last of the tensor.
    pub(super) start: u64,
    pub(super) end: u64,
}

/// What a tensor in a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// It can be read.
    Known(Spec),
    /// It cannot: its dtype or shape, and why.
    Foreign(String),
}

impl std::fmt::Display for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stored::Known(spec) => spec.fmt(f),
            Stored::Foreign(what) => f.write_str(what),
        }
    }
}

impl Header {
    /// The header of a file whose data have `data` bytes, or what is wrong with it.
    pub(super) fn parse(text: &[u8], data: u64) -> Result<Header, String> {
        let text = std::str::from_utf8(text)
            .map_err(|e| format!("the header is not UTF-8 from byte {} on", e.valid_up_to()))?;
        // The format asks for it, so that other formats are told apart by their first byte.
        if !text.starts_with('{') {
            return Err("the header does not begin with `{`".into());
        }
        let mut header = Header::default();
        let mut scanner = Scanner::new(text);
        scanner.object(|scanner, name| {
            if name == METADATA {
                return header.read_metadata(scanner);
            }
            let entry = Entry::read(scanner, name)?;
            header.entries.push(entry);
            Ok(())
        })?;
        scanner.end()?;
        header.check_places(data)?;
        header.index_names()?;
        Ok(header)
    }

    fn read_metadata(&mut self, scanner: &mut Scanner<'_>) -> Result<(), String> {
        if !self.metadata.is_empty() {
            return Err(format!("there is more than one `{METADATA}`"));
        }
        scanner.object(|scanner, key| {
            let value = scanner.string()?;
            match self.metadata.insert(key.clone(), value) {
                None => Ok(()),
                Some(_) => Err(format!("there is more than one `{key}` in `{METADATA}`")),
            }
        })
    }

    /// Tensors lie one after the other, from the first byte of the data to the last.
    fn check_places(&self, data: u64) -> Result<(), String> {
        let mut in_place: Vec<&Entry> = self.entries.iter().collect();
        in_place.sort_unstable_by_key(|entry| (entry.start, entry.end));
        let mut at = 0;
        for entry in &in_place {
            let Entry { name, spec, start, end } = *entry;
            if *start != at {
                let what = if *start < at { "within the tensor before it" } else { "behind a hole" };
                return Err(format!("tensor `{name}` begins at byte {start} of the data, {what}"));
            }
            if end < start {
                return Err(format!("tensor `{name}` ends at byte {end}, before it begins at {start}"));
            }
            if let Stored::Known(spec) = spec
                && spec.bytes() as u64 != end - start
            {
                let (needed, taken) = (spec.bytes(), end - start);
                return Err(format!("tensor `{name}`, {spec}, has {taken} bytes instead of {needed}"));
            }
            at = *end;
        }
        match at.cmp(&data) {
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => {
                let first = in_place.iter().find(|entry| entry.end > data).map_or("", |entry| &entry.name);
                Err(format!(
                    "it is cut off in tensor `{first}`: its tensors take {at} bytes, of which {data} are there"
                ))
            }
            std::cmp::Ordering::Less => Err(format!("its tensors take {at} bytes, but {data} are there")),
        }
    }

    /// Puts names in order; no two are the same.
    fn index_names(&mut self) -> Result<(), String> {
        let mut by_name: Vec<usize> = (0..self.entries.len()).collect();
        by_name.sort_unstable_by_key(|&i| self.entries[i].name.as_str());
        let name = |i: usize| &self.entries[i].name;
        if let Some(pair) = by_name.windows(2).find(|pair| name(pair[0]) == name(pair[1])) {
            return Err(format!("there is more than one tensor `{}`", name(pair[0])));
        }
        self.by_name = by_name;
        Ok(())
    }

    /// The number of the tensor of that name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let at = self.by_name.binary_search_by_key(&name, |&i| self.entries[i].name.as_str()).ok()?;
        Some(self.by_name[at])
    }
}

impl Entry {
    /// `{"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}`.
    fn read(scanner: &mut Scanner<'_>, name: String) -> Result<Entry, String> {
        let (mut dtype, mut shape, mut place) = (None, None, None);
        scanner.object(|scanner, key| {
            let first = match key.as_str() {
                "dtype" => dtype.replace(scanner.string()?).is_none(),
                "shape" => shape.replace(read_shape(scanner)?).is_none(),
                "data_offsets" => place.replace(read_place(scanner)?).is_none(),
                other => return Err(format!("tensor `{name}` has an unknown property `{other}`")),
            };
            if first { Ok(()) } else { Err(format!("tensor `{name}` has more than one `{key}`")) }
        })?;
        let lacks = |what| format!("tensor `{name}` has no `{what}`");
        let dtype = dtype.ok_or_else(|| lacks("dtype"))?;
        let shape = shape.ok_or_else(|| lacks("shape"))?;
        let (start, end) = place.ok_or_else(|| lacks("data_offsets"))?;
        let spec = match (dtype_of(&dtype), shape) {
            (Some(dtype), Ok(shape)) => Stored::Known(Spec::new(shape, dtype)),
            (None, _) => Stored::Foreign(format!("dtype {dtype}")),
            (_, Err(why)) => Stored::Foreign(why),
        };
        Ok(Entry { name, spec, start, end })
    }
}

/// A shape, or why no tensor may have it. Lengths are not kept beyond those that a tensor may have.
fn read_shape(scanner: &mut Scanner<'_>) -> Result<Result<Shape, String>, String> {
    let (mut dims, mut rank) = (Vec::new(), 0usize);
    scanner.array(|scanner| {
        let dim = scanner.natural()?;
        rank += 1;
        if rank <= MAX_RANK {
            dims.push(usize::try_from(dim).map_err(|_| format!("an axis of length {dim} is too long"))?);
        }
        Ok(())
    })?;
    Ok(if rank > MAX_RANK {
        Err(format!("a shape of {rank} axes, more than {MAX_RANK}"))
    } else {
        Shape::checked(&dims)
    })
}

fn read_place(scanner: &mut Scanner<'_>) -> Result<(u64, u64), String> {
    let (mut ends, mut count) = ([0; 2], 0);
    scanner.array(|scanner| {
        let end = scanner.natural()?;
        *ends.get_mut(count).ok_or("`data_offsets` are two numbers")? = end;
        count += 1;
        Ok(())
    })?;
    if count == 2 { Ok((ends[0], ends[1])) } else { Err("`data_offsets` are two numbers".into()) }
}

/// The format's names; among those that it has and we do not are I8, U16, I16, U32, U64, C64, F8_E4M3 and F8_E5M2.
const DTYPES: [(&str, DType); 8] = [
    ("F32", DType::F32),
    ("F64", DType::F64),
    ("F16", DType::F16),
    ("BF16", DType::BF16),
    ("I64", DType::I64),
    ("I32", DType::I32),
    ("U8", DType::U8),
    ("BOOL", DType::Bool),
];

fn dtype_of(name: &str) -> Option<DType> {
    DTYPES.iter().find(|(known, _)| *known == name).map(|(_, dtype)| *dtype)
}

/// The bytes of a file before its data: the length of the header, and the header of these tensors, which lie in the
/// order given.
pub(super) fn write<'a>(
    tensors: impl Iterator<Item = (&'a str, Spec)>,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, String> {
    let mut text = String::from("{");
    if !metadata.is_empty() {
        write_string(METADATA, &mut text);
        for (i, (key, value)) in metadata.iter().enumerate() {
            text.push_str(if i == 0 { ":{" } else { "," });
            write_string(key, &mut text);
            text.push(':');
            write_string(value, &mut text);
        }
        text.push('}');
    }
    let mut at = 0;
    for (name, spec) in tensors {
        if text.len() > 1 {
            text.push(',');
        }
        write_string(name, &mut text);
        let (start, end) = (at, at + spec.bytes() as u64);
        at = end;
        let dtype = DTYPES.iter().find(|(_, dtype)| *dtype == spec.dtype).map_or("", |(name, _)| name);
        let dims: Vec<String> = spec.shape.iter().map(u32::to_string).collect();
        let shape = dims.join(",");
        let _ = write!(text, r#":{{"dtype":"{dtype}","shape":[{shape}],"data_offsets":[{start},{end}]}}"#);
    }
    text.push('}');
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(ALIGNMENT) - text.len()));
    if text.len() as u64 > MAX_BYTES {
        return Err(format!("names and metadata take {} bytes, more than {MAX_BYTES}", text.len()));
    }
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    Ok(bytes)
}
