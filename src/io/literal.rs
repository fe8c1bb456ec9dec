//! The header of an `.npy` file: a dictionary as Python writes it, with three keys.

use crate::tensor::MAX_RANK;

/// What an `.npy` file says of its array.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Description {
    /// The dtype: `<f8`; the beginning of one that is structured.
    pub(super) descr: String,
    pub(super) fortran_order: bool,
    /// Of more axes than a tensor has, as many as are one too many.
    pub(super) shape: Vec<usize>,
}

impl Description {
    /// `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`, keys in any order.
    pub(super) fn parse(text: &[u8]) -> Result<Description, String> {
        let mut reader = Reader { text, at: 0 };
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        reader.expect(b'{')?;
        while !reader.take(b'}') {
            let key = reader.string()?;
            reader.expect(b':')?;
            let first = match key.as_str() {
                "descr" => descr.replace(reader.descr()?).is_none(),
                "fortran_order" => fortran_order.replace(reader.truth()?).is_none(),
                "shape" => shape.replace(reader.tuple()?).is_none(),
                other => return Err(format!("its header has an unknown key {other:?}")),
            };
            if !first {
                return Err(format!("its header has more than one key {key:?}"));
            }
            if !reader.take(b',') {
                reader.expect(b'}')?;
                break;
            }
        }
        reader.end()?;
        let lacks = |key| format!("its header has no key {key:?}");
        Ok(Description {
            descr: descr.ok_or_else(|| lacks("descr"))?,
            fortran_order: fortran_order.ok_or_else(|| lacks("fortran_order"))?,
            shape: shape.ok_or_else(|| lacks("shape"))?,
        })
    }
}

/// Reads through the text.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    /// A dtype; a list of fields, which no tensor has, as far as it can be shown.
    fn descr(&mut self) -> Result<String, String> {
        self.skip_space();
        if self.text.get(self.at) == Some(&b'[') {
            return Err(
                "its array is structured: a list of fields, of which each can be saved by itself".into()
            );
        }
        self.string()
    }

    /// A string in single or double quotes. Python writes a backslash for what no dtype has.
    fn string(&mut self) -> Result<String, String> {
        self.skip_space();
        let rest = &self.text[self.at..];
        let quote = rest.first().copied().filter(|quote| matches!(quote, b'\'' | b'"'));
        let quote = quote.ok_or_else(|| self.unexpected("a string"))?;
        let length =
            rest[1..].iter().take_while(|&&c| c != quote && c.is_ascii_graphic() && c != b'\\').count();
        let string = String::from_utf8_lossy(&rest[1..=length]).into_owned();
        self.at += 1 + length;
        if self.text.get(self.at) != Some(&quote) {
            return Err(self.unexpected("the end of a string"));
        }
        self.at += 1;
        Ok(string)
    }

    fn truth(&mut self) -> Result<bool, String> {
        self.skip_space();
        let rest = &self.text[self.at..];
        let (truth, word) = if rest.starts_with(b"True") { (true, "True") } else { (false, "False") };
        if !rest.starts_with(word.as_bytes()) {
            return Err(self.unexpected("`True` or `False`"));
        }
        self.at += word.len();
        Ok(truth)
    }

    /// `()`, `(3,)`, `(3, 4)`.
    fn tuple(&mut self) -> Result<Vec<usize>, String> {
        let mut dims = Vec::new();
        self.expect(b'(')?;
        while !self.take(b')') {
            let dim = self.natural()?;
            if dims.len() <= MAX_RANK {
                dims.push(dim);
            }
            if !self.take(b',') {
                if dims.len() == 1 {
                    return Err(self.unexpected("the `,` of a tuple of one number"));
                }
                self.expect(b')')?;
                break;
            }
        }
        Ok(dims)
    }

    fn natural(&mut self) -> Result<usize, String> {
        self.skip_space();
        let digits = self.text[self.at..].iter().take_while(|c| c.is_ascii_digit()).count();
        let text = std::str::from_utf8(&self.text[self.at..self.at + digits]).unwrap_or_default();
        let number = text.parse().map_err(|_| self.unexpected("a length that fits"))?;
        self.at += digits;
        // Python 2 wrote `3L`.
        self.at += usize::from(self.text.get(self.at) == Some(&b'L'));
        Ok(number)
    }

    fn end(&mut self) -> Result<(), String> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.unexpected("the end of the header")) }
    }

    fn skip_space(&mut self) {
        self.at +=
            self.text[self.at..].iter().take_while(|c| matches!(c, b' ' | b'\n' | b'\t' | b'\r')).count();
    }

    fn take(&mut self, c: u8) -> bool {
        self.skip_space();
        let there = self.text.get(self.at) == Some(&c);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, c: u8) -> Result<(), String> {
        if self.take(c) { Ok(()) } else { Err(self.unexpected(&format!("`{}`", char::from(c)))) }
    }

    fn unexpected(&self, wanted: &str) -> String {
        let at = self.at;
        match self.text.get(at) {
            Some(found) => {
                let found = found.escape_ascii();
                format!("byte {at} of its header is '{found}', where {wanted} is expected")
            }
            None => format!("its header ends where {wanted} is expected"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Description, String> {
        Description::parse(text.as_bytes())
    }

    #[test]
    fn a_header_is_a_dictionary_with_three_keys() {
        let told =
            |shape: &[usize]| Description { descr: "<f8".into(), fortran_order: false, shape: shape.into() };
        let numpy = "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }   \n";
        assert_eq!(parse(numpy), Ok(told(&[3, 4])));
        assert_eq!(parse(r#"{"shape":(),"fortran_order":False,"descr":"<f8"}"#), Ok(told(&[])));
        assert_eq!(parse("{'shape': (3L,), 'fortran_order': False, 'descr': '<f8'}"), Ok(told(&[3])));
    }

    #[test]
    fn what_is_wrong_is_told_by_byte_or_key() {
        let error = |text| parse(text).expect_err("is wrong");
        assert_eq!(error("{'descr': '<f8'"), "its header ends where `}` is expected");
        assert_eq!(error("{'descr': '<f8'}"), "its header has no key \"fortran_order\"");
        assert_eq!(error("{'descr': '<f8', 'descr': '<f8'}"), "its header has more than one key \"descr\"");
        assert_eq!(error("{'order': 1}"), "its header has an unknown key \"order\"");
        assert_eq!(error("{'shape': 3}"), "byte 10 of its header is '3', where `(` is expected");
        assert_eq!(
            error("{'shape': (3)}"),
            "byte 12 of its header is ')', where the `,` of a tuple of one number is expected"
        );
        assert_eq!(
            error("{'shape': (-3,)}"),
            "byte 11 of its header is '-', where a length that fits is expected"
        );
        assert_eq!(
            error("{'fortran_order': true}"),
            "byte 18 of its header is 't', where `True` or `False` is expected"
        );
        assert!(error("{'descr': [('x', '<f8')]}").starts_with("its array is structured"));
        assert_eq!(error("{'descr': '<f8"), "its header ends where the end of a string is expected");
    }
}
